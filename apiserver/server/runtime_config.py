"""`--runtime-config`: API versions and resources turned on or off by name (upstream server/resourceconfig).

The whole stages (`api/all`, `api/ga`, `api/beta`, `api/alpha`) come first, then `group/version`, then
`group/version/resource`; a resource that is served in no version is not installed at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from apiserver.registry.resource import Resource
from apiserver.server import flags
from apiserver.server.flags import UsageError

_STAGES = {
    "api/all": re.compile(r".*"),
    "api/ga": re.compile(r"v\d+"),
    "api/beta": re.compile(r"v\d+beta\d+"),
    "api/alpha": re.compile(r"v\d+alpha\d+"),
}
_CORE = re.compile(r"(api/)?v1(/|$)")

Config = Sequence[tuple[str, str]]


def enabled(resources: Iterable[Resource], config: Config) -> list[Resource]:
    """The resources with the versions that the config leaves on; raises UsageError."""
    everything = list(resources)
    if not config:
        return everything
    given = _with_core_spelled_out(config)
    check(everything, given)
    kept = []
    for resource in everything:
        versions = tuple(replace(v, served=_is_on(resource, v.name, v.served, given)) for v in resource.versions)
        if any(v.served for v in versions):
            kept.append(replace(resource, versions=versions))
    return kept


def _with_core_spelled_out(config: Config) -> dict[str, str]:
    """As controlplane/apiserver/options.Complete: `v1` and `api/v1` mean the core group, with all of its resources."""
    return {"/v1" if _CORE.match(key) else key: value for key, value in config if key != "api/legacy"}


def check(resources: Iterable[Resource], given: dict[str, str]) -> None:
    """Raise UsageError for what is not there or cannot be read."""
    if given == {"api/all": "false"}:
        raise UsageError("invalid runtime-config with only api/all=false")
    served = {(r.group, v.name) for r in resources for v in r.versions}
    groups = {group for group, _ in served}
    unknown = []
    for key, value in given.items():
        if key in _STAGES:
            if value not in ("true", "false"):
                raise UsageError(f"invalid value {key}={value}")
            continue
        parts = key.split("/")
        if len(parts) not in (2, 3):
            continue
        if parts[0] not in groups:
            unknown.append(f"{parts[0]}/{parts[1]}")
        elif (parts[0], parts[1]) not in served:
            raise UsageError(f"group version {parts[0]}/{parts[1]} that has not been registered")
        _value(key, value)
        if len(parts) == 3 and parts[2] != parts[2].lower():
            raise UsageError(
                f'invalid key {key}: group/version/resource and resource is always lowercase plural, not "{parts[2]}"'
            )
    if unknown:
        raise UsageError(f"unknown api groups {','.join(sorted(set(unknown)))}")


def with_ttl(resource: Resource, seconds: float) -> Resource:
    """The resource, what it says to live for some time (events) living for --event-ttl."""
    return resource if resource.ttl is None else replace(resource, ttl=lambda obj: seconds)


def _value(key: str, value: str) -> bool:
    try:
        return not value or flags.boolean(value)
    except ValueError as e:
        raise UsageError(f"invalid value of {key}: {value}, err: {e}") from None


def _is_on(resource: Resource, version: str, default: bool, given: dict[str, str]) -> bool:
    on = default
    for stage, pattern in _STAGES.items():
        if stage in given and pattern.fullmatch(version):
            on = given[stage] == "true"
    for key in (f"{resource.group}/{version}", f"{resource.group}/{version}/{resource.plural}"):
        if key in given:
            on = _value(key, given[key])
    return on
