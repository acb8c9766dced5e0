"""Kinds with a schema of their own are read as built-in ones are: what has another type is refused in Go's words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apiserver.apimachinery.decode import decode
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.gvk import GroupVersionKind
from apiserver.apimachinery.own_schemas import kind_schema

GVK = GroupVersionKind("example.com", "v1", "Gizmo")
SCHEMA = kind_schema(
    "Gizmo",
    {
        "spec": {
            "type": "object",
            "properties": {
                "size": {"type": "integer", "format": "int32"},
                "colors": {"type": "array", "items": {"type": "string"}},
                "limits": {"type": "object", "additionalProperties": {"x-kubernetes-int-or-string": True}},
                "ready": {"type": "boolean"},
                "selector": {"$ref": "io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector"},
                "free": {"x-kubernetes-preserve-unknown-fields": True},
            },
        }
    },
)


def read(**spec: Any) -> Any:
    body = {"apiVersion": GVK.api_version, "kind": GVK.kind, "metadata": {"name": "a"}, "spec": spec}
    return decode(json.dumps(body).encode(), "application/json", SCHEMA, GVK, validation="Ignore").obj["spec"]


def test_what_fits_is_read_and_what_is_unknown_is_dropped() -> None:
    spec = {"size": 3, "colors": ["red"], "limits": {"a": "1", "b": 2}, "ready": True, "free": [1, {"a": {}}]}
    assert read(**spec, selector={"matchLabels": {"a": "b"}, "unknown": 1}, other=1) == {
        **spec,
        "selector": {"matchLabels": {"a": "b"}},
    }


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        ({"size": "3"}, "string into Go struct field Gizmo.spec.size of type int32"),
        ({"size": 1 << 31}, "number 2147483648 into Go struct field Gizmo.spec.size of type int32"),
        ({"size": True}, "bool into Go struct field Gizmo.spec.size of type int32"),
        ({"colors": [1]}, "number 1 into Go struct field Gizmo.spec.colors of type string"),
        ({"colors": {}}, "object into Go struct field Gizmo.spec.colors of type []interface {}"),
        ({"limits": {"a": []}}, "array into Go struct field Gizmo.spec.limits.a of type int-or-string"),
    ],
)
def test_another_type_is_refused(spec: dict[str, Any], error: str) -> None:
    with pytest.raises(StatusError) as caught:
        read(**spec)
    message = f'Gizmo in version "v1" cannot be handled as a Gizmo: json: cannot unmarshal {error}'
    assert (caught.value.code, caught.value.message) == (400, message)
