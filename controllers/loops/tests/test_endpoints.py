"""A Service's Endpoints and EndpointSlices follow its pods; hand-made Endpoints are mirrored."""

from __future__ import annotations

import asyncio
from typing import Any

from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.objects import Object
from apiserver.client.resources import MERGE_PATCH
from controllers.framework.kinds import ENDPOINT_SLICES, ENDPOINTS, EVENTS, NODES, PODS, SERVICES
from controllers.loops.tests.builders import make_node, make_pod, make_service, pod_world, tell
from controllers.tests.worlds import LoopWorld

LOOPS = ("endpoints-controller", "endpointslice-controller")
MIRRORING = "endpointslice-mirroring-controller"


def _endpoints(slices: list[Object]) -> dict[str, Object]:
    """Endpoints by address."""
    return {e["addresses"][0]: e for s in slices for e in s.get("endpoints") or ()}


async def _slices(w: LoopWorld, service: str) -> list[Object]:
    found = await w.all(ENDPOINT_SLICES, labels=f"kubernetes.io/service-name={service}")
    return sorted(found, key=lambda s: (s["addressType"], s["metadata"]["name"]))


def test_ready_and_unready_pods_stand_in_endpoints_and_slices() -> None:
    async def main() -> None:
        async with pod_world(*LOOPS) as w:
            await make_node(w, "n1", topology_kubernetes_io__zone="z1")
            await w.resource(SERVICES).create(
                {
                    "metadata": {"name": "web", "labels": {"team": "a"}},
                    "spec": {"selector": {"app": "web"}, "ports": [{"name": "web", "port": 80, "targetPort": "http"}]},
                },
                "default",
            )
            await make_pod(w, "a", "10.1.0.1", app="web")
            await make_pod(w, "b", "10.1.0.2", app="web", ready=False)
            await make_pod(w, "c", "10.1.0.3", app="other")
            await w.settle()

            endpoints = await w.find(ENDPOINTS, "web")
            assert endpoints is not None
            labels = {"team": "a", "endpoints.kubernetes.io/managed-by": "endpoint-controller"}
            assert endpoints["metadata"]["labels"] == labels
            (subset,) = endpoints["subsets"]
            assert [a["ip"] for a in subset["addresses"]] == ["10.1.0.1"]
            assert [a["ip"] for a in subset["notReadyAddresses"]] == ["10.1.0.2"]
            assert subset["ports"] == [{"name": "web", "port": 8080, "protocol": "TCP"}]
            assert subset["addresses"][0]["nodeName"] == "n1"
            assert subset["addresses"][0]["targetRef"]["name"] == "a"

            (one,) = await _slices(w, "web")
            assert one["metadata"]["name"].startswith("web-")
            assert one["metadata"]["labels"] == {
                "team": "a",
                "kubernetes.io/service-name": "web",
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            }
            assert one["ports"] == [{"name": "web", "port": 8080, "protocol": "TCP"}]
            found = _endpoints([one])
            assert found["10.1.0.1"]["conditions"] == {"ready": True, "serving": True, "terminating": False}
            assert found["10.1.0.2"]["conditions"] == {"ready": False, "serving": False, "terminating": False}
            assert found["10.1.0.1"]["nodeName"] == "n1"
            assert found["10.1.0.1"]["zone"] == "z1"
            assert "10.1.0.3" not in found

    run_virtual(main())


def test_a_terminating_pod_serves_on_in_slices_and_leaves_endpoints() -> None:
    async def main() -> None:
        async with pod_world(*LOOPS) as w:
            await make_node(w, "n1")
            await make_service(w, "web")
            await make_pod(w, "a", "10.1.0.1", app="web")
            await w.settle()
            await w.resource(PODS).delete("a", "default", grace_period=30)
            await w.settle()
            found = _endpoints(await _slices(w, "web"))
            assert found["10.1.0.1"]["conditions"] == {"ready": False, "serving": True, "terminating": True}
            endpoints = await w.find(ENDPOINTS, "web")
            assert endpoints is not None and not endpoints.get("subsets")
            await w.finish_deletions()
            await w.settle()
            (placeholder,) = await _slices(w, "web")
            assert not placeholder["endpoints"] and not placeholder.get("ports")

    run_virtual(main())


def test_what_nothing_changed_is_not_written_again() -> None:
    async def main() -> None:
        async with pod_world(*LOOPS) as w:
            await make_node(w, "n1")
            await make_service(w, "web")
            a = await make_pod(w, "a", "10.1.0.1", app="web")
            await w.settle()

            async def state() -> list[Any]:
                endpoints = await w.find(ENDPOINTS, "web")
                return [endpoints, *await _slices(w, "web")]

            before = await state()
            await w.resource(PODS).patch("a", "default", {"metadata": {"annotations": {"x": "y"}}})
            await tell(w, a, ip="10.1.0.1")
            await w.settle()
            assert await state() == before

    run_virtual(main())


