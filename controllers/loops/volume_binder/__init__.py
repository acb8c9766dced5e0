"""Claims find volumes, volumes follow their claims (upstream pkg/controller/volume/persistentvolume)."""

from __future__ import annotations

from controllers.loops.volume_binder.controller import build

__all__ = ["build"]
