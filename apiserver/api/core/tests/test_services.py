"""Services through a whole server: what is allocated, what an update keeps and ends, what is told and refused."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.apimachinery.clock import run_virtual
from apiserver.server.tests.worlds import World, world

SERVICES = "/api/v1/namespaces/default/services"
MERGE = "application/merge-patch+json"


def service(**spec: Any) -> dict[str, Any]:
    spec.setdefault("ports", [{"port": 80}])
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": spec}


async def change(api: World, target: str, **spec: Any) -> tuple[int, Any]:
    return await api.ask("PATCH", f"{SERVICES}/s{target}", spec, Content_Type=MERGE)


def causes(answer: dict[str, Any]) -> list[str]:
    return [f"{cause['field']}: {cause['message']}" for cause in answer["details"]["causes"]]


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (
            {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 0}}},
            [
                "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 0: must be greater than 0 and less "
                "than 86400"
            ],
        ),
        (
            {"ipFamilyPolicy": ""},
            [
                'spec.ipFamilyPolicy: Unsupported value: "": supported values: "PreferDualStack", "RequireDualStack", '
                '"SingleStack"'
            ],
        ),
        (
            {"clusterIP": "1.2.3.4"},
            [
                'spec.clusterIPs: Invalid value: ["1.2.3.4"]: failed to allocate IP 1.2.3.4: the provided network does '
                "not match the current range"
            ],
        ),
    ],
)
def test_what_is_refused_is_told_in_upstreams_words(spec: dict[str, Any], told: list[str]) -> None:
    async def scenario() -> None:
        async with world() as api:
            code, answer = await api.ask("POST", SERVICES, service(**spec))
            assert (code, causes(answer)) == (422, told)

    run_virtual(scenario())


def test_ports_of_one_number_share_a_node_port_when_they_are_made_and_not_when_they_are_added() -> None:
    async def scenario() -> None:
        async with world() as api:
            both = [{"name": "a", "port": 80}, {"name": "b", "port": 80, "protocol": "UDP"}]
            _, made = await api.ask("POST", SERVICES, service(type="NodePort", ports=both))
            assert len({port["nodePort"] for port in made["spec"]["ports"]}) == 1
            more = [*made["spec"]["ports"], {"name": "c", "port": 80, "protocol": "SCTP"}]
            _, changed = await change(api, "", spec={"ports": more})
            assert len({port["nodePort"] for port in changed["spec"]["ports"]}) == 2

    run_virtual(scenario())


def test_a_changed_cluster_ip_is_refused_and_a_missing_one_stays() -> None:
    async def scenario() -> None:
        async with world() as api:
            _, made = await api.ask("POST", SERVICES, service())
            ip = made["spec"]["clusterIP"]
            code, kept = await change(api, "", spec={"clusterIP": None, "clusterIPs": None})
            assert (code, kept["spec"]["clusterIPs"]) == (200, [ip])
            code, answer = await change(api, "", spec={"clusterIP": "1.2.3.4"})
            assert causes(answer) == ['spec.clusterIPs[0]: Invalid value: ["1.2.3.4"]: may not change once set']
            code, answer = await change(api, "", spec={"type": "Other"})
            assert [cause["field"] for cause in answer["details"]["causes"]] == ["spec.type"]

    run_virtual(scenario())


def test_a_balancers_addresses_are_checked() -> None:
    async def scenario() -> None:
        async with world() as api:
            await api.ask("POST", SERVICES, service(type="LoadBalancer"))
            points = [{"ip": "x"}, {"hostname": "1.2.3.4"}, {"hostname": "a", "ipMode": "VIP"}, {"ip": "1.2.3.4"}]
            points[3]["ipMode"] = "Other"
            _, answer = await change(api, "/status", status={"loadBalancer": {"ingress": points}})
            path = "status.loadBalancer.ingress"
            assert causes(answer) == [
                f'{path}[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
                f'{path}[1].hostname: Invalid value: "1.2.3.4": must be a DNS name, not an IP address',
                f"{path}[2].ipMode: Forbidden: may not be specified when `ip` is not set",
                f'{path}[3].ipMode: Unsupported value: "Other": supported values: "Proxy", "VIP"',
            ]

    run_virtual(scenario())


TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


def test_a_selector_is_shown_in_the_order_of_its_texts() -> None:
    async def scenario() -> None:
        async with world() as api:
            await api.ask("POST", SERVICES, service(selector={"a": "b", "a.b/c": "b"}))
            _, table = await api.ask("GET", f"{SERVICES}/s", Accept=TABLE)
            assert table["rows"][0]["cells"][6] == "a.b/c=b,a=b"

    run_virtual(scenario())


def test_the_addresses_of_services_are_owned_by_the_server() -> None:
    async def scenario() -> None:
        async with world() as api:
            _, made = await api.ask("POST", SERVICES, service())
            target = f"/apis/networking.k8s.io/v1/ipaddresses/{made['spec']['clusterIP']}"
            _, address = await api.ask("GET", target)
            assert [owner["manager"] for owner in address["metadata"]["managedFields"]] == ["kube-apiserver"]
            _, table = await api.ask("GET", target, Accept=TABLE)
            shown = [column["name"] for column in table["columnDefinitions"]]
            assert (shown, len(table["rows"][0]["cells"])) == (["Name", "ParentRef"], 3)

    run_virtual(scenario())


def test_a_service_that_names_another_host_shows_no_policy_inside_the_cluster() -> None:
    async def scenario() -> None:
        async with world() as api:
            named = service(type="ExternalName", externalName="a.example", internalTrafficPolicy="Cluster")
            _, made = await api.ask("POST", SERVICES, named)
            assert "internalTrafficPolicy" not in made["spec"]

    run_virtual(scenario())
