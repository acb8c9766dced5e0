"""Discovery documents of a few Resources, against what the real server answers (v1.37.2)."""

from __future__ import annotations

from typing import Any

import orjson

from apiserver import api
from apiserver.apimachinery.codec.negotiate import JSON, YAML
from apiserver.apimachinery.gvk import GroupVersion
from apiserver.apimachinery.http import Handler, Headers, Request, Response
from apiserver.endpoints import discovery
from apiserver.endpoints.discovery_paths import Discovery
from apiserver.endpoints.group_order import group_versions, version_key

AGGREGATED = ";g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def served() -> Discovery:
    resources = api.resources()
    return Discovery(lambda: resources, lambda: "10.0.0.1:6443")


async def ask(path: str, accept: str = "", **headers: str) -> Response:
    pairs = [("accept", accept), *headers.items()] if accept else list(headers.items())
    request = Request("GET", path, headers=Headers((k.replace("_", "-"), v) for k, v in pairs))
    handler: Handler | None = served().find(request)
    assert handler is not None
    response = await handler(request)
    assert isinstance(response, Response)
    return response


async def document(path: str, accept: str = "") -> Any:
    return orjson.loads((await ask(path, accept)).body_bytes())


def test_versions_are_sorted_by_maturity_and_number() -> None:
    names = ["v1alpha1", "v2", "v1beta2", "v1", "foo", "v1beta10", "v10"]
    assert sorted(names, key=version_key) == ["v10", "v2", "v1", "v1beta10", "v1beta2", "v1alpha1", "foo"]


def test_groups_come_in_the_order_of_upstreams_priorities_and_custom_ones_last() -> None:
    groups = ["example.com", "coordination.k8s.io", "autoscaling", "rbac.authorization.k8s.io", "", "apps"]
    found = group_versions(GroupVersion(group, "v1") for group in groups)
    expected = ["", "apps", "autoscaling", "rbac.authorization.k8s.io", "coordination.k8s.io", "example.com"]
    assert list(found) == expected


async def test_the_core_root_names_the_server() -> None:
    assert await document("/api") == {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "10.0.0.1:6443"}],
    }


async def test_a_group_prefers_its_newest_stable_version() -> None:
    assert await document("/apis/autoscaling/") == {
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": "autoscaling",
        "versions": [
            {"groupVersion": "autoscaling/v2", "version": "v2"},
            {"groupVersion": "autoscaling/v1", "version": "v1"},
        ],
        "preferredVersion": {"groupVersion": "autoscaling/v2", "version": "v2"},
    }


async def test_resources_carry_upstreams_storage_version_hashes_and_names() -> None:
    listed = {entry["name"]: entry for entry in (await document("/api/v1"))["resources"]}
    assert listed["configmaps"] == {
        "name": "configmaps",
        "singularName": "configmap",
        "namespaced": True,
        "kind": "ConfigMap",
        "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
        "shortNames": ["cm"],
        "storageVersionHash": "qFsyl6wFWjQ=",
    }
    assert listed["serviceaccounts/token"] == {
        "name": "serviceaccounts/token",
        "singularName": "",
        "namespaced": True,
        "group": "authentication.k8s.io",
        "version": "v1",
        "kind": "TokenRequest",
        "verbs": ["create"],
    }
    assert list(listed) == sorted(listed)
    events = (await document("/apis/events.k8s.io/v1"))["resources"][0]
    assert events["storageVersionHash"] == listed["events"]["storageVersionHash"] == "r2yiGXH7wu8="


async def test_aggregated_discovery_is_given_to_who_asks_and_not_sent_twice() -> None:
    response = await ask("/apis", JSON + AGGREGATED + "," + JSON)
    assert response.content_type == JSON + AGGREGATED
    headers = dict(response.headers)
    assert (headers["Vary"], headers["Cache-Control"]) == ("Accept", "public")
    again = await ask("/apis", JSON + AGGREGATED, if_none_match=headers["Etag"])
    assert (again.status, again.body_bytes()) == (304, b"")
    assert (await ask("/apis", YAML + AGGREGATED)).content_type == YAML + AGGREGATED


async def test_aggregated_discovery_nests_subresources() -> None:
    core = (await document("/api", JSON + AGGREGATED))["items"][0]
    assert core["metadata"] == {}
    namespaces = next(r for r in core["versions"][0]["resources"] if r["resource"] == "namespaces")
    assert namespaces == {
        "resource": "namespaces",
        "responseKind": {"group": "", "version": "", "kind": "Namespace"},
        "scope": "Cluster",
        "singularResource": "namespace",
        "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
        "shortNames": ["ns"],
        "subresources": [
            {
                "subresource": "finalize",
                "responseKind": {"group": "", "version": "", "kind": "Namespace"},
                "verbs": ["update"],
            },
            {
                "subresource": "status",
                "responseKind": {"group": "", "version": "", "kind": "Namespace"},
                "verbs": ["get", "patch", "update"],
            },
        ],
    }


def test_the_etag_is_the_hash_of_the_document_without_its_kind() -> None:
    empty = discovery.aggregated([], core=True)
    assert discovery.etag(empty) == discovery.etag({**empty, "kind": "another"})
    assert discovery.etag(empty) != discovery.etag(discovery.aggregated(api.resources(), core=True))


def test_other_paths_are_not_discovery() -> None:
    found = served()
    for path in ("/", "/apiss", "/apis//", "/apis/nope", "/apis/apps/v1/x", "/api/v2", "/version"):
        assert found.find(Request("GET", path)) is None, path
