"""ResourceQuota: what is left decides; what was used is noted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from apiserver.admission.interface import UPDATE
from apiserver.admission.plugins.resourcequota import QUOTAS, ResourceQuota
from apiserver.admission.tests.worlds import World, attributes, pod
from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.errors import StatusError


def quota(world: World, name: str = "q", *, used: dict[str, str] | None, spec: Any = None, **hard: str) -> None:
    limits = {key.replace("_", "."): value for key, value in hard.items()}
    status = {"hard": limits, **({} if used is None else {"used": used})}
    world.add("resourcequotas", name, "default", spec={"hard": limits, **(spec or {})}, status=status)


def used(world: World, name: str = "q") -> dict[str, str]:
    return world.stored[QUOTAS, "default", name]["status"]["used"]  # type: ignore[no-any-return]


def validate(world: World, *given: Any) -> None:
    plugin = world.plugin(ResourceQuota)

    async def all_at_once() -> None:
        await asyncio.gather(*(plugin.validate(one) for one in given))

    run_virtual(all_at_once())


def asking(cpu: str) -> dict[str, Any]:
    return {"resources": {"requests": {"cpu": cpu}}}


def test_use_is_noted_and_what_is_too_much_is_refused() -> None:
    world = World()
    quota(world, used={"pods": "0", "requests.cpu": "1500m"}, pods="2", requests_cpu="2")
    validate(world, attributes("pods", pod(container=asking("500m"))))
    assert used(world) == {"pods": "1", "requests.cpu": "2"}
    with pytest.raises(StatusError) as refused:
        validate(world, attributes("pods", pod(container=asking("1m"))))
    assert refused.value.message == (
        'pods "x" is forbidden: exceeded quota: q, requested: requests.cpu=1m, used: requests.cpu=2, limited: requests.cpu=2'
    )


def test_writers_at_once_get_no_more_than_there_is() -> None:
    world = World()
    quota(world, used={"pods": "0"}, pods="3")
    plugin = world.plugin(ResourceQuota)

    async def crowd() -> list[Any]:
        writes = (plugin.validate(attributes("pods", pod())) for _ in range(5))
        return await asyncio.gather(*writes, return_exceptions=True)

    outcome = run_virtual(crowd())
    assert [isinstance(one, StatusError) for one in outcome].count(True) == 2
    assert used(world) == {"pods": "3"}


def test_a_dry_run_is_judged_and_not_noted() -> None:
    world = World()
    quota(world, used={"pods": "1"}, pods="2")
    validate(world, attributes("pods", pod(), dry_run=True))
    assert used(world) == {"pods": "1"}
    quota(world, used={"pods": "2"}, pods="2")
    with pytest.raises(StatusError, match="exceeded quota"):
        validate(world, attributes("pods", pod(), dry_run=True))


def test_a_refusal_by_one_quota_leaves_the_others_as_they_were() -> None:
    world = World()
    quota(world, "a", used={"pods": "0"}, pods="2")
    quota(world, "b", used={"pods": "2"}, pods="2")
    with pytest.raises(StatusError, match="exceeded quota: b"):
        validate(world, attributes("pods", pod()))
    assert used(world, "a") == {"pods": "0"}


def test_nothing_passes_before_the_use_is_known() -> None:
    world = World()
    quota(world, used=None, pods="2")
    with pytest.raises(StatusError, match="status unknown for quota: q, resources: pods"):
        validate(world, attributes("pods", pod()))


def test_containers_must_say_what_a_quota_measures() -> None:
    world = World()
    quota(world, used={"requests.cpu": "0", "limits.memory": "0"}, requests_cpu="2", limits_memory="1Gi")
    with pytest.raises(StatusError, match=r"failed quota: q: must specify limits\.memory for: c; requests\.cpu for: c"):
        validate(world, attributes("pods", pod()))


def test_an_update_is_charged_for_what_it_adds() -> None:
    world = World()
    quota(world, used={"services.nodeports": "1"}, services_nodeports="2")
    ports = [{"port": 80}, {"port": 81}]
    before = {"metadata": {"name": "s", "resourceVersion": "7"}, "spec": {"type": "NodePort", "ports": ports[:1]}}
    after = {"metadata": {"name": "s"}, "spec": {"type": "NodePort", "ports": ports}}
    validate(world, attributes("services", after, operation=UPDATE, old=before))
    assert used(world) == {"services.nodeports": "2"}


def test_a_quota_with_scopes_counts_only_its_own_pods() -> None:
    world = World()
    quota(world, used={"pods": "0"}, spec={"scopes": ["NotBestEffort"]}, pods="0")
    validate(world, attributes("pods", pod()))
    with pytest.raises(StatusError, match="exceeded quota"):
        validate(world, attributes("pods", pod(container=asking("1"))))


def test_any_resource_can_be_counted() -> None:
    world = World()
    limits = {"count/leases.coordination.k8s.io": "0"}
    status = {"hard": limits, "used": {"count/leases.coordination.k8s.io": "0"}}
    world.add("resourcequotas", "q", "default", spec={"hard": limits}, status=status)
    with pytest.raises(StatusError, match=r"requested: count/leases\.coordination\.k8s\.io=1"):
        validate(world, attributes("leases", {"metadata": {"name": "l"}}))
