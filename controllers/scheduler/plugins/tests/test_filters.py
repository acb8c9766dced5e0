"""Which nodes single plugins turn down, and with which words (after upstream's tables)."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.apimachinery.objects import Object
from controllers.scheduler.plugins.tests.made import Bench, bound, node, pod

TAINT = {"key": "dedicated", "value": "user1", "effect": "NoSchedule"}
UNTOLERATED = "node(s) had untolerated taint(s)"


def toleration(**fields: Any) -> list[dict[str, Any]]:
    return [fields]


@pytest.mark.parametrize(
    ("tolerations", "taints", "verdict"),
    [
        ([], [], ""),
        ([], [TAINT], UNTOLERATED),
        (toleration(key="dedicated", value="user1", effect="NoSchedule"), [TAINT], ""),
        (toleration(key="dedicated", value="user2", effect="NoSchedule"), [TAINT], UNTOLERATED),
        (toleration(key="dedicated", operator="Exists", effect="NoSchedule"), [TAINT], ""),
        (toleration(key="dedicated", operator="Exists"), [TAINT], ""),
        (toleration(operator="Exists"), [TAINT, {"key": "other", "effect": "NoExecute"}], ""),
        (toleration(key="dedicated", operator="Exists"), [TAINT, {"key": "other", "effect": "NoExecute"}], UNTOLERATED),
        (toleration(key="dedicated", value="user1", effect="NoExecute"), [TAINT], UNTOLERATED),
        ([], [{**TAINT, "effect": "PreferNoSchedule"}], ""),
    ],
)
def test_taints_keep_off_what_does_not_tolerate_them(tolerations: Any, taints: Any, verdict: str) -> None:
    assert Bench([node(taints=taints)]).verdicts("TaintToleration", pod(tolerations=tolerations)) == {"n": verdict}


@pytest.mark.parametrize(
    ("tolerations", "verdict"),
    [
        ([], "node(s) were unschedulable"),
        (toleration(key="node.kubernetes.io/unschedulable", operator="Exists", effect="NoSchedule"), ""),
        (toleration(operator="Exists"), ""),
    ],
)
def test_cordoned_nodes(tolerations: Any, verdict: str) -> None:
    bench = Bench([node(unschedulable=True)])
    assert bench.verdicts("NodeUnschedulable", pod(tolerations=tolerations)) == {"n": verdict}


def test_a_named_node_is_the_only_one() -> None:
    bench = Bench([node("a"), node("b")])
    elsewhere = "node(s) didn't match the requested node name"
    assert bench.verdicts("NodeName", pod(nodeName="a")) == {"a": "", "b": elsewhere}
    assert bench.verdicts("NodeName", pod()) == {"a": "", "b": ""}


def required(*terms: dict[str, Any]) -> dict[str, Any]:
    needs = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    return {"affinity": {"nodeAffinity": needs}}


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("spec", "matches"),
    [
        ({"nodeSelector": {"foo": "bar"}}, True),
        ({"nodeSelector": {"foo": "bar", "baz": "blah"}}, False),
        (required(expression("foo", "In", "bar", "value2")), True),
        (required(expression("foo", "NotIn", "bar")), False),
        (required(expression("cores", "Gt", "8")), True),
        (required(expression("cores", "Lt", "8")), False),
        (required(expression("cores", "Gt", "99")), False),
        (required(expression("GPU", "Exists")), False),
        (required(expression("GPU", "DoesNotExist")), True),
        (required(expression("foo", "In", "no"), expression("foo", "In", "bar")), True),  # terms are alternatives
        (required({}), False),  # an empty term matches nothing
        (
            required(
                {
                    "matchExpressions": [
                        *expression("foo", "Exists")["matchExpressions"],
                        {"key": "x", "operator": "Exists"},
                    ]
                }
            ),
            False,
        ),
        ({"nodeSelector": {"foo": "bar"}, **required(expression("foo", "Exists"))}, True),
        ({"nodeSelector": {"foo": "no"}, **required(expression("foo", "Exists"))}, False),
        (required(expression("foo", "Sideways")), False),  # what cannot be read matches nothing
        (required({"matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": ["n"]}]}), False),
    ],
)
def test_node_affinity(spec: dict[str, Any], matches: bool) -> None:
    bench = Bench([node(labels={"foo": "bar", "cores": "16"})])
    verdict = "" if matches else "node(s) didn't match Pod's node affinity/selector"
    assert bench.verdicts("NodeAffinity", pod(**spec)) == {"n": verdict}


def test_terms_by_name_that_contradict_each_other_match_no_node() -> None:
    fields = [{"key": "metadata.name", "operator": "In", "values": [name]} for name in ("a", "b")]
    verdicts = Bench([node("a")]).verdicts("NodeAffinity", pod(**required({"matchFields": fields})))
    assert verdicts == {"": "pod affinity terms conflict"}


def test_affinity_added_by_the_profile_holds_for_all_pods() -> None:
    bench = Bench([node("a", labels={"foo": "bar"}), node("b")])
    needs = {"nodeSelectorTerms": [expression("foo", "In", "bar")]}
    added = {"requiredDuringSchedulingIgnoredDuringExecution": needs}
    verdicts = bench.verdicts("NodeAffinity", pod(), addedAffinity=added)
    assert verdicts == {"a": "", "b": "node(s) didn't match scheduler-enforced node affinity"}


def with_port(name: str, port: int, *, ip: str = "", protocol: str = "TCP") -> Object:
    made = pod(name)
    made["spec"]["containers"][0]["ports"] = [{"hostPort": port, "hostIP": ip, "protocol": protocol}]
    return made


@pytest.mark.parametrize(
    ("wanted", "there", "free"),
    [
        (with_port("a", 8080), with_port("b", 9090), True),
        (with_port("a", 8080), with_port("b", 8080), False),
        (with_port("a", 8080, protocol="UDP"), with_port("b", 8080), True),
        (with_port("a", 8080, ip="127.0.0.1"), with_port("b", 8080, ip="127.0.0.2"), True),
        (with_port("a", 8080, ip="127.0.0.1"), with_port("b", 8080, ip="127.0.0.1"), False),
        (with_port("a", 8080, ip="127.0.0.1"), with_port("b", 8080, ip="0.0.0.0"), False),
        (with_port("a", 8080), with_port("b", 8080, ip="127.0.0.1"), False),
        (pod("a"), with_port("b", 8080), True),
    ],
)
def test_host_ports(wanted: Object, there: Object, free: bool) -> None:
    verdict = "" if free else "node(s) didn't have free ports for the requested pod ports"
    assert Bench([node()], [bound(there, "n")]).verdicts("NodePorts", wanted) == {"n": verdict}


@pytest.mark.parametrize(
    ("wanted", "used", "verdict"),
    [
        ({}, {"cpu": "4", "memory": "8Gi"}, ""),  # nothing asked: it fits where nothing is left
        ({"cpu": "1"}, {"cpu": "3"}, ""),
        ({"cpu": "1001m"}, {"cpu": "3"}, "Insufficient cpu"),
        ({"cpu": "2", "memory": "5Gi"}, {"cpu": "3", "memory": "4Gi"}, "Insufficient cpu, Insufficient memory"),
        ({"ephemeral-storage": "2Gi"}, {}, "Insufficient ephemeral-storage"),
        ({"example.com/gpu": "1"}, {}, ""),
        ({"example.com/gpu": "1"}, {"example.com/gpu": "2"}, "Insufficient example.com/gpu"),
        ({"hugepages-2Mi": "2Mi"}, {}, "Insufficient hugepages-2Mi"),
        ({"example.com/other": "1"}, {}, "Insufficient example.com/other"),
    ],
)
def test_what_does_not_fit_says_what_is_missing(wanted: Any, used: Any, verdict: str) -> None:
    bench = Bench(
        [node(more={"example.com/gpu": "2", "ephemeral-storage": "1Gi"})], [bound(pod("u", requests=used), "n")]
    )
    assert bench.verdicts("NodeResourcesFit", pod(requests=wanted)) == {"n": verdict}


def test_a_node_takes_no_more_pods_than_it_may() -> None:
    bench = Bench([node(pods="1")], [bound(pod("u"), "n")])
    assert bench.verdicts("NodeResourcesFit", pod()) == {"n": "Too many pods"}


def test_ignored_resources_do_not_count() -> None:
    bench = Bench([node()])
    wanted = pod(requests={"example.com/foo": "2", "other.com/bar": "1"})
    args = {"ignoredResources": ["example.com/foo"], "ignoredResourceGroups": ["other.com"]}
    assert bench.verdicts("NodeResourcesFit", wanted, **args) == {"n": ""}


@pytest.mark.parametrize(("wanted", "code"), [("3", "Unschedulable"), ("5", "UnschedulableAndUnresolvable")])
def test_what_an_empty_node_could_not_take_is_beyond_preemption(wanted: str, code: str) -> None:
    from controllers.scheduler.framework.interface import CycleState
    from controllers.scheduler.framework.pod_info import PodInfo

    bench = Bench([node()], [bound(pod("u", requests={"cpu": "2"}), "n")])
    status = bench.plugin("NodeResourcesFit").filter(
        CycleState(), PodInfo(pod(requests={"cpu": wanted})), bench.node("n")
    )
    assert status.code == code


def test_features_a_pod_needs_must_be_declared() -> None:
    bench = Bench([node("old"), node("new", status={"declaredFeatures": ["UserNamespacesHostNetworkSupport"]})])
    verdicts = bench.verdicts("NodeDeclaredFeatures", pod(hostNetwork=True, hostUsers=False))
    assert verdicts == {"old": "node(s) didn't match Pod's required features", "new": ""}
    assert bench.verdicts("NodeDeclaredFeatures", pod(hostNetwork=True)) == {"old": "", "new": ""}


def test_resource_claims_are_refused_plainly() -> None:
    verdicts = Bench([node()]).verdicts("DynamicResources", pod(resourceClaims=[{"name": "gpu"}]))
    assert verdicts == {"": "resource claims are not supported by this scheduler"}


DISK_TAKEN = "node(s) had no available disk"


@pytest.mark.parametrize(
    ("wanted", "there", "verdict"),
    [
        ({"gcePersistentDisk": {"pdName": "a"}}, {"gcePersistentDisk": {"pdName": "a"}}, DISK_TAKEN),
        ({"gcePersistentDisk": {"pdName": "a"}}, {"gcePersistentDisk": {"pdName": "b"}}, ""),
        (
            {"gcePersistentDisk": {"pdName": "a", "readOnly": True}},
            {"gcePersistentDisk": {"pdName": "a", "readOnly": True}},
            "",
        ),
        ({"awsElasticBlockStore": {"volumeID": "a"}}, {"awsElasticBlockStore": {"volumeID": "a"}}, DISK_TAKEN),
        ({"iscsi": {"iqn": "a"}}, {"iscsi": {"iqn": "a"}}, DISK_TAKEN),
        ({"rbd": {"monitors": ["m", "n"], "image": "i"}}, {"rbd": {"monitors": ["n"], "image": "i"}}, DISK_TAKEN),
        ({"rbd": {"monitors": ["m"], "image": "i"}}, {"rbd": {"monitors": ["n"], "image": "i"}}, ""),
    ],
)
def test_disks_of_which_one_pod_may_write(wanted: Any, there: Any, verdict: str) -> None:
    bench = Bench([node()], [bound(pod("u", volumes=[there]), "n")])
    assert bench.verdicts("VolumeRestrictions", pod(volumes=[wanted])) == {"n": verdict}
