"""kubectl reads: get in every output form, describe, explain, api-resources, events, watches."""

from __future__ import annotations

import json
import re

import yaml

from conformance.kubectl.kubectl import Kubectl

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "labels": {"app": "web"}},
    "spec": {"containers": [{"name": "c", "image": "nginx:1.27", "ports": [{"containerPort": 80}]}]},
}


def lines(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line.strip()]


def test_get_prints_the_servers_table(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=POD)
    header, row = lines(kubectl("get", "pods"))
    assert header == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert row[:4] == ["web", "0/1", "Pending", "0"]
    wide = lines(kubectl("get", "pods", "-o", "wide"))
    assert wide[0][5:] == ["IP", "NODE", "NOMINATED", "NODE", "READINESS", "GATES"]
    assert wide[1][5:] == ["<none>"] * 4
    assert lines(kubectl("get", "pods", "--show-labels"))[1][-1] == "app=web"
    assert lines(kubectl("get", "pods", "-L", "app", "--no-headers"))[0][-1] == "web"


def test_get_in_every_output_form(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "a", "--from-literal=k=v")
    as_json = kubectl.json("get", "configmap", "a")
    assert (as_json["kind"], as_json["data"]) == ("ConfigMap", {"k": "v"})
    assert "managedFields" not in as_json["metadata"]
    assert yaml.safe_load(kubectl("get", "configmap", "a", "-o", "yaml")) == as_json
    assert kubectl("get", "configmap", "a", "-o", "name") == "configmap/a\n"
    assert kubectl("get", "configmap", "a", "-o", "jsonpath={.data.k}") == "v"
    assert kubectl("get", "configmap", "a", "-o", "go-template={{.metadata.name}}") == "a"
    assert kubectl("get", "configmaps", "-o", "custom-columns=N:.metadata.name,D:.data.k") == "N     D\na     v\n"
    assert kubectl("get", "cm", "-o", "name") == "configmap/a\n"
    assert json.loads(kubectl("get", "configmaps", "-o", "json"))["kind"] == "List"
    assert json.loads(kubectl("get", "cm/a", "--show-managed-fields", "-o", "json"))["metadata"]["managedFields"]


def test_get_of_nothing_and_of_the_unknown(kubectl: Kubectl) -> None:
    assert kubectl.run("get", "pods").err == f"No resources found in {kubectl.namespace} namespace.\n"
    assert kubectl.fails("get", "pod", "x") == 'Error from server (NotFound): pods "x" not found\n'
    assert 'the server doesn\'t have a resource type "nonsense"' in kubectl.fails("get", "nonsense")
    assert kubectl("get", "pod", "x", "--ignore-not-found") == ""


def test_get_in_chunks_and_by_selectors(kubectl: Kubectl) -> None:
    for name in ("a", "b", "c", "d", "e"):
        kubectl("create", "configmap", name)
    kubectl("label", "configmap", "a", "b", "x=1")
    names = ["configmap/a", "configmap/b", "configmap/c", "configmap/d", "configmap/e"]
    assert kubectl("get", "cm", "--chunk-size=2", "-o", "name").split() == names
    assert kubectl("get", "cm", "-l", "x=1", "-o", "name").split() == names[:2]
    assert kubectl("get", "cm", "-l", "!x", "-o", "name").split() == names[2:]
    assert kubectl("get", "cm", "--field-selector", "metadata.name=c", "-o", "name").split() == ["configmap/c"]
    error = kubectl.fails("get", "cm", "--field-selector", "data.k=c")
    assert '"data.k" is not a known field selector: only "metadata.name", "metadata.namespace"' in error
    assert kubectl("get", "cm", "--sort-by", "{.metadata.name}", "-o", "name").split() == names
    everywhere = lines(kubectl("get", "cm", "-A", "-l", "x=1"))
    assert everywhere[0] == ["NAMESPACE", "NAME", "DATA", "AGE"]
    assert everywhere[1][:3] == [kubectl.namespace, "a", "0"]


def test_get_several_resources_at_once(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "a")
    kubectl("create", "secret", "generic", "s")
    assert kubectl("get", "configmap/a", "secret/s", "-o", "name").split() == ["configmap/a", "secret/s"]
    assert kubectl("get", "cm,secrets", "-o", "name").split() == ["configmap/a", "secret/s"]


def test_get_watches_until_it_is_stopped(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "a")
    process = kubectl.start("get", "configmaps", "-w", "--output-watch-events")
    try:
        assert process.stdout is not None
        seen = [process.stdout.readline().split()[:2] for _ in range(2)]
        kubectl("create", "configmap", "b")
        seen.append(process.stdout.readline().split()[:2])
        kubectl("delete", "configmap", "a")
        seen.append(process.stdout.readline().split()[:2])
    finally:
        process.terminate()
        process.communicate(timeout=10)
    assert seen == [["EVENT", "NAME"], ["ADDED", "a"], ["ADDED", "b"], ["DELETED", "a"]]


