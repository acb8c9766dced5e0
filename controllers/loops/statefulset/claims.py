"""The claims of a StatefulSet's pods: made with them, and owned by what they should go with.

The retention policy says whether a claim goes with the set (whenDeleted) or with a pod that is scaled away (whenScaled); it is
kept by owner references, and the garbage collector does the rest. Mirrors upstream stateful_set_utils.go and stateful_pod_control.go.
"""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from apiserver.client.events import EventRecorder
from apiserver.client.lister import Lister
from apiserver.client.resources import ResourceClient
from controllers.framework.ownership import controller_reference
from controllers.loops.statefulset import facts

POD = ("v1", "Pod")
SET = (facts.API_VERSION, facts.KIND)


def retention(stateful_set: Object) -> tuple[bool, bool]:
    """(goes with the set, goes with a pod that is scaled away)."""
    policy = stateful_set["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    return policy.get("whenDeleted") == "Delete", policy.get("whenScaled") == "Delete"


def _references(claim: Object) -> list[dict[str, Any]]:
    return claim["metadata"].get("ownerReferences") or []


def _is_to(reference: dict[str, Any], owner: Object, kind: tuple[str, str]) -> bool:
    """By name: the uid may be another one's."""
    named = (reference["apiVersion"], reference["kind"], reference["name"])
    return named == (*kind, owner["metadata"]["name"])


def is_stale(claim: Object, owner: Object, kind: tuple[str, str]) -> bool:
    """Does the claim still belong to an earlier object of the owner's name?"""
    first = next((ref for ref in _references(claim) if _is_to(ref, owner, kind)), None)
    return first is not None and first["uid"] != owner["metadata"].get("uid", "")


def _belongs(claim: Object, owner: Object) -> bool:
    return any(ref["uid"] == owner["metadata"].get("uid") for ref in _references(claim))


def has_other_controller(claim: Object, stateful_set: Object, pod: Object) -> bool:
    """Somebody else decides when the claim goes: the policy is off."""
    if not any(retention(stateful_set)):
        return False
    for reference in _references(claim):
        for owner, kind in ((stateful_set, SET), (pod, POD)):
            if _is_to(reference, owner, kind):
                if reference["uid"] != owner["metadata"].get("uid"):
                    return True
                break
        else:
            if reference.get("controller"):
                return True
    return False


def wanted_owners(stateful_set: Object, pod: Object) -> tuple[bool, bool]:
    """(the set, the pod): which of them the claim should belong to."""
    with_set, with_pod = retention(stateful_set)
    scaled_away = facts.ordinal(pod) not in facts.ordinals(stateful_set)
    return with_set and not (with_pod and scaled_away), with_pod and scaled_away


def is_settled(claim: Object, stateful_set: Object, pod: Object) -> bool:
    """Are the claim's owners as the policy says (or not ours to change now)?"""
    if is_stale(claim, stateful_set, SET) or is_stale(claim, pod, POD):
        return True
    ours = _belongs(claim, stateful_set), _belongs(claim, pod)
    if has_other_controller(claim, stateful_set, pod):
        return not any(ours)
    uids = (stateful_set["metadata"]["uid"], pod["metadata"].get("uid"))
    if any(ref["uid"] in uids and not ref.get("controller") for ref in _references(claim)):
        return False
    return ours == wanted_owners(stateful_set, pod)


def owners_after(claim: Object, stateful_set: Object, pod: Object) -> list[dict[str, Any]]:
    """The claim's owner references as the policy wants them."""
    kept = [ref for ref in _references(claim) if not _is_to(ref, stateful_set, SET) and not _is_to(ref, pod, POD)]
    if has_other_controller(claim, stateful_set, pod):
        return kept
    set_owns, pod_owns = wanted_owners(stateful_set, pod)
    if set_owns:
        kept.append(controller_reference(stateful_set, *SET))
    if pod_owns:
        kept.append(controller_reference(pod, *POD))
    return kept


class Claims:
    """Makes claims and sets their owners; the events go to the set."""

    def __init__(self, claims: ResourceClient, known: Lister, recorder: EventRecorder) -> None:
        self.claims = claims
        self.known = known
        self.recorder = recorder

    def _of(self, stateful_set: Object, pod: Object) -> list[Object]:
        """The pod's claims that are there."""
        namespace, index = stateful_set["metadata"]["namespace"], facts.ordinal(pod)
        names = [facts.claim_name(stateful_set, template, index) for template in facts.claim_templates(stateful_set)]
        return [claim for name in names if (claim := self.known.get(namespace, name)) is not None]

    def are_stale(self, stateful_set: Object, pod: Object) -> bool:
        """Do they still go with an earlier pod of this name? A new pod has to wait until they are gone."""
        if not retention(stateful_set)[1]:
            return False
        return any(is_stale(claim, pod, POD) for claim in self._of(stateful_set, pod))

    def are_settled(self, stateful_set: Object, pod: Object) -> bool:
        return all(is_settled(claim, stateful_set, pod) for claim in self._of(stateful_set, pod))

    async def create_missing(self, stateful_set: Object, pod: Object) -> None:
        """Raises when a claim cannot be made, or is being deleted: the pod must not take that one."""
        for claim in facts.claims(stateful_set, pod):
            name, namespace = claim["metadata"]["name"], claim["metadata"]["namespace"]
            known = self.known.get(namespace, name)
            if known is not None and known["metadata"].get("deletionTimestamp"):
                raise StatusError(409, "Conflict", f"pvc {name} is being deleted")
            if known is None:
                await self._create(stateful_set, pod, claim)

    async def _create(self, stateful_set: Object, pod: Object, claim: Object) -> None:
        name, owner = claim["metadata"]["name"], stateful_set["metadata"]["name"]
        pod_name = pod["metadata"]["name"]
        try:
            await self.claims.create(claim, claim["metadata"]["namespace"])
        except StatusError as error:
            if error.reason == "AlreadyExists":
                return  # the informer will show it
            message = f"Create Claim {name} for Pod {pod_name} in StatefulSet {owner} failed error: {error.message}"
            self.recorder.event(stateful_set, "Warning", "FailedCreate", message)
            raise
        message = f"Create Claim {name} Pod {pod_name} in StatefulSet {owner} success"
        self.recorder.event(stateful_set, "Normal", "SuccessfulCreate", message)

    async def settle(self, stateful_set: Object, pod: Object) -> None:
        """Give the pod's claims the owners that the policy wants."""
        for claim in self._of(stateful_set, pod):
            name = claim["metadata"]["name"]
            if has_other_controller(claim, stateful_set, pod):
                message = (
                    f"PersistentVolumeClaim {name} has a conflicting OwnerReference that acts as a manging controller, "
                    "the retention policy is ignored for this claim"
                )
                self.recorder.event(stateful_set, "Warning", "ConflictingController", message)
            if not is_settled(claim, stateful_set, pod):
                meta = {**claim["metadata"], "ownerReferences": owners_after(claim, stateful_set, pod)}
                await self.claims.update({**claim, "metadata": meta})
