"""PodSecurity: pods are held to the standard of their namespace; their templates are warned of.

Mirrors upstream plugin/pkg/admission/security/podsecurity and pod-security-admission/admission, without a configuration file:
nothing is enforced where a namespace does not say so, and nobody is exempt.
"""

from __future__ import annotations

from collections.abc import Sequence

from apiserver.admission import lookups
from apiserver.admission.interface import CREATE, UPDATE, AdmissionPlugin, Attributes
from apiserver.admission.pods import PODS
from apiserver.admission.podsecurity.evaluation import findings, reasons, shown
from apiserver.admission.podsecurity.findings import Finding, Pod
from apiserver.admission.podsecurity.policy import LEVELS, PRIVILEGED, Policy, Standard, policy_of
from apiserver.apimachinery import errors
from apiserver.apimachinery.errors import StatusError, go_quote, internal_error, invalid_object
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object, controller_of, get, labels_of, name_of

NAMESPACES = GroupResource("", "namespaces")
TEMPLATE, JOB_TEMPLATE = ("spec", "template"), ("spec", "jobTemplate", "spec", "template")
TEMPLATES = {
    GroupResource("", "podtemplates"): ("template",),
    GroupResource("", "replicationcontrollers"): TEMPLATE,
    GroupResource("apps", "replicasets"): TEMPLATE,
    GroupResource("apps", "deployments"): TEMPLATE,
    GroupResource("apps", "statefulsets"): TEMPLATE,
    GroupResource("apps", "daemonsets"): TEMPLATE,
    GroupResource("batch", "jobs"): TEMPLATE,
    GroupResource("batch", "cronjobs"): JOB_TEMPLATE,
}
ANNOTATION = "pod-security.kubernetes.io/"
MAX_PODS = 3000  # of a namespace, looked at when it gets a stricter standard
IGNORED = ("attach", "binding", "eviction", "exec", "log", "portforward", "proxy", "status")


class PodSecurity(AdmissionPlugin):
    name = "PodSecurity"
    operations = frozenset({CREATE, UPDATE})
    resources = frozenset({NAMESPACES, PODS, *TEMPLATES})

    async def validate(self, attributes: Attributes) -> None:
        obj = attributes.obj
        if obj is None:
            return
        if attributes.group_resource == NAMESPACES:
            self._check_namespace(attributes, obj)
        elif attributes.group_resource == PODS:
            await self._check_pod(attributes, obj)
        elif not attributes.subresource:
            await self._check_template(attributes, obj)

    def _check_namespace(self, attributes: Attributes, namespace: Object) -> None:
        if attributes.subresource:
            return
        policy, wrong = policy_of(labels_of(namespace))
        old_policy, old_wrong = policy_of(labels_of(attributes.old or {}))
        if wrong and (attributes.operation == CREATE or wrong != old_wrong):
            raise invalid_object(attributes.kind.group_kind, attributes.name, wrong)
        if attributes.operation == UPDATE and _is_stricter(policy.enforce, old_policy.enforce):
            pods = lookups.listed(self.dependencies, PODS, name_of(namespace))
            attributes.warnings.extend(namespace_warnings(name_of(namespace), pods, policy.enforce))

    async def _check_pod(self, attributes: Attributes, pod: Object) -> None:
        if attributes.subresource in IGNORED:
            return
        try:
            namespace = await lookups.namespace_of(self.dependencies, attributes.namespace)
        except StatusError as e:
            raise internal_error(f"failed to lookup namespace {go_quote(attributes.namespace)}") from e
        policy, wrong = policy_of(labels_of(namespace))
        if policy.is_privileged and not wrong:
            return
        if attributes.operation == UPDATE and not is_significant(pod, attributes.old or {}):
            return
        judged = _judged(pod)
        found = findings(policy.enforce, judged)
        attributes.annotations[f"{ANNOTATION}enforce-policy"] = str(policy.enforce)
        if found:
            why = f"violates PodSecurity {go_quote(str(policy.enforce))}: {shown(found)}"
            raise errors.forbidden(attributes.group_resource, attributes.name, why)
        _note(attributes, policy, judged)

    async def _check_template(self, attributes: Attributes, obj: Object) -> None:
        template = get(obj, *TEMPLATES[attributes.group_resource])
        namespace = lookups.cached(self.dependencies, NAMESPACES, "", attributes.namespace)
        if template is None or namespace is None:
            return
        policy, _ = policy_of(labels_of(namespace))
        _note(attributes, policy, _judged(template))


def _judged(holder: Object) -> Pod:
    return Pod(get(holder, "metadata", "annotations", default={}), holder.get("spec") or {})


def _note(attributes: Attributes, policy: Policy, pod: Pod) -> None:
    """What is not refused, but audited or warned of."""
    if audited := findings(policy.audit, pod):
        text = f"would violate PodSecurity {go_quote(str(policy.audit))}: {shown(audited)}"
        attributes.annotations[f"{ANNOTATION}audit-violations"] = text
    if warned := findings(policy.warn, pod):
        attributes.warnings.append(f"would violate PodSecurity {go_quote(str(policy.warn))}: {shown(warned)}")


def _is_stricter(new: Standard, old: Standard) -> bool:
    """Whether pods that were fine may be so no more."""
    if new == old or new.level == PRIVILEGED:
        return False
    return new.minor != old.minor or LEVELS.index(new.level) > LEVELS.index(old.level)


def is_significant(pod: Object, old: Object) -> bool:
    """Whether an update of a pod can change what the checks see: other images, or more containers."""
    for field in ("containers", "initContainers"):
        now, before = (get(one, "spec", field, default=[]) for one in (pod, old))
        if [c.get("image") for c in now] != [c.get("image") for c in before]:
            return True
    known = {c.get("name"): c.get("image") for c in get(old, "spec", "ephemeralContainers", default=())}
    added = get(pod, "spec", "ephemeralContainers", default=())
    return any(c.get("name") not in known or known[c.get("name")] != c.get("image") for c in added)


def namespace_warnings(namespace: str, pods: Sequence[Object], standard: Standard) -> list[str]:
    """What a namespace's pods do that its new standard does not allow; one of each controller's first."""
    ordered = _prioritized(pods)
    by_reason: dict[str, list[str]] = {}
    for pod in ordered[:MAX_PODS]:
        found: list[Finding] = findings(standard, _judged(pod))
        if found:
            by_reason.setdefault(reasons(found), []).append(name_of(pod))
    warnings = []
    if len(ordered) > MAX_PODS:
        counts = f"the first {MAX_PODS} of {len(ordered)} existing pods"
        warnings.append(f"new PodSecurity enforce level only checked against {counts}")
    if by_reason:
        warnings.append(
            f"existing pods in namespace {go_quote(namespace)} violate the new PodSecurity enforce level "
            f"{go_quote(str(standard))}"
        )
    return warnings + sorted(_counted(names, reason) for reason, names in by_reason.items())


def _prioritized(pods: Sequence[Object]) -> list[Object]:
    first: list[Object] = []
    repeated: list[Object] = []
    seen: set[str] = set()
    for pod in pods:
        owner = (controller_of(pod) or {}).get("uid")
        (repeated if owner in seen else first).append(pod)
        if owner:
            seen.add(owner)
    return first + repeated


def _counted(names: list[str], reason: str) -> str:
    others = len(names) - 1
    more = "" if not others else f" (and {others} other {'pod' if others == 1 else 'pods'})"
    return f"{min(names)}{more}: {reason}"
