"""IngressClass: who takes care of Ingresses that name it."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.api.columns import AGE, NAME_DESCRIPTION
from apiserver.api.strategy import KindStrategy, metadata_update_errors
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError, field_forbidden, invalid, not_supported, required, too_long
from apiserver.apimachinery.object_meta import domain_prefixed_path_errors, immutable
from apiserver.apimachinery.objects import Object, annotations_of, get, name_of
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion

DEFAULT_ANNOTATION = "ingressclass.kubernetes.io/is-default-class"
MAX_CONTROLLER = 250
SCOPES = ("Cluster", "Namespace")


class IngressClassStrategy(KindStrategy):
    """Mirrors upstream registry/networking/ingressclass and its validation."""

    namespaced = False
    has_generation = True

    def default(self, obj: Object) -> None:
        parameters = obj.setdefault("spec", {}).get("parameters")
        if parameters is not None and parameters.get("scope") is None:
            parameters["scope"] = "Cluster"

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        controller = get(obj, "spec", "controller", default="")
        if formats.byte_length(controller) > MAX_CONTROLLER:
            yield too_long("spec.controller", MAX_CONTROLLER)
        yield from domain_prefixed_path_errors(controller, "spec.controller")
        parameters = get(obj, "spec", "parameters")
        if parameters is not None:
            named = list(object_reference_errors(parameters, "spec.parameters"))
            # What is missing is told last, by declaration.
            yield from (error for error in named if error.reason != "FieldValueRequired")
            yield from _scope_errors(parameters, "spec.parameters")
            yield from (error for error in named if error.reason == "FieldValueRequired")

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from metadata_update_errors(obj, old)
        now, before = (get(one, "spec", "controller", default="") for one in (obj, old))
        yield from immutable(now, before, "spec.controller")
        yield from self.validate_whole(ctx, obj)


def object_reference_errors(reference: Object, path: str) -> Iterator[FieldError]:
    """A reference to an object by group, kind and name (upstream validateIngressTypedLocalObjectReference)."""
    group = reference.get("apiGroup")
    for message in formats.dns1123_subdomain(group) if group is not None else ():
        yield invalid(f"{path}.apiGroup", group, message)
    for field in ("kind", "name"):
        value = reference.get(field) or ""
        if not value:
            yield required(f"{path}.{field}")
        for message in formats.path_segment_name(value, False) if value else ():
            yield invalid(f"{path}.{field}", value, message)


def _scope_errors(parameters: Object, path: str) -> Iterator[FieldError]:
    scope, namespace = parameters.get("scope"), parameters.get("namespace")
    if scope not in SCOPES:
        yield not_supported(f"{path}.scope", scope, SCOPES)
    elif scope == "Cluster":
        if namespace is not None:
            yield field_forbidden(f"{path}.namespace", "`parameters.scope` is set to 'Cluster'")
    elif namespace is None:
        yield required(f"{path}.namespace", "`parameters.scope` is set to 'Namespace'")
    else:
        for message in formats.dns1123_label(namespace):
            yield invalid(f"{path}.namespace", namespace, message)


def _name_cell(obj: Object, now: float) -> str:
    marked = annotations_of(obj).get(DEFAULT_ANNOTATION) == "true"
    return f"{name_of(obj)} (default)" if marked else name_of(obj)


def _parameters_cell(obj: Object, now: float) -> str:
    parameters = get(obj, "spec", "parameters")
    if parameters is None:
        return "<none>"
    group = parameters.get("apiGroup")
    kind = parameters.get("kind") or ""
    return f"{kind if group is None else f'{kind}.{group}'}/{parameters.get('name') or ''}"


RESOURCE = Resource(
    group="networking.k8s.io",
    plural="ingressclasses",
    kind="IngressClass",
    namespaced=False,
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=IngressClassStrategy(),
    empty={"spec": {}},
    columns=(
        Column("Name", _name_cell, format="name", description=NAME_DESCRIPTION),
        Column(
            "Controller",
            lambda obj, now: get(obj, "spec", "controller", default=""),
            description="Controller that is responsible for handling this class",
        ),
        Column("Parameters", _parameters_cell, description="A reference to a resource with additional parameters"),
        AGE,
    ),
)
