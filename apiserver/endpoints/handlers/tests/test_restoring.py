"""What upstream's converter says of objects that do not fit; each expectation was seen on the real server."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.endpoints.handlers.restoring import restore_error, with_go_numbers
from apiserver.endpoints.handlers.tests.world import World, virtual

POD = "io.k8s.api.core.v1.Pod"


def container(**fields: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "a", **fields}]}}


@pytest.mark.parametrize(
    ("pod", "error"),
    [
        ({}, ""),
        ({"metadata": {"labels": None}, "spec": None}, ""),
        ({"metadata": {"name": 5}}, "cannot convert int64 to string"),
        ({"metadata": {"labels": "x"}}, "cannot restore map from string"),
        ({"metadata": {"labels": {"a": 1}}}, "cannot convert int64 to string"),
        (
            {"metadata": {"creationTimestamp": "x"}},
            'parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"',
        ),
        ({"spec": []}, "cannot restore struct from: slice"),
        ({"spec": {"containers": {}}}, "cannot restore slice from map"),
        ({"spec": {"hostNetwork": 1}}, "unrecognized type: bool"),
        ({"spec": {"terminationGracePeriodSeconds": "5"}}, "unrecognized type: int64"),
        ({"spec": {"terminationGracePeriodSeconds": 5.0}}, ""),
        ({"spec": {"terminationGracePeriodSeconds": 1.5}}, "cannot convert float64 to int64"),
        (container(ports=[{"containerPort": "x"}]), "unrecognized type: int32"),
        (
            container(resources={"limits": {"cpu": "x"}}),
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
        (
            container(livenessProbe={"httpGet": {"port": True}}),
            "json: cannot unmarshal bool into Go value of type int32",
        ),
    ],
)
def test_the_first_thing_that_does_not_fit_is_told(pod: dict[str, Any], error: str) -> None:
    assert restore_error(pod, POD) == error


def test_bytes_are_text_in_base64() -> None:
    assert restore_error({"data": {"a": "eA=="}}, "io.k8s.api.core.v1.Secret") == ""
    found = restore_error({"data": {"a": "!"}}, "io.k8s.api.core.v1.Secret")
    assert found == "error decoding from json: illegal base64 data at input byte 0"


@virtual()
async def test_a_strategic_patch_of_a_wrong_type_is_refused_in_the_converters_words(world: World) -> None:
    await world.create()
    answer = await world.patch({"data": {"c": 4}}, "strategic")
    assert (answer.status, answer.message) == (
        422,
        ' "" is invalid: patch: Invalid value: "map[data:map[c:4]]": cannot convert int64 to string',
    )


@virtual()
async def test_an_apply_that_cannot_be_restored_is_refused_in_the_converters_words(world: World) -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "creationTimestamp": "x"}}
    answer = await world.patch(config, "apply", query="fieldManager=me")
    assert (answer.status, answer.message) == (
        500,
        "failed to convert new object (/a; /v1, Kind=ConfigMap) to proper version: unable to convert unstructured object to "
        '/v1, Kind=ConfigMap: parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"',
    )


@pytest.mark.parametrize(
    ("written", "converted"),
    [(5.0, 5), (9223372036854775808, -(2**63)), (-1, -1)],
)
def test_numbers_are_converted_as_go_converts_them(written: float, converted: int) -> None:
    pod = {"spec": {"terminationGracePeriodSeconds": written}, "metadata": {"labels": {"a": "b"}}}
    expected = {"spec": {"terminationGracePeriodSeconds": converted}, "metadata": {"labels": {"a": "b"}}}
    assert with_go_numbers(pod, POD) == expected


def test_an_int32_keeps_the_low_bits() -> None:
    pod = container(ports=[{"containerPort": 2147483648}, {"containerPort": 9223372036854775808}])
    ports = with_go_numbers(pod, POD)["spec"]["containers"][0]["ports"]
    assert ports == [{"containerPort": -2147483648}, {"containerPort": 0}]
