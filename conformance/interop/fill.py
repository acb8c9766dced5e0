"""Fills a server with objects: the ones of objects.yaml, each written in four ways, and all that the recordings' scenarios leave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from conformance.differential.player import Session
from conformance.differential.record import play_all
from conformance.differential.scenario import load
from conformance.interop.catalog import Kind
from conformance.target import Target

NAMESPACE = "interop"
OBJECTS = Path(__file__).parent / "objects.yaml"
JSON, MERGE, APPLY = "application/json", "application/merge-patch+json", "application/apply-patch+yaml"


def objects() -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all(OBJECTS.read_text()) if each]


class Filler:
    """Writes through one server; what was refused is kept as a line each."""

    def __init__(self, session: Session, served: dict[str, Kind]) -> None:
        self._session = session
        self._kinds = {(kind.group_version, kind.kind): kind for kind in served.values() if "create" in kind.verbs}
        self.refused: list[str] = []
        self.written: set[str] = set()

    def fill(self) -> None:
        self._write("POST", "/api/v1/namespaces", JSON, {"metadata": {"name": NAMESPACE}})
        account = {"metadata": {"name": "default"}}  # no controller runs here
        self._write("POST", f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", JSON, account)
        for each in objects():
            kind = self._kinds.get((each["apiVersion"], each["kind"]))
            if kind is not None:
                self._write_in_all_ways(kind, each)

    def _write_in_all_ways(self, kind: Kind, obj: dict[str, Any]) -> None:
        """Created, patched, applied by a second manager, its status set: so managedFields has entries of every sort."""
        status = obj.pop("status", None)
        collection, name = kind.path(NAMESPACE), obj["metadata"]["name"]
        if not self._write("POST", f"{collection}?fieldManager=creator", JSON, obj):
            return
        self.written.add(kind.name)
        path = f"{collection}/{name}"
        self._write("PATCH", f"{path}?fieldManager=patcher", MERGE, {"metadata": {"annotations": {"note": "ä ☃ <&>"}}})
        applied = {
            "apiVersion": kind.group_version,
            "kind": kind.kind,
            "metadata": {"name": name, "labels": {"x": "1"}},
        }
        self._write("PATCH", f"{path}?fieldManager=applier", APPLY, applied)
        if status is not None and "status" in kind.subresources:
            self._write("PATCH", f"{path}/status?fieldManager=reporter", MERGE, {"status": status})

    def _write(self, method: str, path: str, content_type: str, body: dict[str, Any]) -> bool:
        headers = {"Content-Type": content_type}
        answer = self._session.send(method, path, headers, json.dumps(body).encode(), False)
        if answer.status >= 400:
            self.refused.append(f"{method} {path}: {answer.status} {answer.body.get('message', answer.body)}")
        return answer.status < 400


def fill(target: Target, served: dict[str, Kind], *, scenarios: bool) -> Filler:
    session = Session(target)
    try:
        filler = Filler(session, served)
        filler.fill()
    finally:
        session.close()
    if scenarios:
        play_all(target, load())
    return filler