def test_150_pods_fill_one_slice_and_a_half_and_a_change_touches_one() -> None:
    async def main() -> None:
        async with pod_world("endpointslice-controller") as w:
            await make_node(w, "n1")
            for i in range(150):
                await make_pod(w, f"p{i}", f"10.1.1.{i}", app="web")
            await make_service(w, "web")
            await w.settle()
            before = {s["metadata"]["name"]: s for s in await _slices(w, "web")}
            assert sorted(len(s["endpoints"]) for s in before.values()) == [50, 100]
            await w.resource(PODS).delete("p7", "default", grace_period=0)
            await make_pod(w, "new", "10.1.2.1", app="web")
            await w.settle()
            after = {s["metadata"]["name"]: s for s in await _slices(w, "web")}
            assert after.keys() == before.keys()
            assert len(_endpoints(list(after.values()))) == 150
            assert "10.1.2.1" in _endpoints(list(after.values()))

    run_virtual(main())


def test_pods_with_different_numbers_for_a_named_port_are_in_different_slices() -> None:
    async def main() -> None:
        async with pod_world(*LOOPS) as w:
            await make_node(w, "n1")
            await make_service(w, "web")
            await make_pod(w, "a", "10.1.0.1", app="web")
            other = {
                "metadata": {"name": "b", "labels": {"app": "web"}},
                "spec": {
                    "nodeName": "n1",
                    "containers": [{"name": "c", "image": "i", "ports": [{"name": "http", "containerPort": 9090}]}],
                },
            }
            await tell(w, await w.resource(PODS).create(other, "default"), ip="10.1.0.2")
            await w.settle()
            ports = {s["ports"][0]["port"]: list(_endpoints([s])) for s in await _slices(w, "web")}
            assert ports == {8080: ["10.1.0.1"], 9090: ["10.1.0.2"]}
            endpoints = await w.find(ENDPOINTS, "web")
            assert endpoints is not None
            assert {s["ports"][0]["port"] for s in endpoints["subsets"]} == {8080, 9090}

    run_virtual(main())


def test_a_headless_dual_stack_service_without_ports_has_slices_of_both_families() -> None:
    async def main() -> None:
        async with pod_world("endpointslice-controller") as w:
            await make_node(w, "n1")
            headless = {
                "metadata": {"name": "db"},
                "spec": {"clusterIP": "None", "selector": {"app": "db"}, "ports": [], "publishNotReadyAddresses": True},
            }
            service = await w.resource(SERVICES).create(headless, "default")
            families = service["spec"].get("ipFamilies")
            await make_pod(w, "a", "10.1.0.1,fd00::1", app="db", ready=False)
            await w.settle()
            slices = await _slices(w, "db")
            assert [s["addressType"] for s in slices] == families
            assert all("service.kubernetes.io/headless" in s["metadata"]["labels"] for s in slices)
            assert _endpoints(slices)["10.1.0.1"]["conditions"]["ready"] is True

    run_virtual(main())


def test_a_pod_whose_node_is_unknown_waits_and_an_event_says_so() -> None:
    async def main() -> None:
        async with pod_world("endpointslice-controller") as w:
            await make_node(w, "n1")
            await make_service(w, "web")
            await make_pod(w, "a", "10.1.0.1", app="web")
            await w.resource(NODES).delete("n1")
            await make_pod(w, "b", "10.1.0.2", app="web")
            await w.settle()
            assert _endpoints(await _slices(w, "web")) == {}
            events = [e for e in await w.all(EVENTS) if e["reason"] == "FailedToUpdateEndpointSlices"]
            assert any("skipping Pod b for Service default/web: Node n1 Not Found" in e["message"] for e in events)
            await make_node(w, "n1")
            await w.settle(30)
            assert set(_endpoints(await _slices(w, "web"))) == {"10.1.0.1", "10.1.0.2"}

    run_virtual(main())


def test_traffic_distribution_gives_hints_and_takes_them_back() -> None:
    async def main() -> None:
        async with pod_world("endpointslice-controller") as w:
            await make_node(w, "n1", topology_kubernetes_io__zone="z1")
            await make_service(w, "web", trafficDistribution="PreferSameNode")
            await make_pod(w, "a", "10.1.0.1", app="web")
            await make_pod(w, "b", "10.1.0.2", app="web", ready=False)
            await w.settle()
            found = _endpoints(await _slices(w, "web"))
            assert found["10.1.0.1"]["hints"] == {"forZones": [{"name": "z1"}], "forNodes": [{"name": "n1"}]}
            assert "hints" not in found["10.1.0.2"]
            patch = {"spec": {"trafficDistribution": "PreferSameZone"}}
            await w.resource(SERVICES).patch("web", "default", patch, type=MERGE_PATCH)
            await w.settle()
            assert _endpoints(await _slices(w, "web"))["10.1.0.1"]["hints"] == {"forZones": [{"name": "z1"}]}
            nothing = {"spec": {"trafficDistribution": None}}
            await w.resource(SERVICES).patch("web", "default", nothing, type=MERGE_PATCH)
            await w.settle()
            assert "hints" not in _endpoints(await _slices(w, "web"))["10.1.0.1"]

    run_virtual(main())


