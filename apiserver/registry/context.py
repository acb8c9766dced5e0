"""What a Store, a strategy or a hook may know of the request it serves."""

from __future__ import annotations

from dataclasses import dataclass, field

from apiserver.apimachinery.clock import Clock, rfc3339
from apiserver.apimachinery.http import LOOPBACK, UserInfo
from apiserver.apimachinery.rand import Random


@dataclass(slots=True)
class Context:
    """One request's facts below HTTP. `version` is the served version the client speaks."""

    clock: Clock
    rand: Random
    version: str = ""
    namespace: str = ""
    user: UserInfo = LOOPBACK
    verb: str = ""
    subresource: str = ""
    dry_run: bool = False
    field_manager: str = ""
    warnings: list[str] = field(default_factory=list)  # texts of Warning headers
    audit_id: str = ""

    def timestamp(self) -> str:
        """Now, as metav1.Time."""
        return rfc3339(self.clock.now())
