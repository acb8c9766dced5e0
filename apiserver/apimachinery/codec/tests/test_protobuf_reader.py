"""Objects of the real server in protobuf, read as the JSON in which the same server shows them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from apiserver.apimachinery.codec.protobuf_reader import decode
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
