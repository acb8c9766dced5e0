"""docs/extending.md holds: each addition is one file and one line, and the rest follows by itself."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from apiserver.api import apps
from apiserver.apimachinery.clock import LoopClock, SystemClock, run_virtual
from apiserver.apimachinery.gvk import GroupVersionResource
from apiserver.apimachinery.http import UserInfo
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.rand import Random
from apiserver.auth.build import build_authorizer
from apiserver.auth.interface import ALLOW, NO_OPINION, AuthorizerAttributes
from apiserver.registry.listers import Listers
from apiserver.storage.memory import MemoryStorage
from apiserver.storage.tests import test_contract as contract
from apiserver.storage.tests.backends import Backend, opened
from controllers.scheduler.configuration import ConfigurationError, load
from controllers.scheduler.plugins import installed, table
from kubelet.node.identity import NodeIdentity
from kubelet.runtimes import runtime_for
from pocketkube.cli import main
from pocketkube.tests.examples import Examples
from pocketkube.tests.worlds import ClusterWorld, cluster_world

GROUP = "/apis/gizmos.example.com"
GIZMOS = GroupVersionResource("gizmos.example.com", "v2", "gizmos")
PODS = GroupVersionResource("", "v1", "pods")
NAMESPACES = GroupVersionResource("", "v1", "namespaces")
CONFIG_MAPS = GroupVersionResource("", "v1", "configmaps")
CLUSTER_ROLES = GroupVersionResource("rbac.authorization.k8s.io", "v1", "clusterroles")
CLUSTER_ROLE_BINDINGS = GroupVersionResource("rbac.authorization.k8s.io", "v1", "clusterrolebindings")
RIGHTS = "its rights, for kubectl apply -f FILE"
CONFIGURATION = "a configuration, for pocketkube scheduler --config FILE"
APPLY = {"Content_Type": "application/apply-patch+yaml"}
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Examples]:
    made = Examples(tmp_path / "examples", monkeypatch)
    yield made
    made.forget()


def with_the_kind(examples: Examples) -> None:
    examples.package("apiserver/api/gizmos/__init__.py", "apiserver/api/gizmos/gizmo.py")
    examples.line("apiserver/api/__init__.py: GROUPS")


def gizmo(name: str, **spec: Any) -> Object:
    return {"apiVersion": "gizmos.example.com/v2", "kind": "Gizmo", "metadata": {"name": name}, "spec": spec}


async def ask(w: ClusterWorld, method: str, path: str, body: Any = None, **headers: str) -> Any:
    """The body of an answer that is a good one."""
    status, answer = await w.server.ask(method, path, body, **headers)
    assert status < 300, answer
    return answer


async def reads_and_writes(w: ClusterWorld) -> None:
    path = f"{GROUP}/v2/namespaces/default/gizmos"
    made = await ask(w, "POST", path, gizmo("a", owner="me"))
    assert (made["spec"], made["metadata"]["generation"]) == ({"owner": "me", "length": 1}, 1)
    status, refused = await w.server.ask("POST", path, gizmo("b", length=0))
    assert (status, refused["details"]["causes"][0]["field"]) == (422, "spec.size")
    status, refused = await w.server.ask("POST", path, gizmo("b", length="long"))
    assert (status, "cannot unmarshal string" in refused["message"]) == (400, True)
    applied = await ask(w, "PATCH", f"{path}/a?fieldManager=m&force=true", gizmo("a", length=3), **APPLY)
    assert (applied["spec"], applied["metadata"]["generation"]) == ({"owner": "me", "length": 3}, 2)
    grown = await ask(w, "POST", f"{path}/a/grow", gizmo("a"))
    assert grown["spec"]["length"] == 4
    old = await ask(w, "GET", f"{GROUP}/v1/namespaces/default/gizmos?fieldSelector=spec.owner=me")
    assert [each["spec"] for each in old["items"]] == [{"owner": "me", "size": 4}]
    shown = await ask(w, "GET", path, **TABLE)
    assert [row["cells"][:2] for row in shown["rows"]] == [["a", 4]]


async def is_told_everywhere(w: ClusterWorld) -> None:
    group = await ask(w, "GET", GROUP)
    assert group["preferredVersion"]["version"] == "v2"
    listed = {each["name"]: each["verbs"] for each in (await ask(w, "GET", f"{GROUP}/v2"))["resources"]}
    assert list(listed) == ["gizmos", "gizmos/grow", "gizmos/status"]
    document = await ask(w, "GET", f"/openapi/v3{GROUP}/v2")
    described = document["components"]["schemas"]["com.example.gizmos.v2.Gizmo"]
    assert described["description"] == "A gizmo is something of a size."
    assert described["properties"]["spec"]["properties"]["length"]["description"] == "How large."
    assert "com.example.gizmos.v1.Gizmo" in (await ask(w, "GET", "/openapi/v2"))["definitions"]
    metrics = (await (await w.server.send("GET", "/metrics")).read()).decode()
    assert 'group="gizmos.example.com",resource="gizmos"' in metrics


async def is_counted_collected_and_deleted(w: ClusterWorld) -> None:
    await w.resource(NAMESPACES).create({"metadata": {"name": "shop"}})
    hard = {"hard": {"count/gizmos.gizmos.example.com": "1"}}
    quotas = w.resource(GroupVersionResource("", "v1", "resourcequotas"))
    await quotas.create({"metadata": {"name": "few"}, "spec": hard}, "shop")

    async def counted() -> bool:
        return bool((await quotas.get("few", "shop"))["status"].get("hard"))

    await w.eventually(counted)
    owner = await w.resource(GIZMOS).create(gizmo("a"), "shop")
    status, refused = await w.server.ask("POST", f"{GROUP}/v2/namespaces/shop/gizmos", gizmo("b"))
    assert (status, "exceeded quota: few" in refused["message"]) == (403, True)
    reference = {k: owner[k] for k in ("apiVersion", "kind")} | {k: owner["metadata"][k] for k in ("name", "uid")}
    owned = {"metadata": {"name": "owned", "ownerReferences": [reference]}}
    await w.resource(CONFIG_MAPS).create(owned, "shop")
    await w.resource(GIZMOS).delete("a", "shop")

    async def collected() -> bool:
        return all(each["metadata"]["name"] != "owned" for each in await w.all(CONFIG_MAPS, "shop"))

    await w.eventually(collected)
    await w.resource(GIZMOS).create(gizmo("c"), "shop")
    await w.resource(NAMESPACES).delete("shop")

    async def gone() -> bool:
        return all(each["metadata"]["name"] != "shop" for each in await w.all(NAMESPACES))

    await w.eventually(gone)
    assert await w.all(GIZMOS, "shop") == []


def test_a_kind_is_served_described_counted_and_collected(examples: Examples) -> None:
    with_the_kind(examples)

    async def scenario() -> None:
        async with cluster_world(nodes=1) as w:
            await reads_and_writes(w)
            await is_told_everywhere(w)
            await is_counted_collected_and_deleted(w)

    run_virtual(scenario())


def test_a_kind_in_an_existing_group_is_a_line_in_its_table(examples: Examples, monkeypatch: Any) -> None:
    package = examples.package("apiserver/api/gizmos/__init__.py", "apiserver/api/gizmos/gizmo.py")
    one = replace(package.RESOURCES[0], group="apps", versions=package.RESOURCES[0].versions[1:], convert=None)
    monkeypatch.setattr(apps, "RESOURCES", (*apps.RESOURCES, replace(one, subresources=one.subresources[:1])))

    async def scenario() -> None:
        async with cluster_world(nodes=1) as w:
            made = await ask(w, "POST", "/apis/apps/v1/namespaces/default/gizmos", {"metadata": {"name": "a"}})
            assert (made["apiVersion"], made["spec"]) == ("apps/v1", {"size": 1})

    run_virtual(scenario())


def test_an_admission_plugin_is_turned_on_by_its_name(examples: Examples) -> None:
    with_the_kind(examples)
    examples.file("apiserver/admission/plugins/gizmo_owner.py")
    examples.line("apiserver/admission/plugins/__init__.py: DEFAULT_ORDER")

    async def scenario(owner: str | None, **options: Any) -> None:
        async with cluster_world(nodes=1, options=options) as w:
            made = await w.resource(GIZMOS).create(gizmo("a"), "default")
            assert made["spec"].get("owner") == owner
            path = f"{GROUP}/v2/namespaces/default/gizmos/a"
            status, answer = await w.server.ask("PUT", path, gizmo("a", owner="another"))
            assert (status, "not given away" in str(answer)) == ((403, True) if owner else (200, False))

    run_virtual(scenario(None))
    run_virtual(scenario("admin", enable_admission_plugins=("GizmoOwner",)))


async def test_an_authorization_mode_is_asked_in_its_place(examples: Examples) -> None:
    readers = examples.file("apiserver/auth/authorizers/readers.py")
    examples.line("apiserver/auth/authorizers/modes.py: MODES", Readers=readers.Readers)
    authorizer = build_authorizer(("AlwaysDeny", "Readers"), cast_listers()).authorizer
    attributes = AuthorizerAttributes(UserInfo("ann", ("readers",)), "list", True, resource="pods")
    assert (await authorizer.authorize(attributes)).verdict == ALLOW
    assert (await authorizer.authorize(attributes._replace(verb="create"))).verdict == NO_OPINION


def test_an_authenticator_is_asked_when_the_options_want_it(examples: Examples) -> None:
    nicknames = examples.file("apiserver/auth/authenticators/nicknames.py")
    examples.line("apiserver/auth/build.py: TOKENS", nicknames=nicknames)
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": "i-am-ann"}}

    async def scenario(**options: Any) -> Any:
        async with cluster_world(nodes=1, options=options) as w:
            answer = await ask(w, "POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)
            return answer["status"].get("user", {}).get("username")

    assert run_virtual(scenario()) is None
    assert run_virtual(scenario(verbosity=3)) == "ann"


def cast_listers() -> Listers:
    """Nobody looks at them: the modes in question have no memory."""
    missing: Any = None
    return missing  # type: ignore[no-any-return]


def test_a_controller_works_with_the_others(examples: Examples) -> None:
    with_the_kind(examples)
    loop = examples.file("controllers/loops/gizmo.py")
    examples.line("controllers/loops/registry.py: LOOPS", gizmo=loop)

    async def scenario() -> None:
        async with cluster_world(nodes=1) as w:
            role, binding = yaml.safe_load_all(examples.text(RIGHTS))
            await w.resource(CLUSTER_ROLES).create(role)
            await w.resource(CLUSTER_ROLE_BINDINGS).create(binding)
            await asyncio.sleep(1)  # the authorizer sees them
            await w.resource(GIZMOS).create(gizmo("a"), "default")

            async def told() -> bool:
                events = await w.all(GroupVersionResource("", "v1", "events"), "default")
                return any(each["reason"] == "Ready" and each["message"] == "a is ready" for each in events)

            await w.eventually(told)
            assert (await w.resource(GIZMOS).get("a", "default"))["status"] == {"state": "Ready"}

    run_virtual(scenario())


def test_a_controller_of_a_kind_that_nobody_serves_holds_nobody_up(
    examples: Examples, caplog: pytest.LogCaptureFixture
) -> None:
    loop = examples.file("controllers/loops/gizmo.py")
    examples.line("controllers/loops/registry.py: LOOPS", gizmo=loop)

    async def scenario() -> None:
        async with cluster_world(nodes=1):
            await asyncio.sleep(60)

    run_virtual(scenario())
    told = [each for each in caplog.records if each.levelname == "WARNING" and each.message == "reflector failed"]
    assert [each.__dict__["resource"] for each in told] == ["gizmos"]


def configuration(examples: Examples) -> Any:
    return load(examples.text(CONFIGURATION))


def test_a_scheduler_plugin_is_enabled_by_a_configuration(examples: Examples, monkeypatch: Any) -> None:
    room = examples.file("controllers/scheduler/plugins/room.py")
    (added,) = examples.line("controllers/scheduler/plugins/table.py: ON_REQUEST", Room=room.Room)
    monkeypatch.setitem(table.PLUGINS, added.name, added)  # made of the tables when they are imported
    filters_scores_and_permits(examples)


def test_a_scheduler_plugin_comes_from_another_package(examples: Examples, tmp_path: Path, monkeypatch: Any) -> None:
    install(examples, tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    with installed_anew():
        filters_scores_and_permits(examples)


@contextmanager
def installed_anew() -> Iterator[None]:
    installed._installed.cache_clear()
    try:
        yield
    finally:
        installed._installed.cache_clear()
        for name in ("acme", "acme.room"):
            sys.modules.pop(name, None)


def install(examples: Examples, directory: Path, right: str = "", wrong: str = "") -> None:
    """What pip leaves of a wheel: a package and its metadata."""
    (directory / "acme").mkdir()
    (directory / "acme" / "__init__.py").touch()
    (directory / "acme" / "room.py").write_text(examples.text("controllers/scheduler/plugins/room.py"))
    metadata = directory / "acme-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    points = examples.text("pyproject.toml of the package acme")
    line = points.splitlines()[1].replace('"', "").replace(right, wrong)
    assert points.startswith(f'[project.entry-points."{installed.GROUP}"]')
    (metadata / "entry_points.txt").write_text(f"[{installed.GROUP}]\n{line}\n")


def filters_scores_and_permits(examples: Examples) -> None:
    async def scenario(nodes: int, args: Object, said: str) -> list[str]:
        """Where three pods go, and what those that go nowhere are told."""
        config = configuration(examples)
        config.profiles[0].args["Room"] = args
        async with cluster_world(nodes=nodes, scheduling=config) as w:
            for name in ("a", "b", "c"):
                pod = {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}
                await w.resource(PODS).create(pod, "default")
            await asyncio.sleep(30)
            found = await w.all(PODS, "default")
            waiting = [each for each in found if "nodeName" not in each["spec"]]
            assert all(said in each["status"]["conditions"][0]["message"] for each in waiting)
            return sorted(each["spec"]["nodeName"] for each in found if "nodeName" in each["spec"])

    full = "node(s) had 1 pods of the namespace"
    assert run_virtual(scenario(2, {"most": 1}, full)) == ["node-1", "node-2"]
    assert run_virtual(scenario(1, {"most": 9, "closed": "node"}, "node is closed")) == []


def test_arguments_of_a_plugin_are_checked_with_the_configuration(examples: Examples, monkeypatch: Any) -> None:
    room = examples.file("controllers/scheduler/plugins/room.py")
    monkeypatch.setitem(table.PLUGINS, "Room", room.Room)
    text = examples.text(CONFIGURATION)
    with pytest.raises(ConfigurationError, match=r"pluginConfig\[0\].args.most: Invalid value: 0: must be at least 1"):
        load(text.replace("most: 2", "most: 0"))


def test_an_installed_plugin_that_cannot_be_used_says_why(examples: Examples, tmp_path: Path, monkeypatch: Any) -> None:
    install(examples, tmp_path, "room:Room", "room:Rooom")
    monkeypatch.syspath_prepend(str(tmp_path))
    with (
        installed_anew(),
        pytest.raises(ConfigurationError, match=r'plugin "Room" \(acme.room:Rooom\) cannot be imported'),
    ):
        configuration(examples)


def contract_tests() -> list[str]:
    """All but those of backends that outlive their process: the wrapped one is in memory."""
    return [
        name for name, test in vars(contract).items() if name.startswith("test_") and not hasattr(test, "pytestmark")
    ]


@pytest.mark.parametrize("name", contract_tests())
async def test_a_wrapped_store_keeps_the_contract(examples: Examples, name: str) -> None:
    counted = examples.file("apiserver/storage/counted.py")

    async def open_it() -> Any:
        return counted.CountedStorage(MemoryStorage(SystemClock()))

    def counted_backend() -> Backend:
        return Backend("counted", open_it)

    made = examples.line("apiserver/storage/tests/backends.py: BACKENDS", counted_backend=counted_backend)
    backend = made["counted"](Path(), None)
    test = vars(contract)[name]
    async with opened(backend) as storage:
        given = {"storage": storage, "backend": backend, "prefix": f"/registry/{name}/"}
        await test(**{each: given[each] for each in inspect.signature(test).parameters})


def test_a_container_runtime_is_chosen_by_its_endpoint(examples: Examples) -> None:
    far = examples.file("kubelet/runtime/far.py")
    examples.line("kubelet/runtimes.py: RUNTIMES", far=far.far)

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        identity = NodeIdentity("n", addresses=("172.29.0.2",), fallback_cidr="10.128.0.0/24")
        runtime = runtime_for("far://7")(identity, LoopClock(loop), Random(1))
        await runtime.pull_image("nginx", {})
        assert loop.time() == 7
        await runtime.aclose()

    run_virtual(scenario())


def test_a_command_is_a_row(examples: Examples, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = examples.file("pocketkube/where.py")
    examples.line("pocketkube/cli.py: COMMANDS", where=where.where)
    assert main(["where", "--data-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path}\n"
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "print where everything is kept" in capsys.readouterr().out


def test_a_test_of_another_project_gets_a_cluster(examples: Examples, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(examples.text("test_operator.py"))
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)
