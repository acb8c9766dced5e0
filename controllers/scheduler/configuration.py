"""KubeSchedulerConfiguration (kubescheduler.config.k8s.io/v1): read, defaulted, checked, turned into profiles.

Mirrors upstream apis/config/v1 (defaults, merging of plugin sets) and apis/config/validation. Everything that is wrong is
reported at once. `parallelism` is accepted and does nothing: one thread decides here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from apiserver.apimachinery.duration import parse_go
from apiserver.client.leaderelection import Terms
from controllers.scheduler.framework.profile import POINTS, ProfileSpec
from controllers.scheduler.plugins.installed import PluginError, find
from controllers.scheduler.plugins.table import DEFAULT_PROFILE

API_VERSION = "kubescheduler.config.k8s.io/v1"
DEFAULT_SCHEDULER = "default-scheduler"
_NOT_HERE = ("placementGenerate", "placementScore", "podGroupPostFilter")  # extension points of gang scheduling
_TOP = frozenset(
    (
        *("apiVersion", "kind", "parallelism", "leaderElection", "clientConnection", "percentageOfNodesToScore"),
        *("podInitialBackoffSeconds", "podMaxBackoffSeconds", "profiles", "extenders", "delayCacheUntilActive"),
        *("enableProfiling", "enableContentionProfiling"),
    )
)
_PROFILE = frozenset(("schedulerName", "percentageOfNodesToScore", "plugins", "pluginConfig"))


class ConfigurationError(ValueError):
    """A configuration that cannot be used; the message names every fault with its path."""


@dataclass
class Configuration:
    """What a scheduler runs with. `leader_elect` is None where the file does not say."""

    profiles: list[ProfileSpec] = field(default_factory=lambda: [default_profile()])
    percentage_of_nodes_to_score: int = 0  # 0: as upstream, less the larger the cluster
    initial_backoff: float = 1.0
    max_backoff: float = 10.0
    leader_elect: bool | None = None
    terms: Terms = field(default_factory=Terms)
    lease_name: str = "kube-scheduler"
    lease_namespace: str = "kube-system"
    kubeconfig: str = ""


def default_profile(scheduler_name: str = DEFAULT_SCHEDULER) -> ProfileSpec:
    return _profile({"schedulerName": scheduler_name})


def load(text: str) -> Configuration:
    """Read a configuration from YAML or JSON. Raises ConfigurationError."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"not YAML: {error}") from error
    if not isinstance(document, dict):
        raise ConfigurationError("not an object")
    return from_document(document)


def from_document(document: Mapping[str, Any]) -> Configuration:
    given = dict(document)
    profiles = given.get("profiles") or [{}]
    if len(profiles) == 1 and isinstance(profiles[0], dict):
        profiles = [{"schedulerName": DEFAULT_SCHEDULER, **profiles[0]}]
    faults = [*_header_faults(given), *_top_faults(given)]
    if not faults:
        faults = [*_profiles_faults(profiles)]
    if faults:
        raise ConfigurationError("; ".join(faults))
    election = given.get("leaderElection") or {}
    return Configuration(
        profiles=[_profile(profile) for profile in profiles],
        percentage_of_nodes_to_score=given.get("percentageOfNodesToScore") or 0,
        initial_backoff=float(given.get("podInitialBackoffSeconds", 1)),
        max_backoff=float(given.get("podMaxBackoffSeconds", 10)),
        leader_elect=election.get("leaderElect"),
        terms=_terms(election),
        lease_name=election.get("resourceName") or "kube-scheduler",
        lease_namespace=election.get("resourceNamespace") or "kube-system",
        kubeconfig=(given.get("clientConnection") or {}).get("kubeconfig") or "",
    )


# Faults


def _header_faults(given: Mapping[str, Any]) -> Iterator[str]:
    if given.get("apiVersion") != API_VERSION or given.get("kind") != "KubeSchedulerConfiguration":
        named = f"{given.get('apiVersion')}, Kind={given.get('kind')}"
        yield f'no kind "KubeSchedulerConfiguration" of {API_VERSION} is given, but {named}'
    for name in given:
        if name not in _TOP:
            yield f'unknown field "{name}"'


