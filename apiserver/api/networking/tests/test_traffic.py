"""Ingresses, their classes and NetworkPolicies through a whole server."""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.clock import run_virtual
from apiserver.server.tests.worlds import world

GROUP = "/apis/networking.k8s.io/v1"
POLICIES = f"{GROUP}/namespaces/default/networkpolicies"
INGRESSES = f"{GROUP}/namespaces/default/ingresses"


def kind(name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "networking.k8s.io/v1", "kind": name, "metadata": {"name": "web"}, "spec": spec}


def test_a_policy_with_egress_rules_is_about_both_directions() -> None:
    async def scenario() -> None:
        async with world() as api:
            rules = [{"ports": [{"port": 53}], "to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]
            code, made = await api.ask("POST", POLICIES, kind("NetworkPolicy", egress=rules))
            assert code == 201, made
            assert made["spec"]["policyTypes"] == ["Ingress", "Egress"]
            assert made["spec"]["egress"][0]["ports"] == [{"protocol": "TCP", "port": 53}]

    run_virtual(scenario())


def test_exceptions_are_inside_their_block() -> None:
    async def scenario() -> None:
        async with world() as api:
            block = {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/8", "192.168.0.0/16", "10.1.0.0/16"]}
            body = kind("NetworkPolicy", ingress=[{"from": [{"ipBlock": block}]}])
            code, answer = await api.ask("POST", POLICIES, body)
            assert code == 422
            fields = [cause["field"] for cause in answer["details"]["causes"]]
            assert fields == [f"spec.ingress[0].from[0].ipBlock.except[{i}]" for i in (0, 1)]

    run_virtual(scenario())


def test_an_ingress_needs_somewhere_to_go() -> None:
    async def scenario() -> None:
        async with world() as api:
            _, answer = await api.ask("POST", INGRESSES, kind("Ingress"))
            assert "either `defaultBackend` or `rules` must be specified" in answer["message"]
            backend = {"service": {"name": "web", "port": {"number": 80}}}
            code, made = await api.ask("POST", INGRESSES, kind("Ingress", defaultBackend=backend))
            assert (code, made["status"]) == (201, {"loadBalancer": {}})

    run_virtual(scenario())


def test_a_class_of_ingresses_keeps_its_controller() -> None:
    async def scenario() -> None:
        async with world() as api:
            code, made = await api.ask("POST", f"{GROUP}/ingressclasses", kind("IngressClass", controller="a.io/b"))
            assert code == 201, made
            made["spec"]["controller"] = "a.io/c"
            code, answer = await api.ask("PUT", f"{GROUP}/ingressclasses/web", made)
            assert (code, answer["details"]["causes"][0]["field"]) == (422, "spec.controller")

    run_virtual(scenario())


def test_what_an_address_belongs_to_is_for_good_and_what_is_missing_is_told_last() -> None:
    async def scenario() -> None:
        async with world() as api:
            path = f"{GROUP}/ipaddresses"
            address = kind("IPAddress", parentRef={"namespace": "a/b"})
            address["metadata"]["name"] = "192.0.2.1"
            _, answer = await api.ask("POST", path, address)
            found = [cause["field"].rsplit(".", 1)[1] for cause in answer["details"]["causes"]]
            assert found == ["namespace", "resource", "name"]
            address["spec"] = {"parentRef": {"resource": "services", "namespace": "a", "name": "b"}}
            code, _ = await api.ask("POST", path, address)
            assert code == 201
            address["spec"]["parentRef"]["name"] = ""
            _, answer = await api.ask("PUT", f"{path}/192.0.2.1", address)
            found = [c["message"] for c in answer["details"]["causes"]]
            assert found == ["Required value", "Invalid value: null: field is immutable"]

    run_virtual(scenario())


def test_blocks_of_addresses_are_two_at_most() -> None:
    async def scenario() -> None:
        async with world() as api:
            blocks = ["10.1.0.0/24", "10.2.0.0/24", "10.3.0.0/24"]
            _, answer = await api.ask("POST", f"{GROUP}/servicecidrs", kind("ServiceCIDR", cidrs=blocks))
            shown = '{"CIDRs":["10.1.0.0/24","10.2.0.0/24","10.3.0.0/24"]}'
            expected = f"Invalid value: {shown}: may only hold up to 2 values"
            assert [c["message"] for c in answer["details"]["causes"]] == [expected]

    run_virtual(scenario())


def test_the_status_of_a_block_of_addresses_is_nothing_but_status() -> None:
    async def scenario() -> None:
        async with world() as api:
            path = f"{GROUP}/servicecidrs"
            await api.ask("POST", path, kind("ServiceCIDR", cidrs=["10.1.0.0/24"]))
            change = {"metadata": {"labels": {"a": "b"}}, "status": {"conditions": [{"type": "Ready"}]}}
            merge = "application/merge-patch+json"
            code, answer = await api.ask("PATCH", f"{path}/web/status", change, Content_Type=merge)
            assert code == 200, answer
            assert "labels" not in answer["metadata"]
            assert answer["status"]["conditions"][0]["type"] == "Ready"

    run_virtual(scenario())
