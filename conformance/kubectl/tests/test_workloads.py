"""kubectl over workloads, as far as the API server alone goes: create, tables, scale, set, rollout's writes, describe."""

from __future__ import annotations

import re
from typing import Any

from conformance.kubectl.kubectl import Kubectl

POD: dict[str, Any] = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}
SELECTOR = {"matchLabels": {"a": "b"}}
STATEFUL_SET: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "StatefulSet",
    "metadata": {"name": "sts"},
    "spec": {"serviceName": "s", "replicas": 2, "selector": SELECTOR, "template": POD},
}
DAEMON_SET: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "DaemonSet",
    "metadata": {"name": "ds"},
    "spec": {"selector": SELECTOR, "template": POD},
}


def table(text: str) -> list[list[str]]:
    """Rows of cells, ages left out."""
    return [
        [cell for cell in re.split(r"\s{2,}", line.strip()) if not re.fullmatch(r"\d+s", cell)]
        for line in text.splitlines()
    ]


def test_create_commands_make_workloads(kubectl: Kubectl) -> None:
    """They send protobuf."""
    assert kubectl("create", "deployment", "web", "--image=nginx", "--replicas=3") == "deployment.apps/web created\n"
    assert kubectl("create", "job", "one", "--image=busybox", "--", "date") == "job.batch/one created\n"
    created = kubectl("create", "cronjob", "cj", "--image=busybox", "--schedule=*/5 * * * *", "--", "date")
    assert created == "cronjob.batch/cj created\n"
    assert kubectl("create", "job", "--from=cronjob/cj", "manual") == "job.batch/manual created\n"
    assert table(kubectl("get", "deploy,cj", "-o", "wide")) == [
        ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"],
        ["deployment.apps/web", "0/3", "0", "0", "nginx", "nginx", "app=web"],
        [""],
        [
            "NAME",
            "SCHEDULE",
            "TIMEZONE",
            "SUSPEND",
            "ACTIVE",
            "LAST SCHEDULE",
            "AGE",
            "CONTAINERS",
            "IMAGES",
            "SELECTOR",
        ],
        ["cronjob.batch/cj", "*/5 * * * *", "<none>", "False", "0", "<none>", "cj", "busybox", "<none>"],
    ]
    assert table(kubectl("get", "jobs"))[1:] == [["manual", "Running", "0/1"], ["one", "Running", "0/1"]]
    owner = kubectl.json("get", "job", "manual")["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["name"]) == ("CronJob", "cj")


def test_scale_goes_through_the_subresource(kubectl: Kubectl) -> None:
    kubectl("create", "deployment", "web", "--image=nginx")
    assert kubectl("scale", "deployment/web", "--replicas=5") == "deployment.apps/web scaled\n"
    assert kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.replicas} {.metadata.generation}") == "5 2"
    error = kubectl.fails("scale", "deployment/web", "--current-replicas=2", "--replicas=1")
    assert error == "error: Expected replicas to be 2, was 5\n"
    patched = kubectl("patch", "deploy", "web", "--subresource=scale", "--type=merge", "-p", '{"spec":{"replicas":7}}')
    assert patched == "scale.autoscaling/web patched\n"
    assert table(kubectl("get", "deploy", "web", "--subresource=scale"))[1] == ["web", "7", "0"]


def test_set_and_rollout_write_templates(kubectl: Kubectl) -> None:
    kubectl("create", "deployment", "web", "--image=nginx")
    assert kubectl("set", "image", "deployment/web", "nginx=nginx:2") == "deployment.apps/web image updated\n"
    assert kubectl("set", "env", "deployment/web", "A=b") == "deployment.apps/web env updated\n"
    assert kubectl("rollout", "pause", "deployment/web") == "deployment.apps/web paused\n"
    assert kubectl("rollout", "resume", "deployment/web") == "deployment.apps/web resumed\n"
    assert kubectl("rollout", "restart", "deployment/web") == "deployment.apps/web restarted\n"
    assert kubectl("rollout", "history", "deployment/web") == "deployment.apps/web \nNo rollout history found.\n"
    template = kubectl.json("get", "deploy", "web")["spec"]["template"]
    container = template["spec"]["containers"][0]
    assert (container["image"], container["env"]) == ("nginx:2", [{"name": "A", "value": "b"}])
    assert list(template["metadata"]["annotations"]) == ["kubectl.kubernetes.io/restartedAt"]


def test_apply_in_both_ways(kubectl: Kubectl) -> None:
    assert kubectl("apply", "-f", "-", stdin=DAEMON_SET) == "daemonset.apps/ds created\n"
    assert kubectl("apply", "-f", "-", stdin=DAEMON_SET) == "daemonset.apps/ds unchanged\n"
    assert (
        kubectl("apply", "--server-side", "-f", "-", stdin=STATEFUL_SET) == "statefulset.apps/sts serverside-applied\n"
    )
    other = {**STATEFUL_SET, "spec": {**STATEFUL_SET["spec"], "replicas": 3}}
    conflict = kubectl.fails("apply", "--server-side", "--field-manager=other", "-f", "-", stdin=other)
    assert conflict.startswith('error: Apply failed with 1 conflict: conflict with "kubectl": .spec.replicas\n')
    kubectl("apply", "--server-side", "--field-manager=other", "--force-conflicts", "-f", "-", stdin=other)
    assert table(kubectl("get", "sts"))[1] == ["sts", "0/3"]


def test_describe_tells_what_is_wanted(kubectl: Kubectl) -> None:
    kubectl("create", "deployment", "web", "--image=nginx", "--replicas=2")
    kubectl("apply", "-f", "-", stdin=STATEFUL_SET)
    assert "Replicas:               2 desired | 0 updated | 0 total | 0 available | 0 unavailable\n" in kubectl(
        "describe", "deployment", "web"
    )
    described = kubectl("describe", "sts", "sts")
    assert "Update Strategy:        RollingUpdate\n  Partition:            0\n  MaxUnavailable:       1\n" in described


def test_a_template_that_does_not_fit_is_refused_in_full(kubectl: Kubectl) -> None:
    bad = {**DAEMON_SET, "spec": {"selector": {"matchLabels": {"c": "d"}}, "template": POD}}
    error = kubectl.fails("create", "-f", "-", stdin=bad)
    assert error == (
        'The DaemonSet "ds" is invalid: spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match '
        "template `labels`\n"
    )


def test_fields_are_explained(kubectl: Kubectl) -> None:
    explained = kubectl("explain", "job.spec.backoffLimit")
    assert "KIND:       Job" in explained
    assert "Specifies the number of retries before marking this job failed" in explained
