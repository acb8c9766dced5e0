"""Parameters said once: their names are the real server's where the words are, what belongs to one kind stays in place."""

from __future__ import annotations

import pytest

from apiserver.endpoints import openapi_prose
from apiserver.endpoints.openapi_shared import Json, share_parameters

POD = {"$ref": "#/definitions/io.k8s.api.core.v1.Pod"}
OPTIONS = {"$ref": "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"}


def query(name: str, type_: str) -> Json:
    return {"name": name, "in": "query", "type": type_, "uniqueItems": True}


def body(schema: Json) -> Json:
    return {"name": "body", "in": "body", "schema": schema}


def operation(action: str, *parameters: Json, **more: str) -> Json:
    return {"x-kubernetes-action": action, "parameters": list(parameters), **more}


async def test_what_operations_share_is_said_once_under_a_name_by_its_words() -> None:
    listing = [operation("list", query("watch", "boolean")) for _ in range(2)]
    paths: Json = {"/a": {"get": listing[0], "parameters": [query("pretty", "string")]}, "/b": {"get": listing[1]}}
    shared = await share_parameters(paths)
    # As kube-apiserver 1.37.2 names them.
    assert list(shared) == ["pretty-tJGM1-ng", "watch-XNNPZGbK"]
    assert shared["watch-XNNPZGbK"]["description"].startswith("Watch for changes to the described resources")
    assert paths["/a"]["parameters"] == [{"$ref": "#/parameters/pretty-tJGM1-ng"}]
    assert [o["parameters"] for o in listing] == [[{"$ref": "#/parameters/watch-XNNPZGbK"}]] * 2


async def test_a_connection_is_described_by_its_own_call() -> None:
    connects = operation("connect", query("tty", "boolean"), operationId="connectCoreV1GetNamespacedPodExec")
    assert list(await share_parameters({"/a": {"get": connects}})) == ["tty-s0flW37O"]


async def test_bodies_of_one_kind_and_what_kubectl_looks_for_stay_in_place() -> None:
    create = operation("post", body(POD), query("dryRun", "string"), query("fieldValidation", "string"))
    delete = operation("delete", body(OPTIONS))
    shared = await share_parameters({"/a": {"post": create, "delete": delete}})
    assert [p["name"] for p in create["parameters"]] == ["body", "dryRun", "fieldValidation"]
    assert list(shared) == ["body-2Y1dVQaQ"]


async def test_without_the_client_parameters_have_no_descriptions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openapi_prose, "_files", dict)
    [said] = (await share_parameters({"/a": {"get": operation("list", query("watch", "boolean"))}})).values()
    assert said == {"uniqueItems": True, "type": "boolean", "name": "watch", "in": "query"}
