"""Which pods stand behind a Service, on which ports, since when; and which Services a changed pod concerns.

Mirrors upstream k8s.io/endpointslice/util. Selectors are found by index: a Service under one pair of its selector, a pod
under each of its labels, so that neither a thousand Services nor a thousand pods make a change dear.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from apiserver.apimachinery import addresses, objects
from apiserver.apimachinery.objects import Object
from apiserver.client.informer import Handler, Informer
from apiserver.client.lister import Lister
from controllers.framework import pods as pod_facts
from controllers.framework.controller import Request

TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"
HEADLESS = "service.kubernetes.io/headless"


def _pair(namespace: str, key: str, value: str) -> str:
    return f"{namespace}\0{key}\0{value}"


def _by_labels(pod: Object) -> Iterable[str]:
    namespace = pod["metadata"]["namespace"]
    return [_pair(namespace, k, v) for k, v in objects.labels_of(pod).items()]


def selector_of(service: Object) -> dict[str, str]:
    """The selector; empty where nothing is selected: no selector, or a name elsewhere."""
    return service["spec"].get("selector") or {}


def _by_selector(service: Object) -> Iterable[str]:
    selector = selector_of(service)
    return [_pair(service["metadata"]["namespace"], *min(selector.items()))] if selector else ()


class Membership:
    """Services and pods by each other, from their informers."""

    def __init__(self, services: Informer, pods: Informer) -> None:
        services.add_index("one-selector-pair", _by_selector)
        pods.add_index("labels", _by_labels)
        self.services: Lister = services.lister
        self.pods: Lister = pods.lister

    def pods_of(self, service: Object) -> list[Object]:
        """The pods a Service with a selector selects."""
        namespace, selector = service["metadata"]["namespace"], selector_of(service)
        rarest = min((self.pods.by_index("labels", _pair(namespace, *item)) for item in selector.items()), key=len)
        return [pod for pod in rarest if selector.items() <= objects.labels_of(pod).items()]

    def services_of(self, namespace: str, labels: dict[str, str]) -> dict[Request, None]:
        found: dict[Request, None] = {}
        for key, value in labels.items():
            for service in self.services.by_index("one-selector-pair", _pair(namespace, key, value)):
                if selector_of(service).items() <= labels.items():
                    found[Request(namespace, service["metadata"]["name"])] = None
        return found

    def concerned(self, old: Object | None, new: Object | None) -> Iterator[Request]:
        """The Services that have to look again when a pod became `new` from `old` (None: it was not there, is gone)."""
        pod = new or old
        assert pod is not None
        namespace = pod["metadata"]["namespace"]
        after = self.services_of(namespace, objects.labels_of(pod))
        if old is None or new is None:
            yield from after
            return
        changed, relabelled = pod_changed(old, new), _relabelled(old, new)
        before = self.services_of(namespace, objects.labels_of(old)) if relabelled else after
        for request in {**before, **after}:
            if changed or (request in before) != (request in after):
                yield request

    def handler(self, enqueue: Callable[[Request], None]) -> Handler:
        """What the pods' informer tells, as Services to look at."""

        def tell(old: Object | None, new: Object | None) -> None:
            for request in self.concerned(old, new):
                enqueue(request)

        return Handler(added=lambda pod: tell(None, pod), updated=tell, deleted=lambda pod: tell(pod, None))


def _relabelled(old: Object, new: Object) -> bool:
    return objects.labels_of(old) != objects.labels_of(new)


def _hostname(pod: Object) -> tuple[str, str]:
    return pod["spec"].get("hostname", ""), pod["spec"].get("subdomain", "")


def pod_changed(old: Object, new: Object) -> bool:
    """Did the pod change in a way that shows in endpoints, its labels aside?"""
    return (
        old["metadata"].get("deletionTimestamp") != new["metadata"].get("deletionTimestamp")
        or pod_facts.is_ready(old) != pod_facts.is_ready(new)
        or pod_ips(old) != pod_ips(new)
        or pod_facts.phase(old) != pod_facts.phase(new)
        or _hostname(old) != _hostname(new)
    )


def pod_ips(pod: Object) -> list[str]:
    return [ip["ip"] for ip in (pod.get("status") or {}).get("podIPs") or () if ip.get("ip")]


def belongs(pod: Object, *, terminating: bool) -> bool:
    """May the pod be an endpoint? It has an address and is not over; being deleted only where `terminating`."""
    if pod_facts.phase(pod) in ("Succeeded", "Failed"):
        return False
    status = pod.get("status") or {}
    if not status.get("podIP") and not pod_ips(pod):
        return False
    return terminating or not pod["metadata"].get("deletionTimestamp")


def addresses_of(pod: Object, family: str) -> list[str]:
    """The pod's addresses of a family (IPv4, IPv6), in their regular form."""
    parsed = [addresses.parse_sloppy(ip) for ip in pod_ips(pod)]
    return [str(ip) for ip in parsed if ip is not None and f"IPv{ip.version}" == family]


def hostname_for(pod: Object, service: Object) -> str:
    """The pod's hostname, where the Service gives it a DNS name."""
    spec = pod["spec"]
    return spec.get("hostname") or "" if spec.get("subdomain") == service["metadata"]["name"] else ""


def is_headless(service: Object) -> bool:
    """Has the Service no IP of its own?"""
    return service["spec"].get("clusterIP", "") in ("", "None")


def target_port(pod: Object, port: Object) -> int | None:
    """The number a Service's port has in a pod: named ones are looked up in its containers and sidecars."""
    target = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return target
    sidecars = [c for c in pod["spec"].get("initContainers") or () if c.get("restartPolicy") == "Always"]
    for container in [*pod["spec"]["containers"], *sidecars]:
        for named in container.get("ports") or ():
            if named.get("name") == target and named.get("protocol", "TCP") == port.get("protocol", "TCP"):
                return named["containerPort"]  # type: ignore[no-any-return]
    return None


def pod_reference(pod: Object) -> dict[str, str]:
    meta = pod["metadata"]
    return {"kind": "Pod", "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]}


@dataclass
class _Seen:
    service: str = ""
    pods: dict[str, str] = field(default_factory=dict)


class TriggerTimes:
    """When the change happened that an endpoint's update answers: the annotation from which latency is measured.

    Times are the wire's strings: all of one form, so they sort as they are.
    """

    def __init__(self) -> None:
        self._seen: dict[Request, _Seen] = {}

    def of(self, request: Request, service: Object, pods: Iterable[Object]) -> str:
        """The earliest of the times that are new since the last call; empty when there is none."""
        created: str = service["metadata"].get("creationTimestamp") or ""
        seen = self._seen.get(request)
        times = {}
        for pod in pods:
            ready = pod_facts.condition(pod, "Ready")
            if ready is not None and ready.get("lastTransitionTime"):
                times[pod["metadata"]["name"]] = ready["lastTransitionTime"]
        self._seen[request] = _Seen(created, times)
        if seen is None:
            return created
        news = [time for name, time in times.items() if time > seen.pods.get(name, "")]
        if created > seen.service:
            news.append(created)
        return min(news, default="")

    def forget(self, request: Request) -> None:
        self._seen.pop(request, None)