def _top_faults(given: Mapping[str, Any]) -> Iterator[str]:
    parallelism = given.get("parallelism", 16)
    if not _whole(parallelism) or parallelism <= 0:
        yield f"parallelism: Invalid value: {_shown(parallelism)}: should be an integer value greater than zero"
    yield from _percentage_faults("percentageOfNodesToScore", given.get("percentageOfNodesToScore"))
    initial, most = given.get("podInitialBackoffSeconds", 1), given.get("podMaxBackoffSeconds", 10)
    if not _whole(initial) or initial <= 0:
        yield f"podInitialBackoffSeconds: Invalid value: {_shown(initial)}: must be greater than 0"
    if not _whole(most) or (_whole(initial) and most < initial):
        reason = "must be greater than or equal to PodInitialBackoffSeconds"
        yield f"podMaxBackoffSeconds: Invalid value: {_shown(most)}: {reason}"
    if given.get("extenders"):
        yield "extenders: Forbidden: extenders are not supported by this scheduler"
    yield from _election_faults(given.get("leaderElection") or {})


def _election_faults(election: Mapping[str, Any]) -> Iterator[str]:
    if election.get("resourceLock", "leases") != "leases":
        lock = election.get("resourceLock")
        yield f'leaderElection.resourceLock: Invalid value: "{lock}": resourceLock value must be "leases"'
    try:
        terms = _terms(election)
    except ValueError as error:
        yield f"leaderElection: {error}"
        return
    if terms.lease_duration <= terms.renew_deadline:
        yield "leaderElection.leaseDuration: Invalid value: LeaseDuration must be greater than RenewDeadline"
    if terms.renew_deadline <= terms.retry_period:
        yield "leaderElection.renewDeadline: Invalid value: RenewDeadline must be greater than RetryPeriod"


def _terms(election: Mapping[str, Any]) -> Terms:
    default = Terms()
    return Terms(
        _seconds(election.get("leaseDuration"), default.lease_duration),
        _seconds(election.get("renewDeadline"), default.renew_deadline),
        _seconds(election.get("retryPeriod"), default.retry_period),
    )


def _seconds(text: Any, default: float) -> float:
    return parse_go(str(text)) if text not in (None, "", "0s") else default


def _percentage_faults(path: str, value: Any) -> Iterator[str]:
    if value is not None and (not _whole(value) or not 0 <= value <= 100):
        yield f"{path}: Invalid value: {_shown(value)}: not in valid range [0-100]"


def _profiles_faults(profiles: Sequence[Any]) -> Iterator[str]:
    seen: dict[str, int] = {}
    for i, profile in enumerate(profiles):
        path = f"profiles[{i}]"
        if not isinstance(profile, dict):
            yield f"{path}: Invalid value: not an object"
            continue
        name = profile.get("schedulerName") or ""
        if not name:
            yield f"{path}.schedulerName: Required value"
        elif name in seen:
            yield f'{path}.schedulerName: Duplicate value: "profiles[{seen[name]}].schedulerName"'
        seen.setdefault(name, i)
        yield from _profile_faults(path, profile)
    sorts = [_queue_sort(p) for p in profiles if isinstance(p, dict)]
    for i, sort in enumerate(sorts):
        if sort != sorts[0]:
            yield f"profiles[{i}].plugins.queueSort: Invalid value: must be the same for all profiles"
        if len(sort) != 1:
            yield f"profiles[{i}].plugins.queueSort: Invalid value: {len(sort)}: exactly one queue sort plugin has to be enabled"


def _queue_sort(profile: Mapping[str, Any]) -> list[str]:
    try:
        return _points(profile.get("plugins") or {})[0]["queueSort"]
    except ConfigurationError:
        return ["?"]  # reported elsewhere


def _profile_faults(path: str, profile: Mapping[str, Any]) -> Iterator[str]:
    for name in profile:
        if name not in _PROFILE:
            yield f'unknown field "{path}.{name}"'
    yield from _percentage_faults(f"{path}.percentageOfNodesToScore", profile.get("percentageOfNodesToScore"))
    plugins = profile.get("plugins") or {}
    for point, chosen in plugins.items():
        if point not in POINTS and point not in ("multiPoint", *_NOT_HERE):
            yield f'unknown field "{path}.plugins.{point}"'
            continue
        for plugin in (chosen or {}).get("enabled") or ():
            yield from _plugin_faults(f"{path}.plugins.{point}", point, plugin.get("name") or "")
    try:
        points, _ = _points(plugins)
    except ConfigurationError as error:
        yield f"{path}: {error}"
    else:
        if not points["bind"]:
            yield f"{path}.plugins.bind: Required value: at least one bind plugin is needed"
    yield from _config_faults(path, profile.get("pluginConfig") or ())