def test_describe_tells_of_the_object_and_its_events(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=POD)
    pod = kubectl.json("get", "pod", "web")
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "web.1"},
        "involvedObject": {
            "apiVersion": "v1",
            "kind": "Pod",
            "namespace": kubectl.namespace,
            "name": "web",
            "uid": pod["metadata"]["uid"],
        },
        "reason": "Testing",
        "message": "hello from a test",
        "type": "Normal",
        "source": {"component": "tester"},
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:00:00Z",
        "count": 1,
    }
    kubectl("create", "-f", "-", stdin=event)
    told = kubectl("describe", "pod", "web")
    assert re.search(r"^Name: +web$", told, re.M)
    assert re.search(r"^QoS Class: +BestEffort$", told, re.M)
    assert re.search(r"Normal +Testing +\S+ +tester +hello from a test", told)
    assert re.search(r"^ +Image: +nginx:1.27$", told, re.M)
    events = lines(kubectl("events", "--for", "pod/web"))
    assert events[1][1:4] == ["Normal", "Testing", "Pod/web"]
    assert "hello from a test" in kubectl("get", "events")


def test_describe_works_for_every_kind_it_knows(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "a", "--from-literal=k=v")
    kubectl("create", "secret", "generic", "s", "--from-literal=k=v")
    kubectl("create", "service", "clusterip", "svc", "--tcp=80:8080")
    assert re.search(r"k:\n----\nv\n", kubectl("describe", "configmap", "a"))
    assert re.search(r"k: +1 bytes", kubectl("describe", "secret", "s"))
    told = kubectl("describe", "service", "svc")
    assert re.search(r"^Port: +80-8080  80/TCP$", told, re.M)
    assert re.search(r"^IP Families: +IPv4$", told, re.M)
    assert re.search(r"^Status: +Active$", kubectl("describe", "namespace", kubectl.namespace), re.M)
    assert re.search(r"^Image pull secrets: +<none>$", kubectl("describe", "serviceaccount", "default"), re.M)
    assert re.search(r"^Name: +cluster-admin$", kubectl("describe", "clusterrole", "cluster-admin"), re.M)


def test_explain_describes_fields(kubectl: Kubectl) -> None:
    told = kubectl("explain", "pod.spec.containers")
    assert re.search(r"^KIND: +Pod$", told, re.M)
    assert re.search(r"^FIELD: containers <\[\]Container>", told, re.M)
    assert "List of containers belonging to the pod" in told
    assert re.search(r"image\t<string>", told)
    deep = kubectl("explain", "service", "--recursive")
    assert re.search(r"nodePort\t<integer>", deep)
    assert "does not exist" in kubectl.fails("explain", "pod.nonsense")


def test_api_resources_and_versions(kubectl: Kubectl) -> None:
    names = {line[0] for line in lines(kubectl("api-resources"))}
    assert {"pods", "services", "configmaps", "roles", "leases", "events"} <= names
    assert kubectl("api-resources", "--api-group=rbac.authorization.k8s.io", "-o", "name").split() == [
        "clusterrolebindings.rbac.authorization.k8s.io",
        "clusterroles.rbac.authorization.k8s.io",
        "rolebindings.rbac.authorization.k8s.io",
        "roles.rbac.authorization.k8s.io",
    ]
    assert {"v1", "rbac.authorization.k8s.io/v1", "autoscaling/v1", "autoscaling/v2"} <= set(
        kubectl("api-versions").split()
    )
    row = next(line for line in lines(kubectl("api-resources")) if line[0] == "pods")
    assert row == ["pods", "po", "v1", "true", "Pod"]


def test_version_and_raw_paths(kubectl: Kubectl) -> None:
    assert re.search(r"^Server Version: v1\.37\.", kubectl("version"), re.M)
    assert kubectl("get", "--raw", "/healthz") == "ok"
    assert "[+]ping ok" in kubectl("get", "--raw", "/readyz?verbose")
    assert json.loads(kubectl("get", "--raw", "/api/v1/namespaces/default"))["metadata"]["name"] == "default"
    assert kubectl("cluster-info").startswith("Kubernetes control plane is running at https://127.0.0.1:")


def test_config_view_and_contexts(kubectl: Kubectl) -> None:
    assert yaml.safe_load(kubectl("config", "view", "--minify"))["current-context"] == "test"
    assert kubectl("config", "current-context") == "test\n"
