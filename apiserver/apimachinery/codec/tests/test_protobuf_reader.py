"""Objects of the real server in protobuf, read as the JSON in which the same server shows them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from apiserver.apimachinery.codec.protobuf_reader import Malformed, decode
from apiserver.apimachinery.decode import typed
from apiserver.apimachinery.gvk import GroupVersion, GroupVersionKind
from apiserver.apimachinery.schemas import builtin

RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "recorded_workloads.json").read_text())


@pytest.mark.parametrize("kind", RECORDED)
def test_what_the_real_server_writes_in_protobuf_is_read_in_full(kind: str) -> None:
    expected = RECORDED[kind]["json"]
    group_version = GroupVersion.parse(expected["apiVersion"])
    gvk = GroupVersionKind(group_version.group, group_version.version, kind)
    body = decode(base64.b64decode(RECORDED[kind]["protobuf"]), builtin().definition_name(gvk))
    found = typed(json.loads(body), builtin().schema(gvk)).obj
    found["metadata"].pop("managedFields")
    for claim in expected.get("spec", {}).get("volumeClaimTemplates", ()):
        del claim["kind"], claim["apiVersion"]  # protobuf has no place for them; the StatefulSet's defaults bring them
    assert found == expected


def _field(number: int, value: bytes) -> bytes:
    return bytes([number << 3 | 2, len(value)]) + value


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        ("", None),
        ("08001000", "1970-01-01T00:00:00.000000Z"),
        ("088292b8c398feffffff011080897a", "0001-01-01T00:00:02.002000Z"),
    ],
)
def test_times_are_read_whatever_their_year(moment: str, shown: str | None) -> None:
    spec = _field(3, bytes.fromhex(moment))
    message = _field(2, spec)
    body = decode(b"k8s\0" + _field(2, message), "io.k8s.api.coordination.v1.Lease")
    assert json.loads(body)["spec"].get("acquireTime") == shown


def test_a_year_that_json_cannot_have_is_refused() -> None:
    seconds = b"\x08\xff\xff\xff\xff\xff\xff\x01"
    with pytest.raises(Malformed, match=r"year outside of range \[0,9999\]"):
        decode(b"k8s\0" + _field(2, _field(2, _field(3, seconds))), "io.k8s.api.coordination.v1.Lease")
