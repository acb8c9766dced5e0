"""ServiceCIDR: address blocks from which Services get their cluster IPs."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.api.columns import AGE, NAME
from apiserver.api.core.pod_mutations import reset_metadata_for_status
from apiserver.api.strategy import KindStatusStrategy, KindStrategy, metadata_update_errors
from apiserver.apimachinery.addresses import cidr_errors, parse_cidr_sloppy
from apiserver.apimachinery.errors import FieldError, invalid, required
from apiserver.apimachinery.object_meta import IMMUTABLE
from apiserver.apimachinery.objects import Object, get
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion, Subresource


class ServiceCIDRStrategy(KindStrategy):
    """Mirrors upstream registry/networking/servicecidr."""

    namespaced = False
    has_status = True

    def default(self, obj: Object) -> None:
        obj.setdefault("status", {})

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        obj["status"] = {}

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        cidrs = get(obj, "spec", "cidrs") or []
        if not cidrs:
            yield required("spec.cidrs", "at least one CIDR required")
        elif len(cidrs) > 2:
            yield invalid("spec.cidrs", {"CIDRs": cidrs}, "may only hold up to 2 values")
        else:
            for i, cidr in enumerate(cidrs):
                yield from cidr_errors(cidr, f"spec.cidrs[{i}]")
            if len(cidrs) == 2 and _same_family(*cidrs):
                detail = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
                yield invalid("spec.cidrs", cidrs, detail)

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from metadata_update_errors(obj, old)
        now, before = get(obj, "spec", "cidrs") or [], get(old, "spec", "cidrs") or []
        if len(now) == len(before) or (len(before) == 1 and len(now) == 2):
            for i, cidr in enumerate(before):
                if now[i] != cidr:
                    yield invalid(f"spec.cidrs[{i}]", now[i], IMMUTABLE)
            if len(now) != len(before):
                yield from self.validate(ctx, obj)
        else:
            yield invalid("spec.cidrs", now or None, IMMUTABLE)


def _same_family(left: str, right: str) -> bool:
    one, other = parse_cidr_sloppy(left), parse_cidr_sloppy(right)
    return one is not None and other is not None and one.network.version == other.network.version


class ServiceCIDRStatusStrategy(KindStatusStrategy):
    """`/status`: nothing but the status."""

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        super().prepare_for_update(ctx, obj, old)
        reset_metadata_for_status(obj["metadata"], old["metadata"])

    def reset_fields(self, version: str) -> tuple[tuple[str, ...], ...]:
        return (("metadata",), ("spec",))


STRATEGY = ServiceCIDRStrategy()
RESOURCE = Resource(
    group="networking.k8s.io",
    plural="servicecidrs",
    kind="ServiceCIDR",
    namespaced=False,
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=STRATEGY,
    empty={"spec": {}, "status": {}},
    subresources=(Subresource(name="status", strategy=ServiceCIDRStatusStrategy(STRATEGY)),),
    columns=(
        NAME,
        Column(
            "CIDRs",
            lambda obj, now: ",".join(get(obj, "spec", "cidrs") or ()),
            description='cidrs defines the IP blocks in CIDR notation (e.g. "192.168.0.0/24" or "2001:db8::/64") from which to '
            "assign service cluster IPs. Max of two CIDRs is allowed, one of each IP family. This field is immutable.",
        ),
        AGE,
    ),
)
