"""Store: Kubernetes semantics for one resource over a Storage (upstream registry/generic/registry/store.go)."""

from __future__ import annotations


class Store:
    """Placeholder for the seam while the house is built: see docs/architecture.md, "Store"."""
