"""Nodes that stop reporting: told in their conditions, tainted zone by zone, and their pods marked not ready."""

from __future__ import annotations

from controllers.loops.node_lifecycle.controller import build

__all__ = ["build"]
