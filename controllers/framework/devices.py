"""Which resource claims pods use, and how far a claim is a pod's (dynamic-resource-allocation/resourceclaim)."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.apimachinery.objects import Object, controller_of


class NotCreated(LookupError):
    """The claim that a template stands for is not there yet."""


def claim_name(pod: Object, pod_claim: Object) -> tuple[str | None, bool]:
    """The claim that one entry of `spec.resourceClaims` means, and whether it must be the pod's own.

    None: it was decided that no claim is needed. Raises NotCreated.
    """
    if pod_claim.get("resourceClaimName") is not None:
        return pod_claim["resourceClaimName"], False
    for status in (pod.get("status") or {}).get("resourceClaimStatuses") or ():
        if status["name"] == pod_claim["name"]:
            return status.get("resourceClaimName"), True
    meta = pod["metadata"]
    raise NotCreated(f'pod "{meta["namespace"]}/{meta["name"]}": ResourceClaim not created yet')


def claims_of(pod: Object) -> Iterator[tuple[str, bool]]:
    """The claims a pod uses that are known by name, the one that the scheduler made for it too; as `claim_name`."""
    for pod_claim in pod["spec"].get("resourceClaims") or ():
        try:
            name, own = claim_name(pod, pod_claim)
        except NotCreated:
            continue
        if name is not None:
            yield name, own
    if extended := extended_claim(pod):
        yield extended, True


def extended_claim(pod: Object) -> str:
    """The claim that the scheduler made for extended resources of the pod; empty: none."""
    status = (pod.get("status") or {}).get("extendedResourceClaimStatus") or {}
    return status.get("resourceClaimName") or ""


def uses_claims(pod: Object) -> bool:
    return bool(pod["spec"].get("resourceClaims") or (pod.get("status") or {}).get("extendedResourceClaimStatus"))


def not_for(pod: Object, claim: Object) -> str:
    """Why a claim was not made for this pod; empty when it was."""
    owner = controller_of(claim)
    if owner is not None and owner["uid"] == pod["metadata"]["uid"]:
        return ""
    mine, other = pod["metadata"], claim["metadata"]
    return (
        f"ResourceClaim {other['namespace']}/{other['name']} was not created for Pod {mine['namespace']}/{mine['name']} "
        "(Pod is not owner)"
    )


def allocation(claim: Object) -> Object | None:
    return (claim.get("status") or {}).get("allocation")


def consumers(claim: Object) -> list[Object]:
    return (claim.get("status") or {}).get("reservedFor") or []


def is_reserved_for(pod: Object, claim: Object) -> bool:
    return any(consumer["uid"] == pod["metadata"]["uid"] for consumer in consumers(claim))


def is_pod(consumer: Object) -> bool:
    """Is this entry of `status.reservedFor` a pod?"""
    return not consumer.get("apiGroup") and consumer["resource"] == "pods"
