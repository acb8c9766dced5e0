"""Plays scenarios against a server over HTTPS and keeps what it answers: status, content type, warnings, body."""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import yaml

from conformance.differential.scenario import Scenario, Step, fill, lookup
from conformance.target import Target

TIMEOUT = 30.0


@dataclass
class Answer:
    """What came back, the body parsed where it can be."""

    status: int
    content_type: str
    warnings: list[str]
    body: Any

    def as_json(self) -> dict[str, Any]:
        kept: dict[str, Any] = {"status": self.status, "type": self.content_type}
        if self.warnings:
            kept["warnings"] = self.warnings
        kept["body"] = self.body
        return kept


class Session:
    """One keep-alive connection to a target as its admin, and one without credentials."""

    def __init__(self, target: Target) -> None:
        parts = urlsplit(target.url)
        admin = ssl.create_default_context(cafile=target.ca)
        admin.load_cert_chain(target.cert, target.key)
        nobody = ssl.create_default_context(cafile=target.ca)
        host, port = parts.hostname or "", parts.port or 443
        self._admin = http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=admin)
        self._nobody = http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=nobody)

    def close(self) -> None:
        self._admin.close()
        self._nobody.close()

    def send(self, method: str, path: str, headers: dict[str, str], body: bytes | None, watch: bool) -> Answer:
        headers = dict(headers)
        connection = self._nobody if headers.pop("X-As", "admin") == "nobody" else self._admin
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
        except (http.client.HTTPException, ConnectionError):
            connection.close()
            connection.request(method, path, body, headers)
            response = connection.getresponse()
        try:
            data = response.read()
        except TimeoutError:
            connection.close()
            return Answer(response.status, "no end", [], f"the answer had no end within {TIMEOUT:.0f} s")
        content_type = response.headers.get("Content-Type", "")
        warnings = response.headers.get_all("Warning") or []
        return Answer(response.status, content_type, warnings, _parse(data, content_type, watch))


def _parse(data: bytes, content_type: str, watch: bool) -> Any:
    text = data.decode("utf-8", "replace")
    if watch and "json" in content_type:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    try:
        if "json" in content_type:
            return json.loads(text)
        if "yaml" in content_type:
            return yaml.safe_load(text)
    except (ValueError, yaml.YAMLError):
        pass
    return text


def _pick(body: Any, pick: dict[str, Any] | None) -> Any:
    """Keep of the list under `list` only the items whose `key` is among `values`: what a server does not serve yet."""
    if pick is None or not isinstance(body, dict):
        return body
    items = lookup(body, pick["list"])
    if not isinstance(items, list):
        return body
    kept = [item for item in items if lookup(item, pick["key"]) in pick["values"]]
    return {pick["list"]: kept}


def _request(step: Step, variables: dict[str, Any]) -> tuple[str, str, dict[str, str], bytes | None]:
    path = str(fill(step.path, variables))
    if query := {k: v for k, v in fill(step.query, variables).items() if v is not None}:
        path += "?" + urlencode(query, doseq=True)
    headers = {str(k): str(v) for k, v in fill(step.headers, variables).items()}
    body: bytes | None = None
    if step.raw is not None:
        body = str(fill(step.raw, variables)).encode()
    elif step.body is not None:
        body = json.dumps(fill(step.body, variables)).encode()
    if body is not None:
        headers.setdefault("Content-Type", "application/json")
    return step.method, path, headers, body


def _prepare(session: Session, namespace: str) -> None:
    """The scenario's namespace with the service account pods need: no controller runs beside a recorded server."""
    made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    as_json = {"Content-Type": "application/json"}
    session.send("POST", "/api/v1/namespaces", as_json, json.dumps(made).encode(), False)
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    session.send("POST", path, as_json, json.dumps(account).encode(), False)


def play(target: Target, scenario: Scenario) -> dict[str, dict[str, Any]]:
    """Run one scenario; answers by step id. A step whose variables never came is kept as `{"unplayed": why}`."""
    variables = dict(scenario.variables)
    variables["ns"] = namespace = f"d-{scenario.area}-{scenario.name}".lower().replace("_", "-")[:60]
    session = Session(target)
    answers: dict[str, dict[str, Any]] = {}
    try:
        _prepare(session, namespace)
        for step in scenario.steps:
            try:
                request = _request(step, variables)
            except KeyError as missing:
                answers[step.id] = {"unplayed": f"no variable {missing}"}
                continue
            answer = session.send(*request, step.watch)
            for name, path in step.capture.items():
                value = lookup(answer.body, path)
                if value is not None:
                    variables[name] = value
            answer.body = _pick(answer.body, step.pick)
            answers[step.id] = {"request": f"{request[0]} {request[1]}", **answer.as_json()}
    finally:
        session.close()
    return answers
