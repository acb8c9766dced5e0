"""What paths ask for: upstream's table (requestinfo_test.go), in our own words."""

from __future__ import annotations

import pytest

from apiserver.apimachinery.http import Request
from apiserver.endpoints.request_info import BadPath, is_long_running, request_info

# method, path?query → verb, api prefix, group, version, namespace, resource, subresource, name, parts
RESOURCES = [
    ("GET /api/v1/namespaces", "list api  v1  namespaces   namespaces"),
    ("GET /api/v1/namespaces/other", "get api  v1 other namespaces  other namespaces/other"),
    ("GET /api/v1/namespaces/other/pods", "list api  v1 other pods   pods"),
    ("GET /api/v1/namespaces/other/pods/foo", "get api  v1 other pods  foo pods/foo"),
    ("HEAD /api/v1/namespaces/other/pods/foo", "get api  v1 other pods  foo pods/foo"),
    ("GET /api/v1/pods", "list api  v1  pods   pods"),
    ("HEAD /api/v1/pods", "list api  v1  pods   pods"),
    ("GET /api/v1/watch/pods", "watch api  v1  pods   pods"),
    ("GET /api/v1/pods?watch=true", "watch api  v1  pods   pods"),
    ("GET /api/v1/pods?watch=false", "list api  v1  pods   pods"),
    ("GET /api/v1/pods?watch=0", "list api  v1  pods   pods"),
    ("GET /api/v1/pods?watch=", "watch api  v1  pods   pods"),
    ("GET /api/v1/pods?watch=anything", "watch api  v1  pods   pods"),
    ("GET /api/v1/watch/namespaces/other/pods", "watch api  v1 other pods   pods"),
    ("GET /api/v1/watch/namespaces/other/pods/foo", "watch api  v1 other pods  foo pods/foo"),
    ("GET /api/v1/namespaces/other/pods/foo/status", "get api  v1 other pods status foo pods/foo/status"),
    ("GET /api/v1/namespaces/other/pods/foo/proxy/a/b", "get api  v1 other pods proxy foo pods/foo/proxy/a/b"),
    ("GET /api/v1/proxy/namespaces/other/pods/foo", "proxy api  v1 other pods  foo pods/foo"),
    ("GET /api/v1/proxy/namespaces/other/pods/foo/a", "proxy api  v1 other pods  foo pods/foo/a"),
    ("PUT /api/v1/namespaces/other/finalize", "update api  v1 other namespaces finalize other namespaces/other/finalize"),
    ("PUT /api/v1/namespaces/other/status", "update api  v1 other namespaces status other namespaces/other/status"),
    ("POST /api/v1/namespaces/other/pods", "create api  v1 other pods   pods"),
    ("PATCH /api/v1/namespaces/other/pods/foo", "patch api  v1 other pods  foo pods/foo"),
    ("DELETE /api/v1/namespaces/other/pods/foo", "delete api  v1 other pods  foo pods/foo"),
    ("DELETE /api/v1/namespaces/other/pods", "deletecollection api  v1 other pods   pods"),
    ("GET /apis/apps/v1/namespaces/other/deployments", "list apis apps v1 other deployments   deployments"),
    ("GET /apis/apps/v1/deployments/", "list apis apps v1  deployments   deployments"),
    ("GET /api/v1/namespaces//pods", "list api  v1  pods   pods"),
    ("FOO /api/v1/pods", " api  v1  pods   pods"),
]  # fmt: skip


def ask(line: str) -> Request:
    method, target = line.split(" ")
    path, _, query = target.partition("?")
    return Request(method, path, query)


@pytest.mark.parametrize(("line", "expected"), RESOURCES)
def test_resource_requests(line: str, expected: str) -> None:
    info = request_info(ask(line))
    parts = "/".join(info.parts)
    fields = (info.verb, info.api_prefix, info.group, info.version, info.namespace, info.resource)
    assert " ".join((*fields, info.subresource, info.name, parts)) == expected
    assert info.is_resource


@pytest.mark.parametrize(
    "path", ["/", "", "/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/healthz", "/a/b/c/d"]
)
def test_other_paths_are_no_resources(path: str) -> None:
    info = request_info(Request("GET", path))
    assert (info.is_resource, info.verb, info.path) == (False, "get", path)


@pytest.mark.parametrize("path", ["/api/v1/watch", "/api/v1/proxy", "/apis/apps/v1/watch/"])
def test_a_special_verb_alone_is_a_bad_path(path: str) -> None:
    with pytest.raises(BadPath):
        request_info(Request("GET", path))


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("fieldSelector=metadata.name%3Dfoo", "foo"),
        ("fieldSelector=metadata.name==foo", "foo"),
        ("fieldSelector=status.phase%3DRunning,metadata.name%3Dfoo", "foo"),
        ("fieldSelector=metadata.name!%3Dfoo", ""),
        ("fieldSelector=metadata.name%3Da/b", ""),
        ("fieldSelector=metadata.name%3D..", ""),
        ("fieldSelector=metadata.name%3Dfoo,nonsense", ""),
        ("fieldSelector=metadata.name%3Da%5C%3Db", "a=b"),
        ("fieldSelector=metadata.name%3Dfoo&limit=many", ""),
        ("labelSelector=a%3Db", ""),
    ],
)
def test_a_field_selector_for_one_name_names_the_object(query: str, name: str) -> None:
    info = request_info(Request("GET", "/api/v1/pods", query))
    assert (info.verb, info.name) == ("list", name)
    assert request_info(Request("GET", "/api/v1/pods", f"watch=1&{query}")).name == name


@pytest.mark.parametrize(
    ("line", "long"),
    [
        ("GET /api/v1/pods?watch=1", True),
        ("GET /api/v1/watch/pods", True),
        ("GET /api/v1/namespaces/a/pods/b/log", True),
        ("POST /api/v1/namespaces/a/pods/b/exec", True),
        ("GET /api/v1/namespaces/a/services/b/proxy/x", True),
        ("GET /api/v1/pods", False),
        ("GET /healthz", False),
        ("POST /api/v1/namespaces/a/pods/b/eviction", False),
    ],
)
def test_what_has_no_deadline(line: str, long: bool) -> None:
    assert is_long_running(request_info(ask(line))) is long
