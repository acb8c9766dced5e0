"""API versions turned on and off on the command line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from apiserver.endpoints.tests.doubles import resource
from apiserver.server.flags import UsageError
from apiserver.server.options import parse_options
from apiserver.server.runtime_config import enabled

THINGS = resource("example.com", "things", "Thing", "v1", "v1beta1")
OTHERS = resource("example.com", "others", "Other", "v1")
ALPHA = resource("alpha.com", "news", "New", "v1alpha1")
ALPHA = replace(ALPHA, versions=(replace(ALPHA.versions[0], served=False),))
PODS = resource("", "pods", "Pod")
ALL = [THINGS, OTHERS, ALPHA, PODS]


def served(config: str) -> list[str]:
    kept = enabled(ALL, parse_options([f"--runtime-config={config}"]).runtime_config)
    return [f"{r.plural}.{v.name}" for r in kept for v in r.versions if v.served]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("api/beta=false", ["things.v1", "others.v1", "pods.v1"]),
        ("api/alpha=true", ["things.v1", "things.v1beta1", "others.v1", "news.v1alpha1", "pods.v1"]),
        ("api/all=false,example.com/v1=true", ["things.v1", "others.v1"]),
        ("api/v1", ["things.v1", "things.v1beta1", "others.v1", "pods.v1"]),
        ("v1=false", ["things.v1", "things.v1beta1", "others.v1"]),
        ("api/all=false,api/ga=true", ["things.v1", "others.v1", "pods.v1"]),
        ("example.com/v1=false", ["things.v1beta1", "pods.v1"]),
        ("example.com/v1/others=false", ["things.v1", "things.v1beta1", "pods.v1"]),
        ("example.com/v1=false,example.com/v1/others", ["things.v1beta1", "others.v1", "pods.v1"]),
    ],
)
def test_what_is_served(config: str, expected: list[str]) -> None:
    assert served(config) == expected


@pytest.mark.parametrize(
    ("config", "refusal"),
    [
        ("api/all=false", "invalid runtime-config with only api/all=false"),
        ("api/beta=maybe", "invalid value api/beta=maybe"),
        ("foo/v1=true,bar/v2=true", "unknown api groups bar/v2,foo/v1"),
        ("example.com/v9=true", "group version example.com/v9 that has not been registered"),
        ("example.com/v1=x", 'invalid value of example.com/v1: x, err: strconv.ParseBool: parsing "x": invalid syntax'),
        (
            "example.com/v1/Things=true",
            "invalid key example.com/v1/Things: group/version/resource and resource is always lowercase plural, "
            'not "Things"',
        ),
    ],
)
def test_what_is_refused(config: str, refusal: str) -> None:
    with pytest.raises(UsageError) as error:
        served(config)
    assert str(error.value) == refusal
