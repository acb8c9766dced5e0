"""What generation each EndpointSlice of ours has: whether the informer has seen what was written.

Mirrors upstream k8s.io/endpointslice/util/endpointslice_tracker.go. Expectations would not do here: slices are updated too.
"""

from __future__ import annotations

from collections.abc import Iterable

from apiserver.apimachinery import objects
from apiserver.apimachinery.objects import Object
from controllers.framework.controller import Request

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
_DELETED = -1


def service_of(endpoint_slice: Object) -> Request:
    """The Service a slice says it belongs to; its name may be empty."""
    name = objects.labels_of(endpoint_slice).get(SERVICE_NAME, "")
    return Request(endpoint_slice["metadata"].get("namespace") or "", name)


def _generation(endpoint_slice: Object) -> int:
    return endpoint_slice["metadata"].get("generation") or 0


class SliceTracker:
    """Generations by Service and slice uid."""

    def __init__(self) -> None:
        self._services: dict[Request, dict[str, int]] = {}

    def written(self, endpoint_slice: Object) -> None:
        generations = self._services.setdefault(service_of(endpoint_slice), {})
        generations[endpoint_slice["metadata"]["uid"]] = _generation(endpoint_slice)

    def deleting(self, endpoint_slice: Object) -> None:
        self._services.setdefault(service_of(endpoint_slice), {})[endpoint_slice["metadata"]["uid"]] = _DELETED

    def has(self, endpoint_slice: Object) -> bool:
        return endpoint_slice["metadata"]["uid"] in self._services.get(service_of(endpoint_slice), ())

    def is_news(self, endpoint_slice: Object) -> bool:
        """Did somebody else make this slice, or change it?"""
        known = self._services.get(service_of(endpoint_slice), {}).get(endpoint_slice["metadata"]["uid"])
        return known is None or _generation(endpoint_slice) > known

    def deleted(self, endpoint_slice: Object) -> bool:
        """Forget a slice that is gone; was that expected?"""
        generation = self._services.get(service_of(endpoint_slice), {}).pop(endpoint_slice["metadata"]["uid"], None)
        return generation is None or generation == _DELETED

    def stale(self, service: Request, shown: Iterable[Object]) -> bool:
        """Does the informer show an older state than what was written?"""
        known = self._services.get(service)
        if not known:
            return False
        present = {s["metadata"]["uid"]: _generation(s) for s in shown}
        for uid, generation in known.items():
            if generation == _DELETED:
                if uid in present:
                    return True
            elif uid not in present or generation > present[uid]:
                return True
        return False

    def forget(self, service: Request) -> None:
        self._services.pop(service, None)
