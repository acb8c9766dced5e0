"""KubeSchedulerConfiguration: what a file changes, and every fault with its path."""

from __future__ import annotations

import pytest

from controllers.scheduler.configuration import ConfigurationError, default_profile, load
from controllers.scheduler.plugins.table import DEFAULT_PROFILE

HEAD = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"


def test_the_default_profile_is_upstreams() -> None:
    spec = default_profile()
    assert spec.points["queueSort"] == ["PrioritySort"] and spec.points["bind"] == ["DefaultBinder"]
    assert spec.points["filter"][:4] == ["NodeName", "NodeUnschedulable", "TaintToleration", "NodeAffinity"]
    assert spec.points["preEnqueue"] == ["SchedulingGates", "DefaultPreemption"]
    assert spec.points["postFilter"] == ["DynamicResources", "DefaultPreemption"]
    assert {name: spec.weights.get(name, 1) for name in spec.points["score"]} == {
        "TaintToleration": 3,
        "NodeAffinity": 2,
        "NodeResourcesFit": 1,
        "VolumeBinding": 1,
        "PodTopologySpread": 2,
        "InterPodAffinity": 2,
        "NodeResourcesBalancedAllocation": 1,
        "ImageLocality": 1,
    }


def test_an_empty_file_means_the_defaults() -> None:
    found = load(HEAD)
    assert [p.scheduler_name for p in found.profiles] == ["default-scheduler"]
    assert (found.initial_backoff, found.max_backoff, found.percentage_of_nodes_to_score) == (1, 10, 0)
    assert found.leader_elect is None and found.terms.lease_duration == 15 and found.lease_name == "kube-scheduler"


def test_what_a_file_says_is_taken() -> None:
    found = load(
        HEAD
        + """
leaderElection: {leaderElect: false, leaseDuration: 30s, renewDeadline: 20s, retryPeriod: 1s, resourceName: mine}
podInitialBackoffSeconds: 2
podMaxBackoffSeconds: 20
percentageOfNodesToScore: 40
profiles:
- schedulerName: default-scheduler
- schedulerName: bin-packing
  percentageOfNodesToScore: 100
  plugins:
    score:
      disabled: [{name: NodeResourcesBalancedAllocation}]
      enabled: [{name: NodeResourcesFit, weight: 5}]
    multiPoint:
      disabled: [{name: ImageLocality}]
  pluginConfig:
  - name: NodeResourcesFit
    args: {scoringStrategy: {type: MostAllocated}}
"""
    )
    assert (found.leader_elect, found.terms.lease_duration, found.lease_name) == (False, 30, "mine")
    assert (found.initial_backoff, found.max_backoff, found.percentage_of_nodes_to_score) == (2, 20, 40)
    first, second = found.profiles
    assert (first.percentage_of_nodes_to_score, second.percentage_of_nodes_to_score) == (None, 100)
    assert second.points["score"][0] == "NodeResourcesFit" and second.weights["NodeResourcesFit"] == 5
    assert not {"ImageLocality", "NodeResourcesBalancedAllocation"} & set(second.points["score"])
    assert "NodeResourcesBalancedAllocation" in first.points["score"]
    assert second.args["NodeResourcesFit"] == {"scoringStrategy": {"type": "MostAllocated"}}


def test_a_star_disables_all_but_what_is_named() -> None:
    found = load(HEAD + "profiles: [{plugins: {score: {disabled: [{name: '*'}], enabled: [{name: ImageLocality}]}}}]")
    assert found.profiles[0].points["score"] == ["ImageLocality"]
    assert len(found.profiles[0].points["filter"]) > 5


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("kind: Pod\napiVersion: v1", ['no kind "KubeSchedulerConfiguration" of kubescheduler.config.k8s.io/v1']),
        ("[1, 2]", ["not an object"]),
        ("a: [", ["not YAML"]),
        (HEAD + "paralelism: 3", ['unknown field "paralelism"']),
        (
            HEAD + "parallelism: 0\npercentageOfNodesToScore: 101",
            ["parallelism: Invalid value: 0", "not in valid range [0-100]"],
        ),
        (HEAD + "podInitialBackoffSeconds: 0", ["podInitialBackoffSeconds: Invalid value: 0: must be greater than 0"]),
        (HEAD + "podMaxBackoffSeconds: 1\npodInitialBackoffSeconds: 3", ["podMaxBackoffSeconds: Invalid value: 1"]),
        (HEAD + "leaderElection: {resourceLock: endpoints}", ['resourceLock value must be "leases"']),
        (HEAD + "leaderElection: {leaseDuration: 5s}", ["LeaseDuration must be greater than RenewDeadline"]),
        (HEAD + "extenders: [{urlPrefix: x}]", ["extenders are not supported"]),
        (
            HEAD + "profiles: [{}, {}]",
            ["profiles[0].schedulerName: Required value", "profiles[1].schedulerName: Required value"],
        ),
        (HEAD + "profiles: [{schedulerName: a}, {schedulerName: a}]", ["profiles[1].schedulerName: Duplicate value"]),
        (HEAD + "profiles: [{plugins: {filter: {enabled: [{name: Nope}]}}}]", ['plugin "Nope" does not exist']),
        (
            HEAD + "profiles: [{plugins: {bind: {enabled: [{name: NodeName}]}}}]",
            ['plugin "NodeName" does not extend bind plugin'],
        ),
        (HEAD + "profiles: [{plugins: {bind: {disabled: [{name: '*'}]}}}]", ["at least one bind plugin is needed"]),
        (HEAD + "profiles: [{plugins: {queueSort: {disabled: [{name: '*'}]}}}]", ["exactly one queue sort plugin"]),
        (HEAD + "profiles: [{plugins: {filters: {}}}]", ['unknown field "profiles[0].plugins.filters"']),
        (
            HEAD + "profiles: [{pluginConfig: [{name: InterPodAffinity, args: {hardPodAffinityWeight: 101}}]}]",
            ["profiles[0].pluginConfig[0].args.hardPodAffinityWeight: Invalid value: 101: not in valid range [0, 100]"],
        ),
        (
            HEAD + "profiles: [{pluginConfig: [{name: NodeResourcesFit, args: {scoringStrategy: {type: Best}}}]}]",
            ['scoringStrategy.type: Unsupported value: "Best"'],
        ),
        (
            HEAD + "profiles: [{pluginConfig: [{name: DefaultPreemption, args: {minCandidateNodesPercent: 1}}]}]",
            ['unknown field "profiles[0].pluginConfig[0].args.minCandidateNodesPercent"'],
        ),
        (
            HEAD
            + "profiles: [{pluginConfig: [{name: PodTopologySpread, args: {defaultConstraints: [{maxSkew: 0}]}}]}]",
            ["when .defaultConstraints are not empty", "maxSkew: Invalid value: 0", "topologyKey: Required value"],
        ),
    ],
)
def test_faults_are_named(text: str, faults: list[str]) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load(text)
    for fault in faults:
        assert fault in str(raised.value)


def test_every_default_plugin_is_there() -> None:
    from controllers.scheduler.plugins.table import PLUGINS

    assert all(name in PLUGINS for name, _ in DEFAULT_PROFILE) and len(PLUGINS) == len(DEFAULT_PROFILE)
