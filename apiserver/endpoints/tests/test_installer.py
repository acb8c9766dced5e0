"""The live table of resources: installed, replaced, removed, without a restart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from apiserver.apimachinery.gvk import GroupResource, GroupVersion
from apiserver.endpoints.tests.doubles import DEPLOYMENTS, NODES, PODS, installer, resource


def test_an_installed_resource_has_a_route_per_version_and_subresource() -> None:
    table, _ = installer(PODS, resource("autoscaling", "hpas", "HPA", "v2", "v1"))
    assert ("", "v1", "pods", "") in table.routes
    assert ("", "v1", "pods", "log") in table.routes
    assert ("autoscaling", "v1", "hpas", "") in table.routes
    assert table.group_versions() == [
        GroupVersion("", "v1"),
        GroupVersion("autoscaling", "v2"),
        GroupVersion("autoscaling", "v1"),
    ]


def test_a_name_is_taken_once() -> None:
    table, _ = installer(PODS)
    with pytest.raises(ValueError, match="pods is installed already"):
        table.install(PODS)


def test_a_removed_resource_is_gone_with_its_group_and_its_watches() -> None:
    table, ended = installer(PODS, DEPLOYMENTS)
    table.remove(GroupResource("apps", "deployments"))
    assert not table.serves_group("apps")
    assert table.serves_group("")
    assert ended.stores == ["store of deployments 0"]
    assert all(key[0] == "" for key in table.routes)
    with pytest.raises(KeyError):
        table.remove(GroupResource("apps", "deployments"))


def test_a_replaced_resource_has_a_new_store_and_ends_the_watches_of_the_old() -> None:
    table, ended = installer(DEPLOYMENTS)
    table.replace(replace(DEPLOYMENTS, generation=1))
    assert ended.stores == ["store of deployments 0"]
    assert table.store(GroupResource("apps", "deployments")) == "store of deployments 1"
    assert table.routes[("apps", "v1", "deployments", "")].resource.generation == 1


def test_every_change_is_told_and_counted() -> None:
    table, _ = installer(PODS)
    seen: list[int] = []
    table.on_change(lambda: seen.append(table.generation))
    table.install(NODES)
    table.replace(replace(NODES, generation=1))
    table.remove(NODES.group_resource)
    assert seen == [2, 3, 4]


def test_a_version_that_is_not_served_has_no_route() -> None:
    old = replace(DEPLOYMENTS.versions[0], name="v1beta1", served=False)
    table, _ = installer(replace(DEPLOYMENTS, versions=(*DEPLOYMENTS.versions, old)))
    assert [key[1] for key in table.routes] == ["v1"]
    table.remove(DEPLOYMENTS.group_resource)
    assert table.routes == {}
