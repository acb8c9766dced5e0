"""Certificate signing requests: approved for kubelets, signed for the cluster's own signers, cleared away when old."""

from __future__ import annotations

from controllers.loops.certificates.approving import build as build_approving
from controllers.loops.certificates.cleaner import build as build_cleaner
from controllers.loops.certificates.cleaner import build_pod_cleaner
from controllers.loops.certificates.signing import build as build_signing

__all__ = ["build_approving", "build_cleaner", "build_pod_cleaner", "build_signing"]
