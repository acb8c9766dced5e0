"""Devices through a whole server: asked for, offered, given out, reported on."""

from __future__ import annotations

import asyncio
from typing import Any

from apiserver.apimachinery.clock import run_virtual
from apiserver.server.tests.worlds import World, world

GROUP = "/apis/resource.k8s.io/v1"
CLAIMS = f"{GROUP}/namespaces/default/resourceclaims"
SLICES, RULES, CLASSES = (f"{GROUP}/{plural}" for plural in ("resourceslices", "devicetaintrules", "deviceclasses"))
MERGE = "application/merge-patch+json"
ONE = {"name": "one", "exactly": {"deviceClassName": "gpu"}}
RESULT = {"request": "one", "driver": "gpu.example.com", "pool": "n1", "device": "gpu-0"}


def made(kind: str, spec: dict[str, Any], name: str = "x") -> dict[str, Any]:
    return {"apiVersion": "resource.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def claim(*requests: dict[str, Any], **devices: Any) -> dict[str, Any]:
    return made("ResourceClaim", {"devices": {"requests": list(requests), **devices}})


def offer(*devices: dict[str, Any], **spec: Any) -> dict[str, Any]:
    pool = {"name": "n1", "resourceSliceCount": 1}
    return made(
        "ResourceSlice", {"driver": "gpu.example.com", "nodeName": "n1", "pool": pool, "devices": devices, **spec}
    )


def causes(answer: dict[str, Any]) -> dict[str, str]:
    return {cause["field"]: cause["message"] for cause in answer["details"]["causes"]}


async def report(api: World, status: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    return await api.ask("PATCH", f"{CLAIMS}/x/status", {"status": status}, Content_Type=MERGE)


def test_a_request_without_numbers_is_for_exactly_one_device() -> None:
    async def scenario() -> None:
        async with world() as api:
            code, answer = await api.ask("POST", CLAIMS, claim(ONE))
            assert code == 201, answer
            exactly = answer["spec"]["devices"]["requests"][0]["exactly"]
            assert (exactly["allocationMode"], exactly["count"]) == ("ExactCount", 1)
            assert answer["status"] == {}

    run_virtual(scenario())


def test_everything_that_is_wrong_with_a_claim_is_told() -> None:
    async def scenario() -> None:
        async with world() as api:
            wrong = claim({"name": "A"}, ONE, ONE, constraints=[{"requests": ["two"], "matchAttribute": "model"}])
            code, answer = await api.ask("POST", CLAIMS, wrong)
            assert code == 422
            found = causes(answer)
            assert found["spec.devices.requests[0]"] == (
                "Required value: exactly one of `exactly` or `firstAvailable` is required"
            )
            assert found["spec.devices.requests[2]"].startswith("Duplicate value: ")
            assert "must be the name of a request in the claim" in found["spec.devices.constraints[0].requests[0]"]
            assert "a fully qualified name must be" in found["spec.devices.constraints[0].matchAttribute"]

    run_virtual(scenario())


def test_what_was_wished_once_stays() -> None:
    async def scenario() -> None:
        async with world() as api:
            await api.ask("POST", CLAIMS, claim(ONE))
            change = {"spec": {"devices": {"requests": [{**ONE, "name": "two"}]}}}
            code, answer = await api.ask("PATCH", f"{CLAIMS}/x", change, Content_Type=MERGE)
            assert code == 422
            assert causes(answer) == {"spec": "Invalid value: null: field is immutable"}

    run_virtual(scenario())


def test_admin_access_is_for_namespaces_with_the_label() -> None:
    async def scenario() -> None:
        async with world() as api:
            asking = claim({"name": "one", "exactly": {"deviceClassName": "gpu", "adminAccess": True}})
            code, answer = await api.ask("POST", CLAIMS, asking)
            assert code == 422
            assert "`resource.kubernetes.io/admin-access: true` label" in answer["message"]
            label = {"metadata": {"labels": {"resource.kubernetes.io/admin-access": "true"}}}
            await api.ask("PATCH", "/api/v1/namespaces/default", label, Content_Type=MERGE)
            code, answer = await api.ask("POST", CLAIMS, asking)
            assert code == 201, answer

    run_virtual(scenario())


def test_what_was_given_stays_until_it_is_given_back_and_reports_go_with_it() -> None:
    async def scenario() -> None:
        async with world() as api:
            await api.ask("POST", CLAIMS, claim(ONE))
            user = {"resource": "pods", "name": "p", "uid": "u"}
            code, answer = await report(api, {"reservedFor": [user]})
            assert (code, causes(answer)["status.reservedFor"]) == (
                422,
                "Forbidden: may not be specified when `allocated` is not set",
            )
            device = {key: RESULT[key] for key in ("driver", "pool", "device")}
            given = {"allocation": {"devices": {"results": [RESULT]}}, "reservedFor": [user], "devices": [device]}
            code, answer = await report(api, given)
            assert code == 200, answer
            other = {"allocation": {"devices": {"results": [{**RESULT, "device": "gpu-1"}]}}}
            code, answer = await report(api, other)
            assert causes(answer)["status.allocation"] == "Invalid value: null: field cannot be modified once set"
            code, answer = await report(api, {"allocation": None, "reservedFor": None})
            assert (code, answer["status"]) == (200, {})

    run_virtual(scenario())


def test_only_who_may_bind_gives_devices_out() -> None:
    async def scenario() -> None:
        async with world() as api:
            rules = [{"apiGroups": ["resource.k8s.io"], "resources": ["resourceclaims/status"], "verbs": ["*"]}]
            role = {"metadata": {"name": "reporter"}, "rules": rules}
            bound = {"metadata": {"name": "reporter"}, "subjects": [{"kind": "User", "name": "jane"}]}
            bound["roleRef"] = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "reporter"}
            await api.ask("POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles", role)
            await api.ask("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", bound)
            await api.ask("POST", CLAIMS, claim(ONE))
            await asyncio.sleep(1)  # until the authorizer knows of the role
            given = {"status": {"allocation": {"devices": {"results": [RESULT]}}}}
            code, answer = await api.ask(
                "PATCH", f"{CLAIMS}/x/status", given, Content_Type=MERGE, Impersonate_User="jane"
            )
            assert code == 422, answer
            assert 'requires resource="resourceclaims/binding", verb="patch" permission' in answer["message"]

    run_virtual(scenario())


def test_offers_are_selected_by_node_and_driver_and_nothing_unknown() -> None:
    async def scenario() -> None:
        async with world() as api:
            await api.ask("POST", SLICES, offer({"name": "gpu-0"}))
            _, found = await api.ask("GET", f"{SLICES}?fieldSelector=spec.nodeName=n1,spec.driver=gpu.example.com")
            assert [item["metadata"]["name"] for item in found["items"]] == ["x"]
            _, found = await api.ask("GET", f"{SLICES}?fieldSelector=spec.nodeName=n2")
            assert found["items"] == []
            code, answer = await api.ask("GET", f"{SLICES}?fieldSelector=spec.pool.foo=x")
            assert (code, answer["message"]) == (
                400,
                "field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: spec.pool.foo",
            )

    run_virtual(scenario())


def test_an_offer_says_once_where_its_devices_are_and_keeps_to_its_pool() -> None:
    async def scenario() -> None:
        async with world() as api:
            code, answer = await api.ask("POST", SLICES, offer(allNodes=True))
            assert code == 422
            assert causes(answer)["spec"].startswith('Invalid value: "{`nodeName`, `allNodes`}"')
            code, answer = await api.ask("POST", SLICES, offer({"name": "a", "attributes": {"model": {}}}))
            assert "must specify one of: `int`, `bool`" in causes(answer)["spec.devices[0].attributes[model]"]
            await api.ask("POST", SLICES, offer())
            change = {"spec": {"pool": {"name": "n2"}}}
            code, answer = await api.ask("PATCH", f"{SLICES}/x", change, Content_Type=MERGE)
            assert causes(answer) == {"spec.pool.name": 'Invalid value: "n2": field is immutable'}

    run_virtual(scenario())


def test_steps_of_capacity_lead_from_the_least_to_what_is_taken() -> None:
    async def scenario() -> None:
        async with world() as api:
            policy = {"default": "3", "validRange": {"min": "1", "max": "7", "step": "3"}}
            capacity = {"memory": {"value": "10", "requestPolicy": policy}}
            device = {"name": "a", "allowMultipleAllocations": True, "capacity": capacity}
            code, answer = await api.ask("POST", SLICES, offer(device))
            assert code == 422
            path = "spec.devices[0].capacity[memory].requestPolicy.validRange.step"
            assert causes(answer) == {path: 'Invalid value: "3": value is not a multiple of a given step (3) from (1)'}
            policy["default"] = "4"
            code, answer = await api.ask("POST", SLICES, offer(device))
            assert code == 201, answer

    run_virtual(scenario())


def test_the_time_of_a_taint_is_when_its_effect_came() -> None:
    async def scenario() -> None:
        async with world() as api:
            _, rule = await api.ask("POST", RULES, made("DeviceTaintRule", {"taint": {"key": "k", "effect": "None"}}))
            since = rule["spec"]["taint"]["timeAdded"]
            await asyncio.sleep(60)
            change: dict[str, Any] = {"spec": {"taint": {"value": "v"}}}
            _, rule = await api.ask("PATCH", f"{RULES}/x", change, Content_Type=MERGE)
            assert (rule["spec"]["taint"]["timeAdded"], rule["metadata"]["generation"]) == (since, 2)
            change = {"spec": {"taint": {"effect": "NoExecute"}}}
            _, rule = await api.ask("PATCH", f"{RULES}/x", change, Content_Type=MERGE)
            assert rule["spec"]["taint"]["timeAdded"] > since
            assert rule["metadata"]["generation"] == 3

    run_virtual(scenario())


def test_a_rule_of_v1_is_written_with_the_version_it_was_read_in() -> None:
    async def scenario() -> None:
        async with world() as api:
            rule = made("DeviceTaintRule", {"taint": {"key": "k", "effect": "None"}})
            await api.ask("POST", RULES, rule)
            code, answer = await api.ask("PUT", f"{RULES}/x", rule)
            assert code == 422
            assert "must be specified for an update" in answer["message"]

    run_virtual(scenario())


def test_a_class_is_checked_anew_where_it_changed() -> None:
    async def scenario() -> None:
        async with world() as api:
            code, answer = await api.ask("POST", CLASSES, made("DeviceClass", {"extendedResourceName": "gpu"}))
            assert code == 422
            assert "a name must be a domain-prefixed path" in causes(answer)["spec.extendedResourceName"]
            code, answer = await api.ask("POST", CLASSES, made("DeviceClass", {"config": [{}]}))
            assert causes(answer) == {"spec.config[0].opaque": "Required value"}

    run_virtual(scenario())


def test_alternatives_are_judged_also_where_they_may_not_be_and_declared_faults_come_last() -> None:
    async def scenario() -> None:
        async with world() as api:
            both = {**ONE, "firstAvailable": [{"name": "a", "tolerations": [{"effect": "x"}]}]}
            _, answer = await api.ask("POST", CLAIMS, claim(both, constraints=[{"matchAttribute": "model"}, {}]))
            assert list(causes(answer)) == [
                "spec.devices.requests[0]",
                "spec.devices.constraints[1]",
                "spec.devices.requests[0].firstAvailable[0].deviceClassName",
                "spec.devices.requests[0].firstAvailable[0].tolerations[0].effect",
                "spec.devices.constraints[0].matchAttribute",
            ]

    run_virtual(scenario())


def test_what_is_there_twice_is_shown_as_go_writes_it() -> None:
    async def scenario() -> None:
        async with world() as api:
            again = {"exactly": {"count": 1, "deviceClassName": "gpu"}, "name": "one"}
            _, answer = await api.ask("POST", CLAIMS, claim(ONE, again))
            exactly = '{"deviceClassName":"gpu","allocationMode":"ExactCount","count":1}'
            shown = f'Duplicate value: {{"name":"one","exactly":{exactly}}}'
            assert causes(answer) == {"spec.devices.requests[1]": shown}

    run_virtual(scenario())


def test_an_empty_list_of_devices_goes_with_no_counters() -> None:
    async def scenario() -> None:
        async with world() as api:
            code, answer = await api.ask("POST", SLICES, offer(sharedCounters=[]))
            assert (code, causes(answer)["spec"]) == (
                422,
                'Invalid value: "": only one of `sharedCounters` or `devices` is allowed',
            )
            code, answer = await api.ask("POST", SLICES, offer())
            assert (code, "devices" in answer["spec"]) == (201, False)

    run_virtual(scenario())


def test_the_status_of_a_claim_has_no_table() -> None:
    async def scenario() -> None:
        async with world() as api:
            await api.ask("POST", CLAIMS, claim(ONE))
            table = "application/json;as=Table;v=v1;g=meta.k8s.io"
            for path, expected in ((f"{CLAIMS}/x", 200), (f"{CLAIMS}/x/status", 406)):
                code, _ = await api.ask("GET", path, Accept=table)
                assert code == expected

    run_virtual(scenario())
