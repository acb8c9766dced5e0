"""What two servers serve, by discovery, and what they have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from conformance.differential.player import Session


@dataclass(frozen=True, order=True)
class Kind:
    """One resource under one served version."""

    group_version: str  # as apiVersion says it
    plural: str
    kind: str
    namespaced: bool
    subresources: frozenset[str]
    verbs: frozenset[str]

    @property
    def name(self) -> str:
        return f"{self.group_version}/{self.plural}"

    def path(self, namespace: str = "") -> str:
        """Its collection: of one namespace, or of all."""
        base = f"/apis/{self.group_version}" if "/" in self.group_version else f"/api/{self.group_version}"
        return (
            f"{base}/namespaces/{namespace}/{self.plural}" if namespace and self.namespaced else f"{base}/{self.plural}"
        )


def get(session: Session, path: str) -> Any:
    """The body of a GET that must succeed."""
    answer = session.send("GET", path, {"Accept": "application/json"}, None, False)
    if answer.status != 200:
        raise RuntimeError(f"GET {path}: {answer.status} {answer.body}")
    return answer.body


def group_versions(session: Session) -> list[str]:
    groups = get(session, "/apis")["groups"]
    return ["v1", *(version["groupVersion"] for group in groups for version in group["versions"])]


def kinds(session: Session) -> dict[str, Kind]:
    """Everything served, by name."""
    found = {}
    for group_version in group_versions(session):
        base = "/apis/" if "/" in group_version else "/api/"
        resources = get(session, base + group_version)["resources"]
        below: dict[str, set[str]] = {}
        for each in resources:
            plural, _, subresource = each["name"].partition("/")
            below.setdefault(plural, set()).update({subresource} - {""})
        for each in resources:
            if "/" not in each["name"]:
                plural = each["name"]
                kind = Kind(group_version, plural, each["kind"], each["namespaced"],
                            frozenset(below[plural]), frozenset(each["verbs"]))  # fmt: skip
                found[kind.name] = kind
    return found
