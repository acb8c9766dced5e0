"""A pod that is updated: few fields of its spec may change (upstream ValidatePodUpdate)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from apiserver.api.strategy import metadata_update_errors
from apiserver.api.validation.pod.annotations import annotations_update_errors
from apiserver.api.validation.pod.create import annotations_and_spec_errors
from apiserver.api.validation.pod.diff import spec_diff
from apiserver.api.validation.pod.options import PodOptions
from apiserver.api.validation.pod.scheduling import REQUIRED, tolerations_errors
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError, field_forbidden, invalid, required
from apiserver.apimachinery.objects import Object

UPDATABLE = (
    "`spec.containers[*].image`",
    "`spec.initContainers[*].image`",
    "`spec.activeDeadlineSeconds`",
    "`spec.tolerations` (only additions to existing tolerations)",
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
)

MetadataErrors = Callable[[Object], Iterator[FieldError]]


def pod_update_errors(pod: Object, old: Object, options: PodOptions, metadata: MetadataErrors) -> Iterator[FieldError]:
    yield from metadata_update_errors(pod, old)
    yield from metadata(pod)
    yield from annotations_and_spec_errors(pod, options)
    yield from annotations_update_errors(pod, old, "metadata.annotations", options)
    yield from spec_update_errors(pod["spec"], old["spec"], options)


def spec_update_errors(spec: Object, old: Object, options: PodOptions) -> Iterator[FieldError]:
    """What a change of the spec may not do."""
    for field in ("containers", "initContainers"):
        containers, before = spec.get(field) or [], old.get(field) or []
        if len(containers) != len(before):
            yield field_forbidden(f"spec.{field}", "pod updates may not add or remove containers")
            return
        yield from _image_errors(containers, f"spec.{field}")
    deadline_errors = list(_deadline_errors(spec.get("activeDeadlineSeconds"), old.get("activeDeadlineSeconds")))
    yield from deadline_errors
    if deadline_errors and spec.get("activeDeadlineSeconds") is not None:
        return
    yield from _tolerations_errors(spec.get("tolerations") or [], old.get("tolerations") or [], options)
    yield from _gates_errors(spec.get("schedulingGates") or [], old.get("schedulingGates") or [])
    if spec == old:
        return
    munged = _munged(spec, old)
    if old.get("schedulingGates"):
        yield from _gated_errors(munged, old)
    if munged != old:
        message = f"pod updates may not change fields other than {','.join(UPDATABLE)}\n{spec_diff(old, munged)}"
        yield field_forbidden("spec", message)


def _image_errors(containers: list[Object], path: str) -> Iterator[FieldError]:
    for i, container in enumerate(containers):
        image = container.get("image") or ""
        if not image:
            yield required(f"{path}[{i}].image")
        if image.strip() != image:
            yield invalid(f"{path}[{i}].image", image, "must not have leading or trailing whitespace")


def _deadline_errors(deadline: int | None, old: int | None) -> Iterator[FieldError]:
    path = "spec.activeDeadlineSeconds"
    if deadline is None:
        if old is not None:
            yield invalid(path, None, "must not update from a positive integer to nil value")
    elif not 0 <= deadline <= formats.MAX_INT32:
        yield invalid(path, deadline, formats.range_error(0, formats.MAX_INT32))
    elif old is not None and old < deadline:
        yield invalid(path, deadline, "must be less than or equal to previous value")


def _tolerations_errors(tolerations: list[Object], old: list[Object], options: PodOptions) -> Iterator[FieldError]:
    """Existing ones stay, but for their seconds."""
    path = "spec.tolerations"
    for toleration in old:
        kept = {**toleration, "tolerationSeconds": None}
        if not any({**new, "tolerationSeconds": None} == kept for new in tolerations):
            message = "existing toleration can not be modified except its tolerationSeconds"
            yield field_forbidden(path, message)
            return
    yield from tolerations_errors(tolerations, path, options)


def _gates_errors(gates: list[Object], old: list[Object]) -> Iterator[FieldError]:
    """A name that is new is told once, where it stands last."""
    before = {gate.get("name") or "" for gate in old}
    for name, i in {gate.get("name") or "": i for i, gate in enumerate(gates)}.items():
        if name not in before:
            message = f"only deletion is allowed, but found new scheduling gate '{name}'"
            yield field_forbidden(f"spec.schedulingGates[{i}].name", message)


def _keep(munged: Object, old: Object, field: str) -> None:
    if old.get(field) is not None:
        munged[field] = old[field]
    else:
        munged.pop(field, None)


def _munged(spec: Object, old: Object) -> Object:
    """The new spec with everything that may change taken from the old one."""
    munged = dict(spec)
    for field in ("containers", "initContainers"):
        if spec.get(field):
            munged[field] = [_with_image(c, o) for c, o in zip(spec[field], old[field], strict=True)]
    for field in ("activeDeadlineSeconds", "schedulingGates", "tolerations"):
        _keep(munged, old, field)
    if (old.get("terminationGracePeriodSeconds") or 0) < 0 and munged.get("terminationGracePeriodSeconds") == 1:
        _keep(munged, old, "terminationGracePeriodSeconds")
    return munged


def _with_image(container: Object, old: Object) -> Object:
    changed = dict(container)
    _keep(changed, old, "image")
    return changed


def _gated_errors(munged: Object, old: Object) -> Iterator[FieldError]:
    """A pod that waits at a gate may narrow where it runs."""
    selector, old_selector = munged.get("nodeSelector") or {}, old.get("nodeSelector") or {}
    if selector != old_selector:
        if any(selector.get(key) != value for key, value in old_selector.items()):
            message = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
            yield invalid("spec.nodeSelector", selector or None, message)
        _keep(munged, old, "nodeSelector")
    affinity, old_affinity = munged.get("affinity"), old.get("affinity")
    node, old_node = (affinity or {}).get("nodeAffinity"), (old_affinity or {}).get("nodeAffinity")
    if node == old_node:
        return
    yield from _node_affinity_errors(node or {}, old_node)
    if affinity is None:
        munged["affinity"] = {"nodeAffinity": old_node}
    elif old_affinity is None and not affinity.get("podAffinity") and not affinity.get("podAntiAffinity"):
        del munged["affinity"]
    else:
        munged["affinity"] = dict(affinity)
        _keep(munged["affinity"], old_affinity or {}, "nodeAffinity")


def _node_affinity_errors(affinity: Object, old: Object | None) -> Iterator[FieldError]:
    if old is None or old.get(REQUIRED) is None:
        return
    path = f"spec.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms"
    before = old[REQUIRED].get("nodeSelectorTerms") or []
    terms = (affinity.get(REQUIRED) or {}).get("nodeSelectorTerms") or []
    if before and len(before) != len(terms):
        message = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        yield invalid(path, [_shown_term(term) for term in terms] or None, message)
        return
    for i, term in enumerate(before):
        if not _only_adds(terms[i], term):
            message = "only additions are allowed (no mutations or deletions)"
            yield invalid(f"{path}[{i}]", _shown_term(terms[i]), message)


def _shown_term(term: Object) -> Object:
    """As upstream's internal type prints."""
    shown: Object = {}
    for field in ("matchExpressions", "matchFields"):
        requirements = term.get(field)
        shown[field[0].upper() + field[1:]] = (
            [
                {"Key": r.get("key") or "", "Operator": r.get("operator") or "", "Values": r.get("values")}
                for r in requirements
            ]
            if requirements is not None
            else None
        )
    return shown


def _only_adds(term: Object, old: Object) -> bool:
    fields = ("matchExpressions", "matchFields")
    if not any(old.get(field) for field in fields):
        return not any(term.get(field) for field in fields)
    return all((term.get(field) or [])[: len(old.get(field) or ())] == (old.get(field) or []) for field in fields)
