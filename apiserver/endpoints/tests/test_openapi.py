"""OpenAPI documents of the built-in kinds and of one that comes at run time, against the real server's (v1.37.2)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from apiserver import api
from apiserver.apimachinery.clock import SystemClock
from apiserver.apimachinery.gvk import GroupVersion
from apiserver.apimachinery.http import Headers, Request, Response
from apiserver.apimachinery.schema import OBJECT, STRING, Schema
from apiserver.endpoints import openapi, openapi_prose
from apiserver.endpoints.openapi_operations import group_id, tag
from apiserver.endpoints.openapi_paths import OpenAPI
from apiserver.registry.resource import Resource, ServedVersion
from apiserver.registry.strategy import Strategy

CORE = GroupVersion("", "v1")
SCHEMAS = "#/components/schemas/"


def widget(*fields: str) -> Resource:
    """A custom resource."""
    schema, spec, text = Schema(OBJECT), Schema(OBJECT), Schema(STRING)
    spec.properties = dict.fromkeys(fields, text)
    schema.properties = {"spec": spec}
    return Resource(
        group="stable.example.com",
        plural="widgets",
        kind="Widget",
        versions=(ServedVersion("v1"),),
        storage_version="v1",
        strategy=Strategy(),
        schemas={"v1": schema},
    )


async def document(group_version: GroupVersion = CORE, *more: Resource) -> Any:
    return await openapi.v3_document([*api.resources(), *more], group_version)


async def test_a_patch_can_be_a_dry_run_and_say_how_strict_to_be() -> None:
    patch = (await document())["paths"]["/api/v1/namespaces/{namespace}/configmaps/{name}"]["patch"]
    assert [p["name"] for p in patch["parameters"]] == ["dryRun", "fieldManager", "fieldValidation", "force"]
    assert patch["operationId"] == "patchCoreV1NamespacedConfigMap"
    assert patch["x-kubernetes-action"] == "patch"
    assert patch["x-kubernetes-group-version-kind"] == {"group": "", "version": "v1", "kind": "ConfigMap"}
    assert "application/strategic-merge-patch+json" in patch["requestBody"]["content"]


async def test_what_all_operations_of_a_path_take_stands_at_the_path() -> None:
    paths = (await document())["paths"]
    collection = paths["/api/v1/namespaces/{namespace}/configmaps"]
    assert [p["name"] for p in collection["parameters"]] == ["namespace", "pretty"]
    everywhere = paths["/api/v1/configmaps"]
    assert "parameters" not in everywhere["get"]
    assert [p["name"] for p in everywhere["parameters"]][:2] == ["allowWatchBookmarks", "continue"]
    assert everywhere["get"]["operationId"] == "listCoreV1ConfigMapForAllNamespaces"


async def test_subresources_name_their_own_kinds() -> None:
    post = (await document())["paths"]["/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"]["post"]
    assert post["operationId"] == "createCoreV1NamespacedServiceAccountToken"
    schema = post["requestBody"]["content"]["*/*"]["schema"]
    assert schema == {"$ref": SCHEMAS + "io.k8s.api.authentication.v1.TokenRequest"}


async def test_every_reference_is_defined_in_its_document() -> None:
    for group_version in (CORE, GroupVersion("autoscaling", "v2"), GroupVersion("rbac.authorization.k8s.io", "v1")):
        found = await document(group_version)
        assert set(openapi.references(found)) == set(found["components"]["schemas"])


async def test_schemas_keep_their_facts() -> None:
    schemas = (await document())["components"]["schemas"]
    ports = schemas["io.k8s.api.core.v1.ServiceSpec"]["properties"]["ports"]
    assert (ports["x-kubernetes-list-type"], ports["x-kubernetes-patch-merge-key"]) == ("map", "port")
    assert schemas["io.k8s.api.core.v1.Pod"]["x-kubernetes-group-version-kind"] == [
        {"group": "", "kind": "Pod", "version": "v1"}
    ]


async def test_fields_are_described_where_the_official_client_is_installed() -> None:
    assert openapi_prose.available()
    schemas = (await document())["components"]["schemas"]
    assert "DNS policy for the pod" in schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["dnsPolicy"]["description"]
    assert schemas["io.k8s.api.core.v1.Pod"]["description"].startswith("Pod is a collection of containers")
    assert openapi_prose.prose("io.k8s.api.core.v1.ServicePort").fields["nodePort"]
    assert openapi_prose.prose("com.example.v1.Nothing") == ("", {})


async def test_custom_resources_are_described_by_their_own_schemas() -> None:
    found = await document(GroupVersion("stable.example.com", "v1"), widget("size"))
    body = found["components"]["schemas"]["com.example.stable.v1.Widget"]
    assert body["properties"]["spec"]["properties"] == {"size": {"type": "string"}}
    assert body["x-kubernetes-group-version-kind"] == [
        {"group": "stable.example.com", "version": "v1", "kind": "Widget"}
    ]
    patch = found["paths"]["/apis/stable.example.com/v1/namespaces/{namespace}/widgets/{name}"]["patch"]
    assert "application/strategic-merge-patch+json" not in patch["requestBody"]["content"]


def test_the_hash_follows_schemas_and_verbs() -> None:
    group_version = GroupVersion("stable.example.com", "v1")
    first = openapi.fingerprint([widget("size")], group_version)
    assert first == openapi.fingerprint([widget("size")], group_version)
    assert first != openapi.fingerprint([widget("size", "color")], group_version)
    assert first != openapi.fingerprint([replace(widget("size"), verbs=("get",))], group_version)


async def test_options_of_deletes_belong_to_the_version_of_the_document() -> None:
    found = await document(GroupVersion("apps", "v1"))
    told = found["components"]["schemas"]["io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"][
        "x-kubernetes-group-version-kind"
    ]
    assert [(kind["group"], kind["version"]) for kind in told] == [("", "v1"), ("apps", "v1")]


async def test_version_two_has_no_alternatives_and_bodies_are_parameters() -> None:
    found = await openapi.v2_document(api.resources())
    assert found["swagger"] == "2.0"
    definitions = found["definitions"]
    assert definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"] == {"type": "string"}
    target = definitions["io.k8s.api.core.v1.ServicePort"]["properties"]["targetPort"]
    assert target["$ref"] == "#/definitions/io.k8s.apimachinery.pkg.util.intstr.IntOrString"
    put = found["paths"]["/api/v1/namespaces/{namespace}/configmaps/{name}"]["put"]
    assert put["parameters"][0]["schema"] == {"$ref": "#/definitions/io.k8s.api.core.v1.ConfigMap"}
    assert put["consumes"] == ["*/*"]
    assert put["produces"] == ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"]
    assert b"#/components/" not in orjson.dumps(found)


def test_operations_are_named_after_group_and_version() -> None:
    assert group_id(GroupVersion("rbac.authorization.k8s.io", "v1")) == "RbacAuthorizationV1"
    assert group_id(GroupVersion("internal.apiserver.k8s.io", "v1alpha1")) == "InternalApiserverV1alpha1"
    assert tag(GroupVersion("rbac.authorization.k8s.io", "v1")) == "rbacAuthorization_v1"


class Served:
    """The documents over HTTP, of Resources that can change."""

    def __init__(self, *resources: Resource) -> None:
        self.resources = list(resources)
        self.documents = OpenAPI(lambda: self.resources, SystemClock())

    async def get(self, url: str, **headers: str) -> Response:
        path, _, query = url.partition("?")
        request = Request("GET", path, query, Headers((k.replace("_", "-"), v) for k, v in headers.items()))
        handler = self.documents.find(request)
        assert handler is not None
        response = await handler(request)
        assert isinstance(response, Response)
        return response

    async def url(self) -> str:
        index = orjson.loads((await self.get("/openapi/v3")).body_bytes())
        found: str = index["paths"]["apis/stable.example.com/v1"]["serverRelativeURL"]
        return found


async def test_a_document_under_its_hash_may_be_kept_and_another_hash_leads_to_it() -> None:
    world = Served(widget("size"))
    url = await world.url()
    found = await world.get(url)
    assert (found.status, dict(found.headers)["Cache-Control"]) == (200, "public, immutable")
    moved = await world.get(url[: url.index("=") + 1] + "OLD")
    assert (moved.status, dict(moved.headers)["Location"]) == (301, url)
    plain = await world.get(url.partition("?")[0])
    again = await world.get(url.partition("?")[0], if_none_match=dict(plain.headers)["Etag"])
    assert (plain.status, again.status) == (200, 304)


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("if_none_match", "*", 304),
        ("if_none_match", '"x", W/{tag}', 304),
        ("if_none_match", "{bare}", 200),
        ("if_modified_since", "{modified}", 304),
        ("if_modified_since", "Thu, 01 Jan 1970 00:00:00 GMT", 200),
        ("if_modified_since", "yesterday", 200),
    ],
)
async def test_who_has_a_document_is_told_so(header: str, value: str, status: int) -> None:
    world = Served(widget("size"))
    for path in ("/openapi/v3", "/openapi/v3/apis/stable.example.com/v1"):
        headers = dict((await world.get(path)).headers)
        tag = headers.get("Etag", "*")  # the index has none
        told = value.format(tag=tag, bare=tag.strip('"*'), modified=headers["Last-Modified"])
        assert (await world.get(path, **{header: told})).status == status


async def test_documents_follow_what_is_served() -> None:
    world = Served(widget("size"))
    before = await world.url()
    world.resources = [widget("size", "color")]
    world.documents.changed()
    after = await world.url()
    assert before != after
    assert b'"color"' in (await world.get(after)).body_bytes()
    assert (await world.get("/openapi/v3/apis/nope/v1")).status == 404


async def test_the_second_version_comes_as_protobuf_too_the_first_form_that_fits() -> None:
    world = Served(widget("size"))
    asked = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
    found = await world.get("/openapi/v2", accept=f"{asked},application/json")
    assert (found.status, found.content_type) == (200, "application/com.github.proto-openapi.spec.v2.v1.0+protobuf")
    assert found.body_bytes().startswith(b"\n\x032.0")
    plain = await world.get("/openapi/v2", accept=f"application/json,{asked}")
    assert plain.content_type == "application/json"
    assert dict(plain.headers)["Etag"] == dict(found.headers)["Etag"]


async def test_forms_that_are_not_offered_are_refused() -> None:
    world = Served(widget("size"))
    assert (await world.get("/openapi/v2", accept="text/plain")).status == 406
    assert (await world.get("/openapi/v3/apis/stable.example.com/v1", accept="text/plain")).status == 406
