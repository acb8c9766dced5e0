"""Parameters in the document of version 2: described, and said once for all operations that share them.

Mirrors upstream kube-openapi pkg/builder/parameters.go, with its names for them (a hash of what they say).
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Iterator
from typing import Any

import orjson

from apiserver.endpoints import openapi_prose

Json = dict[str, Any]
_ORDER = ("uniqueItems", "type", "description", "name", "in", "required", "schema")  # as Go writes them: it is hashed
_OWN = ("name", "fieldValidation", "dryRun")  # kubectl once looked for the last two where they are used
_GENERIC = "#/definitions/io.k8s.apimachinery"
# Which call of the client describes what an action takes: they say the same for all kinds.
_DESCRIBED_BY = {
    "list": "list_namespaced_pod",
    "watch": "list_namespaced_pod",
    "watchlist": "list_namespaced_pod",
    "get": "read_namespaced_pod_log",
    "post": "create_namespaced_pod",
    "put": "replace_namespaced_pod",
    "patch": "patch_namespaced_pod",
    "delete": "delete_namespaced_pod",
    "deletecollection": "delete_collection_namespaced_pod",
}
_CONNECT = re.compile(r"^connect\w*?V\d+(?=Get|Put|Post|Delete|Options|Head|Patch)")
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


async def share_parameters(paths: Json) -> Json:
    """Replace what is shared in these paths by references; what they lead to, by name."""
    shared: Json = {}
    descriptions: dict[str, dict[str, str]] = {}
    names: dict[bytes, str] = {}
    for parameters, call in _lists(paths):
        if call not in descriptions:
            descriptions[call] = openapi_prose.parameters(call)
            await asyncio.sleep(0)
        for i, parameter in enumerate(parameters):
            parameters[i] = _described(parameter, descriptions[call])
            if _is_shared(parameter):
                parameters[i] = _reference(parameters[i], shared, names)
    openapi_prose.forget_calls()
    return dict(sorted(shared.items()))


def _described(parameter: Json, descriptions: dict[str, str]) -> Json:
    said = descriptions.get(parameter["name"].lower())
    return parameter if not said or parameter["in"] == "body" else {**parameter, "description": said}


def _lists(paths: Json) -> Iterator[tuple[list[Any], str]]:
    """Every list of parameters with the call that describes what is in it."""
    for item in paths.values():
        calls = [_call(operation) for method, operation in item.items() if method != "parameters"]
        if "parameters" in item:
            yield item["parameters"], calls[0] if calls else ""
        for method, operation in item.items():
            if method != "parameters" and "parameters" in operation:
                yield operation["parameters"], _call(operation)


def _call(operation: Json) -> str:
    action = operation.get("x-kubernetes-action", "")
    if action != "connect":
        return _DESCRIBED_BY.get(action, "")
    method_and_what = _CONNECT.sub("", operation.get("operationId", ""))
    return "connect_" + _WORD.sub("_", method_and_what).lower()


def _is_shared(parameter: Json) -> bool:
    if parameter["in"] == "body":
        return bool(parameter["schema"].get("$ref", "").startswith(_GENERIC))
    return parameter["name"] not in _OWN


def _reference(parameter: Json, shared: Json, names: dict[bytes, str]) -> Json:
    said = {key: parameter[key] for key in _ORDER if key in parameter}
    data = orjson.dumps(said)
    name = names.get(data)
    if name is None:
        name = names[data] = f"{parameter['name']}-{_hash(data)}"
        shared[name] = said
    return {"$ref": f"#/parameters/{name}"}


def _hash(data: bytes) -> str:
    """FNV-1, 64 bits, the first six bytes."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = value * 0x100000001B3 & (1 << 64) - 1 ^ byte
    return base64.urlsafe_b64encode(value.to_bytes(8, "big")[:6]).decode()
