"""Subresources: status through a strategy of its own, computed ones, actions, connects."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from apiserver.admission.interface import Attributes
from apiserver.api.core.configmap import RESOURCE as CONFIG_MAPS
from apiserver.api.core.namespace import RESOURCE as NAMESPACES
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.gvk import GroupVersionKind
from apiserver.apimachinery.http import AnyResponse, Request, Response
from apiserver.apimachinery.objects import Object
from apiserver.endpoints.handlers.tests.world import World, virtual
from apiserver.registry.context import Context
from apiserver.registry.resource import Resource, Subresource
from apiserver.registry.scale import scale_subresource


@virtual(NAMESPACES)
async def test_status_changes_status_alone(world: World) -> None:
    created = await world.create(meta={"labels": {"a": "b"}})
    body = {"metadata": {"name": "a", "labels": {"c": "d"}}, "spec": {"finalizers": []}, "status": {"phase": "Active"}}
    condition = {
        "type": "X",
        "status": "True",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
        "reason": "r",
        "message": "m",
    }
    body["status"]["conditions"] = [condition]  # type: ignore[index]
    answer = await world.send("PUT", "a", body, subresource="status")
    assert (answer.status, answer.body["spec"]) == (200, created["spec"])
    assert answer.body["status"]["conditions"] == [condition]
    last = answer.body["metadata"]["managedFields"][-1]
    assert (last["subresource"], last["fieldsV1"].get("f:spec")) == ("status", None)


@virtual(NAMESPACES)
async def test_apply_of_the_status_of_what_is_absent_creates_nothing(world: World) -> None:
    config = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}, "status": {"phase": "Active"}}
    answer = await world.patch(config, "apply", subresource="status", query="fieldManager=me")
    assert (answer.status, answer.message) == (404, 'namespaces "a" not found')


@virtual(NAMESPACES)
async def test_a_new_namespace_is_admitted_in_itself(world: World) -> None:
    await world.create()
    assert [(a.namespace, a.name) for _, a in world.admission.seen] == [("a", "a"), ("a", "a")]


class Action:
    """A subresource that answers with what it was asked."""

    async def get(self, ctx: Context, name: str, *, resource_version: str = "") -> Object:
        return {"kind": "Thing", "apiVersion": "v1", "metadata": {"name": name}}

    async def create(
        self,
        ctx: Context,
        name: str,
        obj: Object,
        options: Mapping[str, Any],
        admit: Callable[[Object], Awaitable[None]],
    ) -> Object:
        await admit(obj)
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "message": f"{name} {ctx.dry_run}",
        }

    async def connect(self, ctx: Context, name: str, request: Request) -> AnyResponse:
        return Response(200, b'"connected"')

    def connect_options(self, request: Request) -> Object:
        return {"kind": "Options", "apiVersion": "v1"}


def with_subresources(*parts: Subresource) -> Resource:
    return replace(CONFIG_MAPS, subresources=parts)


EVICTION = GroupVersionKind("policy", "v1", "Eviction")
ACTION = Subresource(name="evict", verbs=("get", "create"), kind=EVICTION, rest=lambda dependencies, store: Action())
CONNECT = Subresource(name="exec", verbs=("connect",), rest=lambda dependencies, store: Action())


@virtual(with_subresources(ACTION))
async def test_an_action_answers_201_and_a_status_says_so(world: World) -> None:
    body = {"metadata": {"name": "a"}}
    answer = await world.send("POST", "a", body, subresource="evict", query="dryRun=All")
    assert (answer.status, answer.body["code"], answer.body["message"]) == (201, 201, "a True")
    steps = [(step, a.operation, a.subresource, a.kind, a.name) for step, a in world.admission.seen]
    assert steps == [("admit", "CREATE", "evict", EVICTION, "a"), ("validate", "CREATE", "evict", EVICTION, "a")]
    assert (await world.send("GET", "a", subresource="evict")).body["metadata"] == {"name": "a"}


@virtual(with_subresources(ACTION))
async def test_an_actions_body_is_of_its_own_kind(world: World) -> None:
    answer = await world.send("POST", "a", {"kind": "Pod", "apiVersion": "v1"}, subresource="evict")
    assert (answer.status, answer.message) == (
        400,
        'Pod in version "v1" cannot be handled as a Eviction: converting (v1.Pod) to (policy.Eviction): unknown conversion',
    )


@virtual(with_subresources(CONNECT))
async def test_a_connect_is_admitted_and_handed_on(world: World) -> None:
    answer = await world.send("CONNECT", "a", subresource="exec")
    assert answer.body == "connected"
    [(first, attributes), (second, _)] = world.admission.seen
    assert (first, second, attributes.operation, attributes.obj) == (
        "admit",
        "validate",
        "CONNECT",
        {"kind": "Options", "apiVersion": "v1"},
    )
    answer = await world.send("CONNECT", "a", subresource="exec", query="dryRun=All")
    assert (answer.status, answer.message) == (400, "dryRun is not supported")


def _refuse(attributes: Attributes) -> None:
    raise StatusError(403, "Forbidden", "no")


@virtual(with_subresources(CONNECT))
async def test_admission_may_refuse_a_connect(world: World) -> None:
    world.admission.on_validate = _refuse
    assert (await world.send("CONNECT", "a", subresource="exec")).status == 403


@virtual(
    with_subresources(scale_subresource(lambda obj: "a=b", spec_replicas=".replicas", status_replicas=".replicas"))
)
async def test_a_scale_is_read_as_an_object_or_a_table(world: World) -> None:
    await world.create()
    answer = await world.send("GET", "a", subresource="scale")
    assert (answer.body["kind"], answer.body["spec"], answer.body["status"]) == (
        "Scale",
        {},
        {"replicas": 0, "selector": "a=b"},
    )
    table = await world.send("GET", "a", subresource="scale", accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    assert [column["name"] for column in table.body["columnDefinitions"]] == ["Name", "Desired", "Available", "Age"]
    assert table.body["rows"][0]["cells"] == ["a", 0, 0, "0s"]


@virtual(with_subresources(scale_subresource(spec_replicas=".replicas")))
async def test_a_scale_must_name_the_urls_object_and_be_a_scale(world: World) -> None:
    await world.create()
    answer = await world.send("PUT", "a", {"metadata": {"name": "b"}}, subresource="scale")
    assert answer.message == "the name of the object (b) does not match the name on the URL (a)"
    answer = await world.send("PUT", "a", {"metadata": {"name": "a"}, "spec": {"replicas": -2}}, subresource="scale")
    assert answer.message == (
        'Scale.autoscaling "a" is invalid: spec.replicas: Invalid value: -2: must be greater than or equal to 0'
    )
    answer = await world.patch({"spec": {"replicas": "x"}}, subresource="scale")
    assert answer.status == 422
