"""IP families of Services: what is filled in and what is refused, on clusters with one family and with two."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.api.core.service_families import choose_families

ONE, TWO = ("IPv4",), ("IPv4", "IPv6")


def service(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "s"}, "spec": {"type": "ClusterIP", "selector": {"a": "b"}, **spec}}


def headless(**spec: Any) -> dict[str, Any]:
    return service(clusterIP="None", clusterIPs=["None"], **{"selector": {}, **spec})


@pytest.mark.parametrize(
    ("obj", "offered", "policy", "families"),
    [
        (service(), ONE, "SingleStack", ["IPv4"]),
        (service(), TWO, "SingleStack", ["IPv4"]),
        (service(ipFamilies=["IPv6"]), TWO, "SingleStack", ["IPv6"]),
        (service(ipFamilyPolicy="PreferDualStack"), ONE, "PreferDualStack", ["IPv4"]),
        (service(ipFamilyPolicy="PreferDualStack", ipFamilies=["IPv6"]), TWO, "PreferDualStack", ["IPv6", "IPv4"]),
        (service(ipFamilyPolicy="RequireDualStack"), TWO, "RequireDualStack", ["IPv4", "IPv6"]),
        (headless(), ONE, "RequireDualStack", ["IPv4", "IPv6"]),
        (headless(selector={"a": "b"}), ONE, "SingleStack", ["IPv4"]),
        (service(clusterIP="fd00::5", clusterIPs=["fd00::5"]), TWO, "SingleStack", ["IPv6"]),
    ],
)
def test_families_are_filled_in(
    obj: dict[str, Any], offered: tuple[str, ...], policy: str, families: list[str]
) -> None:
    assert choose_families(obj, None, offered) == []
    assert (obj["spec"]["ipFamilyPolicy"], obj["spec"]["ipFamilies"]) == (policy, families)


@pytest.mark.parametrize(
    ("obj", "told"),
    [
        (service(ipFamilies=["IPv6"]), ['spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster']),
        (
            service(ipFamilyPolicy="RequireDualStack", ipFamilies=["IPv6", "IPv4"]),
            [
                'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services',
                'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster',
            ],
        ),
        (
            service(clusterIP="10.96.0.5", clusterIPs=["10.96.0.5", "fd00::5"], ipFamilies=["IPv4", "IPv6"]),
            [
                "spec.ipFamilyPolicy: Invalid value: \"SingleStack\": must be 'RequireDualStack' or 'PreferDualStack' when "
                "multiple cluster IPs are specified",
                "spec.ipFamilyPolicy: Invalid value: \"SingleStack\": must be 'RequireDualStack' or 'PreferDualStack' when "
                "multiple IP families are specified",
            ],
        ),
        (
            service(clusterIPs=[""]),
            ['spec.clusterIPs: Invalid value: [""]: must be empty when `clusterIP` is not specified'],
        ),
    ],
)
def test_all_that_is_wrong_is_told(obj: dict[str, Any], told: list[str]) -> None:
    found = [f"{error.field}: {error.text}" for error in choose_families(obj, None, ONE)]
    assert found[: len(told)] == told


def test_a_second_family_goes_only_with_single_stack() -> None:
    both = {"clusterIP": "10.96.0.5", "clusterIPs": ["10.96.0.5", "fd00::5"], "ipFamilies": ["IPv4", "IPv6"]}
    old = service(ipFamilyPolicy="RequireDualStack", **both)
    single = service(ipFamilyPolicy="SingleStack", **both)
    assert choose_families(single, old, TWO) == []
    assert (single["spec"]["clusterIPs"], single["spec"]["ipFamilies"]) == (["10.96.0.5"], ["IPv4"])
    less = service(ipFamilyPolicy="RequireDualStack", **{**both, "ipFamilies": ["IPv4"]})
    assert [f"{error.field}: {error.text}" for error in choose_families(less, old, TWO)] == [
        "spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": must be 'SingleStack' to release the secondary IP family"
    ]


def test_a_preference_survives_a_change_of_the_cluster() -> None:
    old = service(
        ipFamilyPolicy="PreferDualStack", ipFamilies=["IPv4"], clusterIP="10.96.0.5", clusterIPs=["10.96.0.5"]
    )
    new = service(**old["spec"])
    assert choose_families(new, old, TWO) == []
    assert new["spec"]["ipFamilies"] == ["IPv4"]
