"""Reads metrics: of pods from metrics.k8s.io, of anything from custom.metrics.k8s.io, from elsewhere from external.metrics.k8s.io.

All values are in thousandths, as upstream counts them. Mirrors pkg/controller/podautoscaler/metrics and k8s.io/metrics clients.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from apiserver.apimachinery import quantity
from apiserver.apimachinery.clock import parse_rfc3339
from apiserver.apimachinery.duration import parse_go
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.gvk import GroupVersion
from apiserver.apimachinery.objects import Object
from apiserver.client.resources import Client
from controllers.framework.scales import NoMatch, Scales

DEFAULT_WINDOW = 60.0  # seconds a custom metric is taken over when it does not say
CUSTOM = "custom.metrics.k8s.io"
CUSTOM_VERSIONS = ("v1beta2", "v1beta1")


class MetricError(Exception):
    """A metric cannot be had, or nothing follows from it; the message is for the condition."""


class PodMetric(NamedTuple):
    value: int  # thousandths
    timestamp: float
    window: float  # seconds it was taken over


def _thousandths(text: str) -> int:
    return quantity.parse(text).milli_value


class Metrics:
    """`pods` and `custom_of_pods` are by pod name."""

    def __init__(self, client: Client, scales: Scales) -> None:
        self._client = client
        self._scales = scales

    async def _get(self, path: str, query: dict[str, str], what: str, api: str) -> Object:
        """`what`: the resource, as client-go names it when the path is not served."""
        given = {key: value for key, value in query.items() if value}
        try:
            return await self._client.request("GET", f"{path}?{urlencode(given)}" if given else path)  # type: ignore[no-any-return]
        except StatusError as error:
            message = error.message
            if error.code == 404 and not error.reason:
                message = f"the server could not find the requested resource (get {what})"
            raise MetricError(f"unable to fetch metrics from {api} metrics API: {message}") from error

    async def pods(self, resource: str, namespace: str, selector: str, container: str) -> dict[str, PodMetric]:
        """The use of a resource by each pod, or by one container of each."""
        path = f"/apis/metrics.k8s.io/v1beta1/namespaces/{quote(namespace)}/pods"
        found = await self._get(path, {"labelSelector": selector}, "pods.metrics.k8s.io", "resource")
        items = found.get("items") or []
        if not items:
            raise MetricError("no metrics returned from resource metrics API")
        values = ((item, _usage(item.get("containers") or [], resource, container)) for item in items)
        return {
            item["metadata"]["name"]: PodMetric(value, parse_rfc3339(item["timestamp"]), parse_go(item["window"]))
            for item, value in values
            if value is not None
        }

    async def custom_of_pods(
        self, metric: str, namespace: str, selector: str, metric_selector: str
    ) -> dict[str, PodMetric]:
        path = f"{await self._custom_root()}/namespaces/{quote(namespace)}/pods/*/{quote(metric)}"
        query = {"labelSelector": selector, "metricLabelSelector": metric_selector}
        found = await self._get(path, query, f"pods.{CUSTOM}", "custom")
        items = found.get("items") or []
        if not items:
            raise MetricError("no metrics returned from custom metrics API")
        return {item["describedObject"]["name"]: _custom(item) for item in items}

    async def custom_of_object(self, metric: str, namespace: str, reference: Object, metric_selector: str) -> int:
        group, kind = GroupVersion.parse(reference.get("apiVersion") or "").group, reference["kind"]
        root = await self._custom_root()
        if (group, kind) == ("", "Namespace"):
            path = f"{root}/namespaces/{quote(namespace)}/metrics/{quote(metric)}"
        else:
            resource = await self._qualified(reference.get("apiVersion") or "v1", group, kind)
            path = f"{root}/namespaces/{quote(namespace)}/{resource}/{quote(reference['name'])}/{quote(metric)}"
        found = await self._get(path, {"metricLabelSelector": metric_selector}, f"{metric}.{CUSTOM}", "custom")
        items = found.get("items") or []
        if len(items) != 1:
            message = f"the custom metrics API server returned {len(items)} results when we asked for exactly one"
            raise MetricError(f"unable to fetch metrics from custom metrics API: {message}")
        return _custom(items[0]).value

    async def external(self, metric: str, namespace: str, selector: str) -> list[int]:
        path = f"/apis/external.metrics.k8s.io/v1beta1/namespaces/{quote(namespace)}/{quote(metric)}"
        what = f"{metric}.external.metrics.k8s.io"
        found = await self._get(path, {"labelSelector": selector}, what, "external")
        items = found.get("items") or []
        if not items:
            raise MetricError("no metrics returned from external metrics API")
        return [_thousandths(str(item["value"])) for item in items]

    async def _custom_root(self) -> str:
        """The path of the custom metrics API in the version the server prefers, of those that are known here."""
        groups = (await self._client.request("GET", "/apis")).get("groups") or ()
        group = next((g for g in groups if g["name"] == CUSTOM), None)
        if group is None:
            message = f"no custom metrics API ({CUSTOM}) registered"
            raise MetricError(f"unable to fetch metrics from custom metrics API: {message}")
        served = [group["preferredVersion"]["version"], *(v["version"] for v in group["versions"])]
        version = next((v for v in served if v in CUSTOM_VERSIONS), None)
        if version is None:
            message = "no known available metric versions found"
            raise MetricError(f"unable to fetch metrics from custom metrics API: {message}")
        return f"/apis/{CUSTOM}/{version}"

    async def _qualified(self, api_version: str, group: str, kind: str) -> str:
        try:
            gvr = (await self._scales.resource(api_version, kind)).gvr
        except NoMatch as error:
            named = f"{kind}.{group}" if group else kind
            message = f"unable to map kind {named} to resource: {error}"
            raise MetricError(f"unable to fetch metrics from custom metrics API: {message}") from error
        return f"{gvr.resource}.{gvr.group}" if gvr.group else gvr.resource


def _usage(containers: Iterable[Object], resource: str, container: str) -> int | None:
    """A pod's use of a resource, of all its containers or of the named one; None where one does not say."""
    asked = [c for c in containers if container in ("", c["name"])]
    texts = [(c.get("usage") or {}).get(resource) for c in asked]
    if not texts or None in texts:
        return None
    return sum(_thousandths(str(text)) for text in texts)


def _custom(item: Object) -> PodMetric:
    window: Any = item.get("windowSeconds", item.get("window"))
    return PodMetric(
        _thousandths(str(item["value"])),
        parse_rfc3339(item["timestamp"]) if item.get("timestamp") else 0.0,
        DEFAULT_WINDOW if window is None else float(window),
    )
