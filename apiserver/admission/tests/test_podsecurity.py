"""PodSecurity: what namespaces' labels refuse, warn of and leave alone."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.admission.interface import UPDATE, Attributes
from apiserver.admission.plugins.podsecurity import PodSecurity
from apiserver.admission.podsecurity.policy import LATEST, Standard, policy_of
from apiserver.admission.tests.worlds import KINDS, World, attributes, pod
from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.errors import StatusError

GOOD: dict[str, Any] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def judge(labels: dict[str, str], given: Attributes, *pods: dict[str, Any]) -> Attributes:
    world = World()
    world.add("namespaces", "default", metadata={"labels": labelled(**labels)})
    for one in pods:
        world.add("pods", one["metadata"]["name"], "default", **{k: v for k, v in one.items() if k != "metadata"})
    run_virtual(world.plugin(PodSecurity).validate(given))
    return given


def labelled(**modes: str) -> dict[str, str]:
    return {f"pod-security.kubernetes.io/{mode.replace('_', '-')}": value for mode, value in modes.items()}


def test_the_baseline_refuses_what_reaches_for_the_host() -> None:
    context = {"securityContext": {"privileged": True, "capabilities": {"add": ["SYS_ADMIN", "CHOWN"]}}}
    bad = pod({"hostNetwork": True, "volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, context)
    with pytest.raises(StatusError) as refused:
        judge({"enforce": "baseline"}, attributes("pods", bad))
    assert refused.value.message == (
        'pods "x" is forbidden: violates PodSecurity "baseline:latest": non-default capabilities (container "c" must not '
        'include "SYS_ADMIN" in securityContext.capabilities.add), host namespaces (hostNetwork=true), hostPath volumes '
        '(volume "v"), privileged (container "c" must not set securityContext.privileged=true)'
    )


def test_the_restricted_level_asks_for_more() -> None:
    with pytest.raises(StatusError) as refused:
        judge({"enforce": "restricted"}, attributes("pods", pod()))
    assert refused.value.message.endswith(
        'violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container "c" must set '
        'securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "c" must set '
        'securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "c" must set '
        'securityContext.runAsNonRoot=true), seccompProfile (pod or container "c" must set '
        'securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")'
    )
    judge({"enforce": "restricted"}, attributes("pods", pod(container={"securityContext": GOOD})))


@pytest.mark.parametrize("labels", [{}, {"enforce": "privileged"}, {"audit": "restricted"}])
def test_nothing_is_refused_where_nothing_is_enforced(labels: dict[str, str]) -> None:
    seen = judge(labels, attributes("pods", pod(container={"securityContext": {"privileged": True}})))
    assert seen.warnings == []


def test_what_is_warned_of_is_not_refused() -> None:
    seen = judge({"warn": "baseline"}, attributes("pods", pod({"hostPID": True})))
    assert seen.warnings == ['would violate PodSecurity "baseline:latest": host namespaces (hostPID=true)']


def test_templates_are_warned_of_when_their_pods_would_be_refused() -> None:
    KINDS.setdefault("deployments", KINDS["pods"]._replace(group="apps", kind="Deployment"))
    made = {"metadata": {"name": "d"}, "spec": {"template": pod({"hostIPC": True})}}
    seen = judge({"enforce": "baseline"}, attributes("deployments", made))
    assert seen.warnings == ['would violate PodSecurity "baseline:latest": host namespaces (hostIPC=true)']


def test_older_versions_ask_for_what_they_knew() -> None:
    bad = pod({"securityContext": {"sysctls": [{"name": "net.ipv4.tcp_rmem", "value": "1"}]}})
    judge({"enforce": "baseline"}, attributes("pods", bad))
    with pytest.raises(StatusError, match="forbidden sysctls"):
        judge({"enforce": "baseline", "enforce_version": "v1.31"}, attributes("pods", bad))


def test_an_update_that_changes_no_image_is_let_through() -> None:
    bad = pod({"hostPID": True})
    judge({"enforce": "baseline"}, attributes("pods", bad, operation=UPDATE, old=bad))


def test_labels_that_say_nothing_are_refused_and_enforced_at_their_strictest() -> None:
    labels = labelled(enforce="tight", warn_version="1.2")
    policy, wrong = policy_of(labels)
    assert policy.enforce == Standard("restricted", LATEST)
    assert [error.field for error in wrong] == [f"metadata.labels[{label}]" for label in labels]
    with pytest.raises(StatusError, match="must be one of privileged, baseline, restricted"):
        judge({}, attributes("namespaces", {"metadata": {"name": "n", "labels": labels}}, namespace=""))


def test_a_stricter_namespace_is_told_of_its_pods() -> None:
    old = {"metadata": {"name": "default"}}
    new = {"metadata": {"name": "default", "labels": labelled(enforce="baseline")}}
    given = attributes("namespaces", new, operation=UPDATE, old=old, namespace="")
    seen = judge({}, given, pod({"hostPID": True}), {**pod({"hostPID": True}), "metadata": {"name": "a"}})
    assert seen.warnings == [
        'existing pods in namespace "default" violate the new PodSecurity enforce level "baseline:latest"',
        "a (and 1 other pod): host namespaces",
    ]