def _plugin_faults(path: str, point: str, name: str) -> Iterator[str]:
    try:
        plugin = find(name)
    except PluginError as error:
        yield f"{path}: {error}"
        return
    if plugin is None:
        yield f'{path}: plugin "{name}" does not exist'
    elif point in POINTS and not hasattr(plugin, POINTS[point]):
        yield f'{path}: plugin "{name}" does not extend {point} plugin'


def _config_faults(path: str, configs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    seen: dict[str, None] = {}
    for i, config in enumerate(configs):
        name = config.get("name") or ""
        where = f"{path}.pluginConfig[{i}]"
        if name in seen:
            yield f'{where}: Duplicate value: "{name}"'
        seen[name] = None
        try:
            plugin = find(name)
        except PluginError as error:
            yield f"{where}: {error}"
            continue
        if plugin is None:
            yield f'{where}: plugin "{name}" does not exist'
            continue
        args = config.get("args") or {}
        if args.get("kind", f"{name}Args") != f"{name}Args":
            yield f"{where}.args: Invalid value: has to match plugin args"
        if (argument_errors := getattr(plugin, "argument_errors", None)) is not None:
            yield from argument_errors(args, f"{where}.args")


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


# Profiles


def _profile(given: Mapping[str, Any]) -> ProfileSpec:
    points, weights = _points(given.get("plugins") or {})
    args = {c["name"]: c.get("args") or {} for c in given.get("pluginConfig") or ()}
    return ProfileSpec(given["schedulerName"], points, weights, args, given.get("percentageOfNodesToScore"))


def _points(plugins: Mapping[str, Any]) -> tuple[dict[str, list[str]], dict[str, int]]:
    """Plugins by extension point, and weights. Raises ConfigurationError for one that is enabled twice."""
    multi = _merged(DEFAULT_PROFILE, plugins.get("multiPoint") or {})
    weights = {name: weight for name, weight in multi if weight}
    points: dict[str, list[str]] = {}
    for point, method in POINTS.items():
        chosen = plugins.get(point) or {}
        enabled = [(p["name"], p.get("weight") or 0) for p in chosen.get("enabled") or ()]
        disabled = [p["name"] for p in chosen.get("disabled") or ()]
        points[point] = _expanded(point, method, multi, [name for name, _ in enabled], disabled)
        if point == "score":
            weights |= {name: weight for name, weight in enabled if weight}
    return points, weights


def _merged(defaults: Sequence[tuple[str, int]], custom: Mapping[str, Any]) -> list[tuple[str, int]]:
    """The defaults without what is disabled, reconfigured in place, then what is new (upstream mergePluginSet)."""
    disabled = [p["name"] for p in custom.get("disabled") or ()]
    enabled = {p["name"]: p.get("weight") or 0 for p in custom.get("enabled") or ()}
    if len(enabled) != len(custom.get("enabled") or ()):
        raise ConfigurationError("plugins.multiPoint: a plugin is enabled twice")
    kept = [] if "*" in disabled else [(n, w) for n, w in defaults if n not in disabled]
    merged = [(name, enabled.pop(name, weight) or weight) for name, weight in kept]
    return [*merged, *enabled.items()]


def _expanded(
    point: str, method: str, multi: Sequence[tuple[str, int]], enabled: Sequence[str], disabled: Sequence[str]
) -> list[str]:
    """Upstream expandMultiPointPlugins: what is named for the point goes before where it overrides, else after."""
    if len(set(enabled)) != len(enabled):
        raise ConfigurationError(f"plugins.{point}: a plugin is enabled twice")
    if "*" in disabled:
        return list(enabled)
    taking_part = [name for name, _ in multi if name not in disabled and _has(name, method)]
    overriding = [name for name in enabled if name in taking_part]
    return [*overriding, *(n for n in taking_part if n not in overriding), *(n for n in enabled if n not in overriding)]


def _has(name: str, method: str) -> bool:
    """Whether the plugin takes part; what is wrong with it has been told before."""
    try:
        return hasattr(find(name), method)
    except PluginError:
        return False
