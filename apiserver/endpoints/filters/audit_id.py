"""Every request has an audit id: the client's own, or a new one; the answer echoes it (upstream WithAuditInit)."""

from __future__ import annotations

from apiserver.apimachinery.http import Request
from apiserver.apimachinery.rand import Random


def assign_audit_id(request: Request, rand: Random) -> None:
    request.audit_id = request.headers.get("audit-id") or rand.uuid()