def test_what_somebody_deleted_comes_back_and_goes_with_its_service() -> None:
    async def main() -> None:
        async with pod_world(*LOOPS, "garbage-collector-controller") as w:
            await make_node(w, "n1")
            await make_service(w, "web")
            await make_pod(w, "a", "10.1.0.1", app="web")
            await w.settle()
            (one,) = await _slices(w, "web")
            await w.resource(ENDPOINT_SLICES).delete(one["metadata"]["name"], "default")
            await w.resource(ENDPOINTS).delete("web", "default")
            await w.settle()
            assert list(_endpoints(await _slices(w, "web"))) == ["10.1.0.1"]
            assert await w.find(ENDPOINTS, "web") is not None
            await w.resource(SERVICES).delete("web", "default")

            async def gone() -> bool:
                return not await _slices(w, "web") and await w.find(ENDPOINTS, "web") is None

            await w.eventually(gone)

    run_virtual(main())


def test_a_pod_relabelled_moves_between_services() -> None:
    async def main() -> None:
        async with pod_world(*LOOPS) as w:
            await make_node(w, "n1")
            await make_service(w, "one")
            await make_service(w, "two")
            await make_pod(w, "a", "10.1.0.1", app="one")
            await w.settle()
            await w.resource(PODS).patch("a", "default", {"metadata": {"labels": {"app": "two"}}})
            await w.settle()
            assert _endpoints(await _slices(w, "one")) == {}
            assert list(_endpoints(await _slices(w, "two"))) == ["10.1.0.1"]

    run_virtual(main())


def test_more_than_a_thousand_addresses_are_cut_off_and_said_so() -> None:
    async def main() -> None:
        async with pod_world("endpoints-controller") as w:
            await asyncio.gather(
                *(make_pod(w, f"p{i}", f"10.1.{i // 250}.{i % 250}", app="web", ready=i != 0) for i in range(1005))
            )
            await make_service(w, "web")
            await w.settle()
            endpoints = await w.find(ENDPOINTS, "web")
            assert endpoints is not None
            assert endpoints["metadata"]["annotations"]["endpoints.kubernetes.io/over-capacity"] == "truncated"
            (subset,) = endpoints["subsets"]
            assert len(subset["addresses"]) == 1000 and "notReadyAddresses" not in subset

    run_virtual(main())


def test_endpoints_that_somebody_makes_without_a_service_are_his() -> None:
    async def main() -> None:
        async with pod_world(*LOOPS) as w:
            await w.settle()  # what is there at the start without a Service is a leftover
            made = await w.resource(ENDPOINTS).create({"metadata": {"name": "mine"}}, "default")
            await w.settle(60)
            made["metadata"]["labels"] = {"a": "b"}
            await w.resource(ENDPOINTS).update(made)

    run_virtual(main())


def test_handmade_endpoints_are_mirrored_and_followed() -> None:
    async def main() -> None:
        async with pod_world(*LOOPS, MIRRORING) as w:
            await make_service(w, "db", selector=None)
            endpoints: dict[str, Any] = {
                "metadata": {"name": "db", "labels": {"l": "1"}, "annotations": {"a": "1"}},
                "subsets": [
                    {
                        "addresses": [{"ip": "192.0.2.1"}, {"ip": "2001:db8::1"}],
                        "notReadyAddresses": [{"ip": "192.0.2.2"}],
                        "ports": [{"name": "web", "port": 5432}],
                    }
                ],
            }
            made = await w.resource(ENDPOINTS).create(endpoints, "default")
            await w.settle()
            v4, v6 = await _slices(w, "db")
            assert {a: e["conditions"]["ready"] for a, e in _endpoints([v4]).items()} == {
                "192.0.2.1": True,
                "192.0.2.2": False,
            }
            assert list(_endpoints([v6])) == ["2001:db8::1"]
            assert v4["metadata"]["labels"]["l"] == "1"
            assert v4["metadata"]["annotations"] == {"a": "1"}
            assert v4["metadata"]["ownerReferences"][0]["uid"] == made["metadata"]["uid"]
            made["subsets"] = [{"addresses": [{"ip": "192.0.2.9"}], "ports": [{"name": "web", "port": 5432}]}]
            await w.resource(ENDPOINTS).update(made)
            await w.settle()
            slices = await _slices(w, "db")
            assert list(_endpoints(slices)) == ["192.0.2.9"]
            assert [s["metadata"]["name"] for s in slices] == [v4["metadata"]["name"]]
            await w.resource(ENDPOINTS).patch(
                "db", "default", {"metadata": {"labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}}}
            )
            await w.settle()
            assert await _slices(w, "db") == []

    run_virtual(main())
