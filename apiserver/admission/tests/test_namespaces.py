"""NamespaceLifecycle, NamespaceExists, NamespaceAutoProvision; words as a real kube-apiserver v1.37 says them."""

from __future__ import annotations

import pytest

from apiserver.admission.interface import DELETE, UPDATE
from apiserver.admission.plugins.namespace_existence import NamespaceAutoProvision, NamespaceExists
from apiserver.admission.plugins.namespace_lifecycle import NamespaceLifecycle
from apiserver.admission.tests.worlds import World, attributes
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.gvk import GroupResource

NAMESPACES = GroupResource("", "namespaces")
CONFIG_MAP = {"metadata": {"name": "a"}}


@pytest.fixture
def world() -> World:
    world = World()
    world.add("namespaces", "default", status={"phase": "Active"})
    world.add("namespaces", "term", status={"phase": "Terminating"})
    return world


async def test_content_of_a_living_namespace_is_let_in(world: World) -> None:
    await world.plugin(NamespaceLifecycle).admit(attributes("configmaps", CONFIG_MAP))


async def test_a_namespace_that_is_not_there_is_a_404(world: World) -> None:
    with pytest.raises(StatusError) as caught:
        await world.plugin(NamespaceLifecycle).admit(attributes("configmaps", CONFIG_MAP, namespace="nope"))
    assert (caught.value.code, caught.value.message) == (404, 'namespaces "nope" not found')
    assert caught.value.details == {"name": "nope", "kind": "namespaces"}


async def test_what_memory_does_not_know_yet_is_read_from_storage(world: World) -> None:
    world.stored[NAMESPACES, "", "new"] = {"metadata": {"name": "new"}, "status": {"phase": "Active"}}
    await world.plugin(NamespaceLifecycle).admit(attributes("configmaps", CONFIG_MAP, namespace="new"))


@pytest.mark.parametrize(("meta", "name"), [({"name": "a"}, "a"), ({"generateName": "a-"}, "a-"), ({}, "Unknown")])
async def test_nothing_comes_into_a_terminating_namespace(world: World, meta: dict[str, str], name: str) -> None:
    with pytest.raises(StatusError) as caught:
        await world.plugin(NamespaceLifecycle).admit(
            attributes("configmaps", {"metadata": meta}, namespace="term", name=meta.get("name", ""))
        )
    assert caught.value.message == (
        f'configmaps "{name}" is forbidden: unable to create new content in namespace term because it is being terminated'
    )
    assert caught.value.details == {
        "name": name,
        "kind": "configmaps",
        "causes": [
            {
                "reason": "NamespaceTerminating",
                "message": "namespace term is being terminated",
                "field": "metadata.namespace",
            }
        ],
    }


async def test_updates_deletes_and_access_reviews_do_not_ask(world: World) -> None:
    plugin = world.plugin(NamespaceLifecycle)
    for operation in (UPDATE, DELETE):
        await plugin.admit(attributes("configmaps", CONFIG_MAP, namespace="term", operation=operation))
    await plugin.admit(attributes("localsubjectaccessreviews", {}, namespace="nope"))


async def test_three_namespaces_never_go(world: World) -> None:
    plugin = world.plugin(NamespaceLifecycle)
    for name in ("default", "kube-system", "kube-public"):
        with pytest.raises(StatusError) as caught:
            await plugin.admit(attributes("namespaces", name=name, namespace=name, operation=DELETE))
        assert caught.value.message == f'namespaces "{name}" is forbidden: this namespace may not be deleted'
    await plugin.admit(attributes("namespaces", name="kube-node-lease", namespace="", operation=DELETE))


async def test_after_a_delete_memory_is_not_trusted_for_half_a_minute(world: World) -> None:
    plugin = world.plugin(NamespaceLifecycle)
    world.add("namespaces", "going", status={"phase": "Active"})
    world.stored[NAMESPACES, "", "going"] = {"metadata": {"name": "going"}, "status": {"phase": "Terminating"}}
    inside = attributes("configmaps", CONFIG_MAP, namespace="going")
    await plugin.admit(inside)
    await plugin.admit(attributes("namespaces", name="going", namespace="", operation=DELETE))
    with pytest.raises(StatusError):
        await plugin.admit(inside)
    world.time += 31
    await plugin.admit(inside)


async def test_namespace_exists_asks_for_every_write(world: World) -> None:
    plugin = world.plugin(NamespaceExists)
    await plugin.validate(attributes("configmaps", CONFIG_MAP, namespace="term"))
    with pytest.raises(StatusError) as caught:
        await plugin.validate(attributes("configmaps", CONFIG_MAP, namespace="nope", operation=UPDATE))
    assert caught.value.code == 404


async def test_auto_provision_makes_the_namespace_but_not_for_a_dry_run(world: World) -> None:
    plugin = world.plugin(NamespaceAutoProvision)
    await plugin.admit(attributes("configmaps", CONFIG_MAP, namespace="nope", dry_run=True))
    await plugin.admit(attributes("configmaps", CONFIG_MAP, namespace="default"))
    assert world.created == []
    await plugin.admit(attributes("configmaps", CONFIG_MAP, namespace="nope"))
    assert [(str(resource), obj["metadata"]["name"]) for resource, _, obj in world.created] == [("namespaces", "nope")]
