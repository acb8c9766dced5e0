"""kubectl writes: create, apply in both ways, diff, edit, patch, replace, label, annotate, delete, expose, taint."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from conformance.kubectl.kubectl import Kubectl

CONFIG: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}}
POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "labels": {"app": "web"}},
    "spec": {"containers": [{"name": "c", "image": "nginx:1.27", "ports": [{"containerPort": 80}]}]},
}


def config(**data: str) -> dict[str, Any]:
    return {**CONFIG, "data": data}


def test_create_says_what_it_made_and_refuses_twice(kubectl: Kubectl) -> None:
    assert kubectl("create", "-f", "-", stdin=CONFIG) == "configmap/a created\n"
    error = kubectl.fails("create", "-f", "-", stdin=CONFIG)
    assert error == 'Error from server (AlreadyExists): error when creating "STDIN": configmaps "a" already exists\n'
    assert kubectl("create", "configmap", "b", "--dry-run=server", "-o", "name") == "configmap/b\n"
    assert kubectl("get", "cm", "b", "--ignore-not-found") == ""


def test_create_prints_what_is_invalid(kubectl: Kubectl) -> None:
    bad = {**POD, "spec": {"containers": [{"name": "c"}]}}
    error = kubectl.fails("create", "-f", "-", stdin=bad)
    assert error == 'The Pod "web" is invalid: spec.containers[0].image: Required value\n'


def test_create_validates_strictly(kubectl: Kubectl) -> None:
    odd = {**CONFIG, "nonsense": 1}
    error = kubectl.fails("create", "-f", "-", stdin=odd)
    assert 'strict decoding error: unknown field "nonsense"' in error
    result = kubectl.run("create", "--validate=warn", "-f", "-", stdin=odd)
    assert result.err == 'Warning: unknown field "nonsense"\n'
    assert result.out == "configmap/a created\n"


def test_create_many_kinds_by_command(kubectl: Kubectl) -> None:
    assert kubectl("create", "secret", "generic", "s", "--from-literal=k=v") == "secret/s created\n"
    assert kubectl("create", "role", "r", "--verb=get", "--resource=pods") == (
        "role.rbac.authorization.k8s.io/r created\n"
    )
    assert kubectl("create", "rolebinding", "b", "--role=r", "--user=u") == (
        "rolebinding.rbac.authorization.k8s.io/b created\n"
    )
    assert kubectl("create", "priorityclass", f"p-{kubectl.namespace}", "--value=5") == (
        f"priorityclass.scheduling.k8s.io/p-{kubectl.namespace} created\n"
    )
    assert kubectl("create", "service", "nodeport", "n", "--tcp=80") == "service/n created\n"
    assert kubectl("create", "sa", "robot") == "serviceaccount/robot created\n"


def test_apply_on_the_client_side(kubectl: Kubectl) -> None:
    assert kubectl("apply", "-f", "-", stdin=config(a="1", b="2")) == "configmap/a created\n"
    assert kubectl("apply", "-f", "-", stdin=config(a="1", b="2")) == "configmap/a unchanged\n"
    assert kubectl("apply", "-f", "-", stdin=config(a="3")) == "configmap/a configured\n"
    assert kubectl.json("get", "cm", "a")["data"] == {"a": "3"}
    applied = json.loads(kubectl("apply", "view-last-applied", "configmap/a", "-o", "json"))
    assert applied["data"] == {"a": "3"}


def test_apply_prunes_nothing_it_does_not_own(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=config(a="1"))
    kubectl("patch", "cm", "a", "--type=merge", "-p", '{"data":{"other":"x"}}')
    kubectl("apply", "-f", "-", stdin=config(b="2"))
    assert kubectl.json("get", "cm", "a")["data"] == {"b": "2", "other": "x"}


def test_apply_on_the_server_side_and_its_conflicts(kubectl: Kubectl) -> None:
    apply = ("apply", "--server-side", "-f", "-")
    assert kubectl(*apply, stdin=config(k="v")) == "configmap/a serverside-applied\n"
    error = kubectl.fails(*apply, "--field-manager=other", stdin=config(k="w"))
    assert error.startswith(
        'error: Apply failed with 1 conflict: conflict with "kubectl": .data.k\n'
        "Please review the fields above--they currently have other managers."
    )
    forced = kubectl(*apply, "--field-manager=other", "--force-conflicts", stdin=config(k="w"))
    assert forced == "configmap/a serverside-applied\n"
    managed = json.loads(kubectl("get", "cm", "a", "-o", "json", "--show-managed-fields"))["metadata"]["managedFields"]
    assert [(m["manager"], m["operation"]) for m in managed] == [("other", "Apply")]


def test_apply_moves_from_client_to_server_side(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=config(a="1", b="2"))
    kubectl("apply", "--server-side", "-f", "-", stdin=config(a="1"))
    assert kubectl.json("get", "cm", "a")["data"] == {"a": "1"}


def test_diff_shows_what_would_change(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=config(a="1"))
    assert kubectl("diff", "-f", "-", stdin=config(a="1")) == ""
    result = kubectl.run("diff", "-f", "-", stdin=config(a="2"))
    assert result.code == 1
    assert re.search(r'^-  a: "1"$', result.out, re.M)
    assert re.search(r'^\+  a: "2"$', result.out, re.M)
    assert kubectl.json("get", "cm", "a")["data"] == {"a": "1"}


def test_edit_writes_what_the_editor_left(kubectl: Kubectl, tmp_path: Path) -> None:
    kubectl("create", "-f", "-", stdin=config(a="before"))
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nsed -i 's/before/after/' \"$1\"\n")
    editor.chmod(0o755)
    assert kubectl("edit", "configmap", "a", env={"EDITOR": str(editor)}) == "configmap/a edited\n"
    assert kubectl.json("get", "cm", "a")["data"] == {"a": "after"}


def test_patch_in_three_types(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=POD)
    strategic = '{"spec":{"containers":[{"name":"c","image":"nginx:2"}]}}'
    assert kubectl("patch", "pod", "web", "-p", strategic) == "pod/web patched\n"
    assert kubectl("patch", "pod", "web", "-p", strategic) == "pod/web patched (no change)\n"
    kubectl("patch", "pod", "web", "--type=merge", "-p", '{"metadata":{"labels":{"m":"1"}}}')
    kubectl("patch", "pod", "web", "--type=json", "-p", '[{"op":"replace","path":"/metadata/labels/app","value":"x"}]')
    pod = kubectl.json("get", "pod", "web")
    assert pod["metadata"]["labels"] == {"app": "x", "m": "1"}
    assert pod["spec"]["containers"][0]["image"] == "nginx:2"
    error = kubectl.fails("patch", "pod", "web", "-p", '{"spec":{"nodeName":"n"}}')
    assert "Forbidden: pod updates may not change fields other than" in error


def test_replace_needs_the_newest_revision(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=config(a="1"))
    old = kubectl.json("get", "cm", "a")
    assert kubectl("replace", "-f", "-", stdin=config(a="2")) == "configmap/a replaced\n"
    error = kubectl.fails("replace", "-f", "-", stdin=old)
    assert "the object has been modified; please apply your changes to the latest version and try again" in error
    assert "configmap/a replaced\n" in kubectl("replace", "--force", "-f", "-", stdin=config(a="3"))


def test_label_and_annotate(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "a")
    assert kubectl("label", "cm", "a", "x=1") == "configmap/a labeled\n"
    assert "already has a value" in kubectl.fails("label", "cm", "a", "x=2")
    assert kubectl("label", "--overwrite", "cm", "a", "x=2") == "configmap/a labeled\n"
    assert kubectl("label", "cm", "a", "x-") == "configmap/a unlabeled\n"
    assert kubectl("annotate", "cm", "a", "note=hello") == "configmap/a annotated\n"
    assert kubectl.json("get", "cm", "a")["metadata"]["annotations"] == {"note": "hello"}


def test_delete_waits_and_tells(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "a")
    told = kubectl("delete", "configmap", "a", "--wait")
    assert told == f'configmap "a" deleted from {kubectl.namespace} namespace\n'
    assert kubectl.fails("delete", "cm", "a") == 'Error from server (NotFound): configmaps "a" not found\n'
    assert kubectl.run("delete", "cm", "a", "--ignore-not-found").code == 0


def test_delete_of_a_pod_with_grace_and_by_force(kubectl: Kubectl) -> None:
    bound = {**POD, "spec": {**POD["spec"], "nodeName": "nowhere"}}
    kubectl("create", "-f", "-", stdin=bound)
    kubectl("delete", "pod", "web", "--grace-period=30", "--wait=false")
    pod = kubectl.json("get", "pod", "web")
    assert pod["metadata"]["deletionGracePeriodSeconds"] == 30
    assert pod["metadata"]["deletionTimestamp"]
    row = kubectl("get", "pod", "web", "--no-headers").split()
    assert row[2] == "Terminating"
    result = kubectl.run("delete", "pod", "web", "--force")
    assert "Immediate deletion does not wait for confirmation" in result.err
    assert kubectl("get", "pods", "--ignore-not-found") == ""


def test_delete_by_selector_and_all(kubectl: Kubectl) -> None:
    for name in ("a", "b", "c"):
        kubectl("create", "configmap", name)
    kubectl("label", "cm", "a", "x=1")
    assert kubectl("delete", "cm", "-l", "x=1") == f'configmap "a" deleted from {kubectl.namespace} namespace\n'
    assert kubectl("delete", "cm", "--all").count("deleted") == 2


def test_delete_with_the_three_cascades(kubectl: Kubectl) -> None:
    for policy, finalizer in (("orphan", "orphan"), ("foreground", "foregroundDeletion")):
        kubectl("create", "configmap", policy)
        kubectl("delete", "cm", policy, f"--cascade={policy}", "--wait=false")
        meta = kubectl.json("get", "cm", policy)["metadata"]
        assert meta["finalizers"] == [finalizer]
        kubectl("patch", "cm", policy, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    kubectl("create", "configmap", "background")
    kubectl("delete", "cm", "background", "--cascade=background")
    assert kubectl("get", "cm", "-o", "name") == ""


def test_wait_for_conditions_jsonpath_and_deletion(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=POD)
    ready = '{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}'
    kubectl("patch", "pod", "web", "--subresource=status", "--type=merge", "-p", ready)
    assert kubectl("wait", "--for=condition=Ready", "pod/web", "--timeout=10s") == "pod/web condition met\n"
    assert kubectl("wait", "--for=jsonpath={.status.phase}=Running", "pod/web") == "pod/web condition met\n"
    waiting = kubectl.start("wait", "--for=delete", "pod/web", "--timeout=30s")
    kubectl("delete", "pod", "web", "--force")
    waiting.communicate(timeout=30)
    assert waiting.returncode == 0
    assert "timed out waiting" in kubectl.fails(
        "wait", "--for=condition=Never", f"namespace/{kubectl.namespace}", "--timeout=1s"
    )


def test_run_and_expose(kubectl: Kubectl) -> None:
    assert kubectl("run", "web", "--image=nginx", "--port=80") == "pod/web created\n"
    assert kubectl("expose", "pod", "web", "--port=80", "--name=web") == "service/web exposed\n"
    service = kubectl.json("get", "service", "web")
    assert service["spec"]["selector"] == {"run": "web"}
    assert re.fullmatch(r"10\.\d+\.\d+\.\d+", service["spec"]["clusterIP"])


def test_taint_and_cordon_a_node(kubectl: Kubectl) -> None:
    name = f"n-{kubectl.namespace}"
    kubectl("create", "-f", "-", stdin={"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
    assert kubectl("taint", "node", name, "k=v:NoSchedule") == f"node/{name} tainted\n"
    taints = kubectl.json("get", "node", name)["spec"]["taints"]
    assert {"key": "k", "value": "v", "effect": "NoSchedule"} in taints
    assert kubectl("taint", "node", name, "k-") == f"node/{name} untainted\n"
    assert kubectl("cordon", name) == f"node/{name} cordoned\n"
    assert kubectl("get", "node", name, "--no-headers").split()[1] == "Unknown,SchedulingDisabled"
    assert kubectl("uncordon", name) == f"node/{name} uncordoned\n"


def test_auth_can_i_and_whoami(kubectl: Kubectl) -> None:
    assert kubectl("auth", "can-i", "create", "pods") == "yes\n"
    assert kubectl.run("auth", "can-i", "create", "pods", "--as=jane").out == "no\n"
    kubectl("create", "role", "reader", "--verb=get,list", "--resource=pods")
    kubectl("create", "rolebinding", "reader", "--role=reader", "--user=jane")
    assert kubectl("auth", "can-i", "list", "pods", "--as=jane") == "yes\n"
    assert re.search(r"^pods +\[\] +\[\] +\[get list\]$", kubectl("auth", "can-i", "--list", "--as=jane"), re.M)
    assert re.search(r"^Username +admin$", kubectl("auth", "whoami"), re.M)
    error = kubectl.fails("get", "secrets", "--as=jane")
    assert error == (
        'Error from server (Forbidden): secrets is forbidden: User "jane" cannot list resource "secrets" in API group "" '
        f'in the namespace "{kubectl.namespace}"\n'
    )


def test_create_token_and_use_it(kubectl: Kubectl) -> None:
    token = kubectl("create", "token", "default", "--duration=10m").strip()
    assert len(token.split(".")) == 3
    who = kubectl.run("--token", token, "auth", "whoami", "-o", "json", "--client-certificate=", "--client-key=")
    assert who.code == 0 or "Forbidden" in who.err


def test_kustomize_and_server_dry_run(kubectl: Kubectl, tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("namePrefix: p-\nconfigMapGenerator:\n- name: g\n  literals: [a=b]\n")
    created = kubectl("apply", "-k", str(tmp_path))
    assert re.fullmatch(r"configmap/p-g-\w+ created\n", created)
    assert kubectl("apply", "-k", str(tmp_path), "--dry-run=server").endswith("unchanged (server dry run)\n")
