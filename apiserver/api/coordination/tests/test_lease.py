"""Lease: what makes sense, and what is not there yet."""

from __future__ import annotations

from apiserver.api.coordination.lease import RESOURCE
from apiserver.apimachinery.clock import SystemClock
from apiserver.apimachinery.rand import Random
from apiserver.registry.context import Context

CTX = Context(SystemClock(), Random(1))


def test_durations_are_positive_and_transitions_not_negative() -> None:
    lease = {"metadata": {"name": "x"}, "spec": {"leaseDurationSeconds": 0, "leaseTransitions": -1}}
    assert [str(e) for e in RESOURCE.strategy.validate(CTX, lease)] == [
        "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
        "spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0",
    ]
    assert list(RESOURCE.strategy.validate(CTX, {"metadata": {"name": "x"}})) == []


def test_fields_of_coordinated_leader_election_are_dropped() -> None:
    lease = {
        "metadata": {},
        "spec": {"strategy": "OldestEmulationVersion", "preferredHolder": "x", "holderIdentity": "h"},
    }
    RESOURCE.strategy.prepare_for_create(CTX, lease)
    assert lease["spec"] == {"holderIdentity": "h"}
