"""What validation lets pass because the stored pod has it already.

Mirrors upstream pkg/api/pod/util.go (GetValidationOptionsFromPodSpecAndMeta) with feature gates at their defaults.
Everything is worked out when it is asked for: most updates ask for little.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

from apiserver.api.podspec.containers import all_containers, is_sidecar, sub
from apiserver.api.validation.label_selectors import label_selector_errors
from apiserver.apimachinery import formats
from apiserver.apimachinery.objects import Object


class PodOptions:
    """For one validation: `old` is the stored spec (None on create), `is_pod` tells a pod from a template."""

    def __init__(
        self, old: Object | None = None, old_annotations: Mapping[str, str] | None = None, *, is_pod: bool = True
    ):
        self.old = old
        self._old_annotations = old_annotations
        self.is_pod = is_pod

    @cached_property
    def any_deletion_cost(self) -> bool:
        from apiserver.api.validation.pod.annotations import deletion_cost_is_valid

        return self._old_annotations is not None and not deletion_cost_is_valid(self._old_annotations)

    @cached_property
    def any_huge_pages(self) -> bool:
        from apiserver.api.podspec.quantities import quantity
        from apiserver.api.validation.resources import is_huge_page, is_page_multiple

        for holder in [*all_containers(self.old or {}), self.old or {}]:
            for side in ("limits", "requests"):
                amounts = sub(holder, "resources", side)
                for name in amounts:
                    if is_huge_page(name) and not is_page_multiple(name, quantity(amounts, name)):
                        return True
        return False

    @cached_property
    def any_affinity_values(self) -> bool:
        return any(_selector_problems(term) for term in _affinity_terms(self.old))

    @cached_property
    def any_node_affinity_values(self) -> bool:
        terms = sub(self.old or {}, "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
        return any(
            formats.label_value(value)
            for term in terms.get("nodeSelectorTerms") or ()
            for expression in term.get("matchExpressions") or ()
            for value in expression.get("values") or ()
        )

    @cached_property
    def any_spread_selector(self) -> bool:
        return any(
            any(label_selector_errors(constraint.get("labelSelector"), "")) for constraint in _constraints(self.old)
        )

    @cached_property
    def legacy_label_keys(self) -> bool:
        """The stored constraints break the rules of 1.34 for matchLabelKeys: the older ones go on."""
        from apiserver.api.validation.pod.scheduling import label_keys_errors

        return any(
            any(label_keys_errors("", c.get("matchLabelKeys") or (), (), c.get("labelSelector")))
            for c in _constraints(self.old)
        )

    @cached_property
    def any_token_path(self) -> bool:
        from apiserver.api.validation.pod.paths import local_path_errors

        for volume in (self.old or {}).get("volumes") or ():
            for source in sub(volume, "projected").get("sources") or ():
                token = source.get("serviceAccountToken")
                if token is not None and any(local_path_errors(token.get("path") or "", "")):
                    return True
        return False

    @cached_property
    def any_host_sysctls(self) -> bool:
        from apiserver.api.validation.pod.security import host_sysctl_error

        old = self.old or {}
        sysctls = sub(old, "securityContext").get("sysctls") or ()
        return any(host_sysctl_error(s.get("name") or "", old, "") is not None for s in sysctls)

    @cached_property
    def restart_in_init_resize(self) -> bool:
        return any(
            policy.get("restartPolicy") == "RestartContainer"
            for container in (self.old or {}).get("initContainers") or ()
            if not is_sidecar(container)
            for policy in container.get("resizePolicy") or ()
        )

    @cached_property
    def devices_with_user_namespace(self) -> bool:
        old = self.old or {}
        return old.get("hostUsers") is False and any(c.get("volumeDevices") for c in all_containers(old))

    @cached_property
    def any_image_reference(self) -> bool:
        volumes = (self.old or {}).get("volumes") or ()
        return any(v.get("image") is not None and not v["image"].get("reference") for v in volumes)

    @cached_property
    def sys_admin_without_escalation(self) -> bool:
        for container in all_containers(self.old or {}):
            context = container.get("securityContext")
            if context is None or context.get("allowPrivilegeEscalation"):
                continue
            if "CAP_SYS_ADMIN" in (sub(context, "capabilities").get("add") or ()):
                return True
        return False

    @cached_property
    def host_network_with_user_namespace(self) -> bool:
        old = self.old or {}
        return bool(old.get("hostNetwork")) and old.get("hostUsers") is False

    @cached_property
    def comparing_tolerations(self) -> bool:
        return any(t.get("operator") in ("Lt", "Gt") for t in (self.old or {}).get("tolerations") or ())


def options_of(spec: Object, old_spec: Object | None, old_annotations: Mapping[str, str] | None) -> PodOptions:
    """The options for a pod that is created (no old spec) or updated."""
    return PodOptions(old_spec, old_annotations)


def _constraints(spec: Object | None) -> list[Object]:
    return (spec or {}).get("topologySpreadConstraints") or []


def _affinity_terms(spec: Object | None) -> Iterator[Object]:
    affinity = sub(spec or {}, "affinity")
    for kind in ("podAffinity", "podAntiAffinity"):
        terms = affinity.get(kind) or {}
        yield from terms.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
        for weighted in terms.get("preferredDuringSchedulingIgnoredDuringExecution") or ():
            yield weighted.get("podAffinityTerm") or {}


def _selector_problems(term: Object) -> bool:
    return any(label_selector_errors(term.get("labelSelector"), "")) or any(
        label_selector_errors(term.get("namespaceSelector"), "")
    )
