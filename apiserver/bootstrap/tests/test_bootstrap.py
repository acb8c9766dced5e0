"""Post-start hooks in virtual time: what a fresh cluster gets, what a second start leaves alone, what is mended."""

from __future__ import annotations

import asyncio

from apiserver.apimachinery.clock import LoopClock
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object, copy
from apiserver.auth.authenticators.request_header import RequestHeaderOptions
from apiserver.auth.tests.worlds import Authority
from apiserver.bootstrap import HOOKS, Settings
from apiserver.bootstrap.authentication_info import combined, own_data
from apiserver.bootstrap.identity_lease import collect, server_id
from apiserver.bootstrap.tests.server import Server, virtual
from apiserver.storage.interface import Storage

RBAC = "rbac.authorization.k8s.io"
LEASES = GroupResource("coordination.k8s.io", "leases")
NAMESPACES = GroupResource("", "namespaces")


def test_every_hook_comes_up() -> None:
    async def main(storage: Storage, clock: LoopClock) -> None:
        async with Server(storage, clock) as server:
            assert sorted(server.done) == sorted(hook.name for hook in HOOKS)

    virtual(main)


def test_a_fresh_cluster_has_namespaces_policy_and_priorities() -> None:
    async def main(storage: Storage, clock: LoopClock) -> None:
        async with Server(storage, clock) as server:
            objects = server.context.objects
            names = [obj["metadata"]["name"] for obj in objects.list(NAMESPACES, "")]
            assert names == ["default", "kube-node-lease", "kube-public", "kube-system"]
            counts = {
                resource: len(objects.list(GroupResource(RBAC, resource), ""))
                for resource in ("clusterroles", "clusterrolebindings", "roles", "rolebindings")
            }
            assert counts == {"clusterroles": 73, "clusterrolebindings": 54, "roles": 7, "rolebindings": 7}
            critical = server.get("scheduling.k8s.io", "priorityclasses", "", "system-node-critical")
            assert critical is not None
            assert critical["value"] == 2_000_001_000

    virtual(main)


def test_what_the_server_writes_it_owns_as_kube_apiserver() -> None:
    async def main(storage: Storage, clock: LoopClock) -> None:
        async with Server(storage, clock) as server:
            view = server.get(RBAC, "clusterroles", "", "view")
            assert view is not None
            (entry,) = view["metadata"]["managedFields"]
            assert (entry["manager"], entry["operation"], entry["apiVersion"]) == (
                "kube-apiserver",
                "Update",
                f"{RBAC}/v1",
            )
            assert view["rules"] is None
            assert view["metadata"]["labels"]["kubernetes.io/bootstrapping"] == "rbac-defaults"

    virtual(main)


def test_a_second_start_writes_only_who_is_up() -> None:
    async def main(storage: Storage, clock: LoopClock) -> None:
        async with Server(storage, clock):
            await asyncio.sleep(1)
        before = {item.key: item.revision for item in (await storage.list("/registry/")).items}
        async with Server(storage, clock, seed=2):
            await asyncio.sleep(1)
            after = {item.key: item.revision for item in (await storage.list("/registry/")).items}
        changed = {key for key in after if after[key] != before.get(key)}
        assert changed == {
            f"/registry/leases/kube-system/{server_id('host')}",
            "/registry/masterleases/10.1.2.3",
            "/registry/services/endpoints/default/kubernetes",
            "/registry/endpointslices/default/kubernetes",
        }

    virtual(main)


def test_the_policy_is_mended_and_additions_stay() -> None:
    async def main(storage: Storage, clock: LoopClock) -> None:
        roles, bindings = GroupResource(RBAC, "clusterroles"), GroupResource(RBAC, "clusterrolebindings")
        async with Server(storage, clock) as server:
            objects = server.context.objects
            extra = {"verbs": ["get"], "apiGroups": ["acme"], "resources": ["anvils"]}

            def shrink(role: Object) -> Object:
                role["rules"] = [extra]
                role["metadata"]["labels"] = {"own": "x"}
                return role

            def strangers(binding: Object) -> Object:
                binding["subjects"] = [{"kind": "User", "apiGroup": RBAC, "name": "ann"}]
                return binding

            def protect(role: Object) -> Object:
                role["metadata"]["annotations"]["rbac.authorization.kubernetes.io/autoupdate"] = "false"
                role["rules"] = []
                return role

            await objects.update(roles, "", "system:discovery", shrink)
            await objects.update(bindings, "", "cluster-admin", strangers)
            await objects.update(roles, "", "system:basic-user", protect)
            await objects.delete(bindings, "", "system:discovery")
            wrong = objects.get(bindings, "", "system:node-proxier")
            assert wrong is not None
            await objects.delete(bindings, "", "system:node-proxier")
            wrong = {"kind": "ClusterRoleBinding", "apiVersion": f"{RBAC}/v1", **copy(wrong)}
            wrong["metadata"] = {"name": "system:node-proxier"}
            wrong["roleRef"]["name"] = "view"
            await objects.create(bindings, wrong)
        async with Server(storage, clock, seed=2) as server:
            role = server.get(RBAC, "clusterroles", "", "system:discovery")
            assert role is not None
            assert role["rules"][0] == extra
            assert any("/openapi" in (rule.get("nonResourceURLs") or ()) for rule in role["rules"])
            assert role["metadata"]["labels"] == {"own": "x", "kubernetes.io/bootstrapping": "rbac-defaults"}
            admins = server.get(RBAC, "clusterrolebindings", "", "cluster-admin")
            assert admins is not None
            assert [subject["name"] for subject in admins["subjects"]] == ["ann", "system:masters"]
            protected = server.get(RBAC, "clusterroles", "", "system:basic-user")
            assert protected is not None
            assert not protected["rules"]
            assert server.get(RBAC, "clusterrolebindings", "", "system:discovery") is not None
            proxier = server.get(RBAC, "clusterrolebindings", "", "system:node-proxier")
            assert proxier is not None
            assert proxier["roleRef"]["name"] == "system:node-proxier"

    virtual(main)


