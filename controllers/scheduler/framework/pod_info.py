"""What scheduling needs to know of a pod, read out of the object once. Mirrors upstream framework/types.go PodInfo."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from apiserver.apimachinery import labels, objects
from apiserver.apimachinery.objects import Object
from controllers.scheduler.framework.resources import (
    CPU,
    DEFAULT_CPU,
    DEFAULT_MEMORY,
    EPHEMERAL_STORAGE,
    MEMORY,
    Resource,
    pod_requests,
    status_resources,
)

HOSTNAME = "kubernetes.io/hostname"
ANY_IP = "0.0.0.0"

Port = tuple[str, str, int]  # host IP, protocol, port


class AffinityTerm(NamedTuple):
    """One term of pod (anti-)affinity: which pods, in which namespaces, how near."""

    namespaces: frozenset[str]
    selector: labels.Selector
    topology_key: str
    namespace_selector: labels.Selector

    def matches(self, pod: PodInfo, namespace_labels: Callable[[str], dict[str, str]]) -> bool:
        """Is `pod` meant? `namespace_labels` gives the labels of a namespace."""
        if pod.namespace not in self.namespaces:
            if self.namespace_selector is NOTHING:
                return False
            if not self.namespace_selector.matches(namespace_labels(pod.namespace)):
                return False
        return self.selector.matches(pod.labels)


class WeightedTerm(NamedTuple):
    """A preferred term; weights are 1 to 100."""

    term: AffinityTerm
    weight: int


NOTHING = labels.from_label_selector(None)


class PodInfo:
    """A pod and its facts. Never changed; an updated pod gets a new one."""

    __slots__ = (
        "affinity",
        "anti_affinity",
        "claims",
        "key",
        "labels",
        "name",
        "namespace",
        "non_zero_cpu",
        "non_zero_memory",
        "pod",
        "ports",
        "preferred_affinity",
        "preferred_anti_affinity",
        "priority",
        "requests",
        "uid",
    )

    def __init__(self, pod: Object) -> None:
        meta, spec = pod["metadata"], pod["spec"]
        self.pod = pod
        self.namespace: str = meta.get("namespace") or ""
        self.name: str = meta["name"]
        self.key = (self.namespace, self.name)
        self.uid: str = meta.get("uid") or ""
        self.labels: dict[str, str] = meta.get("labels") or {}
        self.priority: int = spec.get("priority") or 0
        self._read_requests(pod)
        self.ports = host_ports(pod)
        self.claims = claim_names(pod)
        self._read_affinity(spec.get("affinity") or {})

    def _read_requests(self, pod: Object) -> None:
        amounts = pod_requests(pod)
        self.requests = Resource(amounts)
        level = (pod["spec"].get("resources") or {}).get("requests") or {}
        missing = {n: a for n, a in ((CPU, DEFAULT_CPU), (MEMORY, DEFAULT_MEMORY)) if n not in level}
        scored = pod_requests(pod, missing=missing) if missing else amounts
        self.non_zero_cpu = scored.get(CPU, 0)
        self.non_zero_memory = scored.get(MEMORY, 0)

    def _read_affinity(self, affinity: dict[str, Any]) -> None:
        near, far = affinity.get("podAffinity") or {}, affinity.get("podAntiAffinity") or {}
        self.affinity = _required(self.pod, near)
        self.anti_affinity = _required(self.pod, far)
        self.preferred_affinity = _preferred(self.pod, near)
        self.preferred_anti_affinity = _preferred(self.pod, far)

    @property
    def node_name(self) -> str:
        return self.pod["spec"].get("nodeName") or ""

    @property
    def has_affinity(self) -> bool:
        return bool(self.affinity or self.anti_affinity or self.preferred_affinity or self.preferred_anti_affinity)

    def on_node(self, node: str) -> PodInfo:
        """The same pod as if it were bound to `node`."""
        return self.with_pod({**self.pod, "spec": {**self.pod["spec"], "nodeName": node}})

    def same_but_for_status(self, pod: Object) -> bool:
        """May `pod`, a later state, be taken for this one with another status? Resizing shows in the status too."""
        old, new = self.pod["metadata"], pod["metadata"]
        if old.get("deletionTimestamp") != new.get("deletionTimestamp") or old.get("labels") != new.get("labels"):
            return False
        return self.pod["spec"] == pod["spec"] and status_resources(self.pod) == status_resources(pod)

    def with_pod(self, pod: Object) -> PodInfo:
        """The same facts about another state of the pod."""
        made = PodInfo.__new__(PodInfo)
        for slot in PodInfo.__slots__:
            setattr(made, slot, getattr(self, slot))
        made.pod = pod
        return made

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def affinity_term(pod: Object, term: dict[str, Any]) -> AffinityTerm:
    """A term as parsed; a pod's own namespace is meant where it says nothing of namespaces. Raises SelectorError."""
    namespaces = term.get("namespaces") or ()
    if not namespaces and term.get("namespaceSelector") is None:
        namespaces = (objects.namespace_of(pod),)
    return AffinityTerm(
        frozenset(namespaces),
        labels.from_label_selector(term.get("labelSelector")),
        term["topologyKey"],
        labels.from_label_selector(term.get("namespaceSelector")),
    )


def _terms(pod: Object, terms: Iterable[dict[str, Any]]) -> tuple[AffinityTerm, ...]:
    """As upstream, one term that cannot be read makes the whole list void."""
    try:
        return tuple(affinity_term(pod, term) for term in terms)
    except labels.SelectorError:
        return ()


def _required(pod: Object, affinity: dict[str, Any]) -> tuple[AffinityTerm, ...]:
    terms = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return _terms(pod, terms) if terms else ()


def _preferred(pod: Object, affinity: dict[str, Any]) -> tuple[WeightedTerm, ...]:
    weighted = affinity.get("preferredDuringSchedulingIgnoredDuringExecution")
    if not weighted:
        return ()
    terms = _terms(pod, [w["podAffinityTerm"] for w in weighted])
    return tuple(WeightedTerm(term, w["weight"]) for term, w in zip(terms, weighted, strict=False))


def host_ports(pod: Object) -> tuple[Port, ...]:
    """The ports a pod takes on its node: of containers and of sidecars (upstream util.GetHostPorts)."""
    spec = pod["spec"]
    found: list[Port] = []
    sidecars = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    for container in [*(spec.get("containers") or ()), *sidecars]:
        for port in container.get("ports") or ():
            if (number := port.get("hostPort") or 0) > 0:
                found.append((port.get("hostIP") or ANY_IP, port.get("protocol") or "TCP", number))
    return tuple(found)


def claim_names(pod: Object) -> tuple[str, ...]:
    """The names of the PersistentVolumeClaims a pod's volumes name outright (generic ephemeral ones are not among them)."""
    found: list[str] = []
    for volume in pod["spec"].get("volumes") or ():
        if claim := volume.get("persistentVolumeClaim"):
            found.append(claim["claimName"])
    return tuple(found)


def ports_conflict(wanted: Sequence[Port], used: dict[tuple[str, int], dict[str, int]]) -> bool:
    """Is one of the wanted ports taken? An address of 0.0.0.0, on either side, stands for all of them."""
    for address, protocol, number in wanted:
        holders = used.get((protocol, number))
        if holders and (address == ANY_IP or address in holders or ANY_IP in holders):
            return True
    return False


__all__ = ["EPHEMERAL_STORAGE", "AffinityTerm", "PodInfo", "WeightedTerm", "affinity_term", "claim_names", "host_ports"]
