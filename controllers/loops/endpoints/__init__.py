"""Where a Service's traffic goes: Endpoints, EndpointSlices, and slices that mirror hand-made Endpoints."""

from __future__ import annotations

from controllers.loops.endpoints.legacy import build
from controllers.loops.endpoints.mirroring import build as build_mirroring
from controllers.loops.endpoints.slicing import build as build_slices

__all__ = ["build", "build_mirroring", "build_slices"]