def test_a_deleted_namespace_of_the_system_comes_back() -> None:
    async def main(storage: Storage, clock: LoopClock) -> None:
        async with Server(storage, clock) as server:
            await storage.delete("/registry/namespaces/kube-public", expected=None)
            await asyncio.sleep(61)
            assert server.get("", "namespaces", "", "kube-public") is not None

    virtual(main)


def test_the_identity_lease_is_renewed_and_taken_back() -> None:
    async def main(storage: Storage, clock: LoopClock) -> None:
        async with Server(storage, clock) as server:
            name = server_id("host")

            def found() -> Object | None:
                return server.get("coordination.k8s.io", "leases", "kube-system", name)

            first = found()
            assert first is not None
            assert first["metadata"]["labels"] == {
                "apiserver.kubernetes.io/identity": "kube-apiserver",
                "kubernetes.io/hostname": "host",
            }
            assert first["metadata"]["annotations"] == {"kubernetes.io/peer-advertise-address": "10.1.2.3:6443"}
            assert first["spec"]["leaseDurationSeconds"] == 3600
            await asyncio.sleep(11)
            second = found()
            assert second is not None
            assert second["spec"]["renewTime"] > first["spec"]["renewTime"]
            await server.context.objects.delete(LEASES, "kube-system", name)
            await asyncio.sleep(11)
            assert found() is not None
        assert (await storage.get(f"/registry/leases/kube-system/{name}")).item is None

    virtual(main)


def test_leases_nobody_renews_are_collected() -> None:
    async def main(storage: Storage, clock: LoopClock) -> None:
        async with Server(storage, clock) as server:
            labels = {"apiserver.kubernetes.io/identity": "kube-apiserver"}
            for name, marks, spec in (
                ("dead", labels, {"renewTime": "2025-12-31T00:00:00.000000Z", "leaseDurationSeconds": 3600}),
                ("empty", labels, {}),
                ("other", {}, {}),
            ):
                meta = {"name": name, "namespace": "kube-system", "labels": marks}
                lease = {"kind": "Lease", "apiVersion": "coordination.k8s.io/v1", "metadata": meta, "spec": spec}
                await server.context.objects.create(LEASES, lease)
            await asyncio.sleep(0.1)
            await collect(server.context)
            await asyncio.sleep(0.1)
            left = [obj["metadata"]["name"] for obj in server.context.objects.list(LEASES, "kube-system")]
            assert left == [server_id("host"), "other"]

    virtual(main)


def test_extension_servers_are_told_whom_to_trust() -> None:
    clients, proxies, old = Authority("clients"), Authority("proxies"), Authority("old")
    header = RequestHeaderOptions(proxies.pem, ("front-proxy",))
    settings = Settings(advertise_address="", port=1, hostname="h", client_ca_pem=clients.pem, request_header=header)
    own = own_data(settings)
    assert own["requestheader-username-headers"] == '["X-Remote-User"]'
    assert combined({}, own, 0.0) == own
    existing = {
        "client-ca-file": (old.pem + clients.pem).decode(),
        "requestheader-allowed-names": '["theirs","front-proxy"]',
        "requestheader-group-headers": "nonsense",
        "mine": "dropped",
    }
    both = combined(existing, own, 0.0)
    assert both["client-ca-file"] == (old.pem + clients.pem).decode()
    assert both["requestheader-allowed-names"] == '["theirs","front-proxy"]'
    assert both["requestheader-group-headers"] == '["X-Remote-Group"]'
    assert "mine" not in both
    assert combined(both, own, 0.0) == both
    assert "client-ca-file" not in combined(existing, own, 5e9)
