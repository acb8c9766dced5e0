"""Answers of the API server that loops take as news, not as failures."""

from __future__ import annotations

from apiserver.apimachinery.errors import StatusError


def namespace_terminating(error: StatusError) -> bool:
    """The namespace is going away: nothing new is wanted in it."""
    causes = (error.details or {}).get("causes") or ()
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)
