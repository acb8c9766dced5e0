"""What refusals say of nodes, volumes, claims, events and classes: upstream's words, with its internal types' names."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.apimachinery.clock import run_virtual
from apiserver.server.tests.worlds import world

V1, STORAGE, EVENTS = "/api/v1", "/apis/storage.k8s.io/v1", "/apis/events.k8s.io/v1"
MERGE = "application/merge-patch+json"
MICRO = "2026-01-01T00:00:00.000000Z"


def made(version: str, kind: str, name: str, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **fields}


def told(answer: dict[str, Any]) -> list[str]:
    return [f"{cause['field']}: {cause['message']}" for cause in answer["details"]["causes"]]


NODE = made("v1", "Node", "n", spec={}, status={})
TAINT = {"key": "a", "effect": "NoSchedule"}
ATTACHMENT = made("storage.k8s.io/v1", "VolumeAttachment", "a")
CLASS = made("storage.k8s.io/v1", "StorageClass", "c", provisioner="x")


@pytest.mark.parametrize(
    ("target", "obj", "words"),
    [
        (
            f"{V1}/nodes",
            {**NODE, "spec": {"taints": [TAINT, TAINT]}},
            [
                'metadata.taints[1]: Duplicate value: {"Key":"a","Value":"","Effect":"NoSchedule","TimeAdded":null}: '
                "taints must be unique by key and effect pair"
            ],
        ),
        (
            f"{V1}/nodes",
            {**NODE, "status": {"declaredFeatures": ["B", "A", "A"]}},
            [
                'status.declaredFeatures[1]: Invalid value: "A": list must be sorted alphabetically',
                'status.declaredFeatures[2]: Duplicate value: "A"',
            ],
        ),
        (
            f"{V1}/nodes",
            {**NODE, "spec": {"podCIDRs": ["10.1.0.0/24", "x"]}},
            [
                'spec.podCIDRs[1]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
                "spec.podCIDRs: Internal error: invalid PodCIDRs. failed to check with dual stack with error:invalid "
                "CIDR[1]: <nil> (invalid CIDR address: x)",
                'spec.podCIDRs: Invalid value: ["10.1.0.0/24","x"]: may specify no more than one CIDR for each IP family',
            ],
        ),
        (
            f"{STORAGE}/volumeattachments",
            {**ATTACHMENT, "spec": {"attacher": "a" * 64, "nodeName": "n", "source": {"persistentVolumeName": "v"}}},
            ["spec.attacher: Too long: may not be more than 63 characters"],
        ),
        (
            f"{STORAGE}/storageclasses",
            {**CLASS, "allowedTopologies": [{}]},
            ['allowedTopologies[0].matchLabelExpressions: Duplicate value: ""'],
        ),
        (
            "/apis/scheduling.k8s.io/v1/priorityclasses",
            made("scheduling.k8s.io/v1", "PriorityClass", "p", value=1, preemptionPolicy=""),
            ["preemptionPolicy: Required value"],
        ),
        (
            "/apis/node.k8s.io/v1/runtimeclasses",
            made("node.k8s.io/v1", "RuntimeClass", "r", handler="a" * 64),
            [f'handler: Invalid value: "{"a" * 64}": must be no more than 63 bytes'],
        ),
    ],
)
def test_a_new_object_is_refused_in_upstreams_words(target: str, obj: dict[str, Any], words: list[str]) -> None:
    async def scenario() -> None:
        async with world() as api:
            code, answer = await api.ask("POST", target, obj)
            assert (code, told(answer)) == (422, words)

    run_virtual(scenario())


def affinity(key: str) -> dict[str, Any]:
    expression = {"key": key, "operator": "In", "values": ["a"]}
    return {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}


def test_a_volume_moves_to_the_labels_that_followed_and_to_no_other() -> None:
    spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}
    spec["nodeAffinity"] = affinity("beta.kubernetes.io/os")
    volume = f"{V1}/persistentvolumes/v"

    async def scenario() -> None:
        async with world() as api:
            await api.ask("POST", f"{V1}/persistentvolumes", made("v1", "PersistentVolume", "v", spec=spec))
            moved = {"spec": {"nodeAffinity": affinity("kubernetes.io/os")}}
            code, _ = await api.ask("PATCH", volume, moved, Content_Type=MERGE)
            assert code == 200
            code, answer = await api.ask("PATCH", volume, {"spec": {"nodeAffinity": affinity("x")}}, Content_Type=MERGE)
            assert told(answer) == [
                'nodeAffinity: Invalid value: {"Required":{"NodeSelectorTerms":[{"MatchExpressions":[{"Key":"x",'
                '"Operator":"In","Values":["a"]}],"MatchFields":null}]}}: field is immutable, except for updating from '
                "beta label to GA"
            ]

    run_virtual(scenario())


def test_what_an_event_is_about_stays() -> None:
    event = {
        **made("events.k8s.io/v1", "Event", "e", eventTime=MICRO, action="A", reason="R", type="Normal"),
        "reportingController": "example.com/c",
        "reportingInstance": "i",
        "regarding": {"kind": "Pod", "name": "p", "namespace": "default"},
    }
    events = f"{EVENTS}/namespaces/default/events"

    async def scenario() -> None:
        async with world() as api:
            code, answer = await api.ask("POST", events, event)
            assert code == 201, answer
            change = {"note": None, "regarding": {"name": "q"}, "deprecatedCount": 3}
            _, answer = await api.ask("PATCH", f"{events}/e", change, Content_Type=MERGE)
            assert told(answer) == [
                'involvedObject: Invalid value: {"Kind":"Pod","Namespace":"default","Name":"q","UID":"","APIVersion":"",'
                '"ResourceVersion":"","FieldPath":""}: field is immutable',
                "count: Invalid value: 3: field is immutable",
            ]

    run_virtual(scenario())


@pytest.mark.parametrize(
    ("target", "obj", "change", "words"),
    [
        (
            f"{STORAGE}/volumeattachments",
            {**ATTACHMENT, "spec": {"attacher": "a", "nodeName": "n", "source": {"persistentVolumeName": "v"}}},
            {"spec": {"attacher": "a" * 64}},
            ["spec.attacher: Too long: may not be more than 63 bytes", "spec: Invalid value: null: field is immutable"],
        ),
        (
            "/apis/node.k8s.io/v1/runtimeclasses",
            made("node.k8s.io/v1", "RuntimeClass", "r", handler="a"),
            {"handler": "a" * 64},
            [
                f'handler: Invalid value: "{"a" * 64}": must be no more than 63 characters',
                "handler: Invalid value: null: field is immutable",
            ],
        ),
        (
            "/apis/node.k8s.io/v1/runtimeclasses",
            made("node.k8s.io/v1", "RuntimeClass", "r", handler="a"),
            {"handler": ""},
            ["handler: Invalid value: null: field is immutable", "handler: Required value"],
        ),
    ],
)
def test_a_field_that_may_not_change_is_judged_by_what_upstream_checks_by_hand(
    target: str, obj: dict[str, Any], change: dict[str, Any], words: list[str]
) -> None:
    async def scenario() -> None:
        async with world() as api:
            code, answer = await api.ask("POST", target, obj)
            assert code == 201, answer
            code, answer = await api.ask("PATCH", f"{target}/{obj['metadata']['name']}", change, Content_Type=MERGE)
            assert (code, told(answer)) == (422, words)

    run_virtual(scenario())


ALPHA = "scheduler.alpha.kubernetes.io"


@pytest.mark.parametrize(
    ("annotation", "text", "words"),
    [
        ("taints", "[1]", "json: cannot unmarshal number into Go value of type core.Taint"),
        ("taints", '[{"key":1}]', "json: cannot unmarshal number into Go struct field Taint.Key of type string"),
        (
            "taints",
            '[{"key":"k","effect":2}]',
            "json: cannot unmarshal number into Go struct field Taint.Effect of type core.TaintEffect",
        ),
        ("taints", '{"a":[1 x]}', "invalid character 'x' after array element"),
        (
            "preferAvoidPods",
            '{"preferAvoidPods":1}',
            "json: cannot unmarshal number into Go struct field AvoidPods.preferAvoidPods of type []v1.PreferAvoidPodsEntry",
        ),
        (
            "preferAvoidPods",
            '{"preferAvoidPods":[{"podSignature":{"podController":1}}]}',
            "json: cannot unmarshal number into Go struct field PodSignature.preferAvoidPods.podSignature.podController "
            "of type v1.OwnerReference",
        ),
    ],
)
def test_an_annotation_that_cannot_be_read_is_told_in_gos_words(annotation: str, text: str, words: str) -> None:
    node = made("v1", "Node", "n")
    node["metadata"]["annotations"] = {f"{ALPHA}/{annotation}": text}

    async def scenario() -> None:
        async with world() as api:
            code, answer = await api.ask("POST", f"{V1}/nodes", node)
            field = "metadata.annotations" + (".AvoidPods" if annotation == "preferAvoidPods" else "")
            assert code == 422 and told(answer) == [f'{field}: Invalid value: "{ALPHA}/{annotation}": {words}']

    run_virtual(scenario())
