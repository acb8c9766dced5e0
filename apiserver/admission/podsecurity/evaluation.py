"""Holds a pod against a standard: first what baseline asks for, then what restricted adds (upstream policy/registry.go)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from apiserver.admission.podsecurity import baseline, restricted
from apiserver.admission.podsecurity.findings import Finding, Pod
from apiserver.admission.podsecurity.policy import PRIVILEGED, RESTRICTED, Standard


def findings(standard: Standard, pod: Pod) -> list[Finding]:
    """What the standard does not allow of the pod."""
    return [found for found in _findings(standard, pod) if found is not None]


def _findings(standard: Standard, pod: Pod) -> Iterator[Finding | None]:
    if standard.level == PRIVILEGED:
        return
    added = restricted.CHECKS if standard.level == RESTRICTED else {}
    active = [(check, instead) for check, since, instead in added.values() if standard.minor >= since]
    replaced = {instead for _, instead in active}
    for name, check in baseline.CHECKS.items():
        if name not in replaced:
            yield check(pod, standard.minor)
    for check, _ in active:
        yield check(pod, standard.minor)


def shown(found: Iterable[Finding]) -> str:
    """With their details."""
    return ", ".join(str(one) for one in found)


def reasons(found: Iterable[Finding]) -> str:
    return ", ".join(one.reason for one in found)
