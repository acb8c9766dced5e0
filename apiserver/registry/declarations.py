"""What can be wrong with the declarations of kinds, told when the server starts and not with the first request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from apiserver.apimachinery.schemas import builtin
from apiserver.registry.resource import Resource, Subresource

_METHODS = {"get": "get", "create": "create", "update": "update", "patch": "update", "connect": "connect"}


class DeclarationError(ValueError):
    """Kinds that cannot be served as they are declared; the message names each with all that is wrong."""


def check(resources: Sequence[Resource]) -> None:
    """Raise DeclarationError for what `problems` finds."""
    found = list(problems(resources))
    if found:
        raise DeclarationError("; ".join(found))


def problems(resources: Iterable[Resource]) -> Iterator[str]:
    """Everything wrong with the resources, each one's faults after its name, and where they get in each other's way."""
    seen: list[Resource] = []
    for resource in resources:
        for fault in (*_faults(resource), *_collisions(resource, seen)):
            yield f"{resource.group_resource}: {fault}"
        seen.append(resource)


def _faults(resource: Resource) -> Iterator[str]:
    versions = [version.name for version in resource.versions]
    shown = ", ".join(versions) or "none"
    elsewhere = resource.storage_version not in versions and not resource.storage_group_version
    if elsewhere and resource.convert is None:
        yield f"storage_version {resource.storage_version!r} is none of its versions ({shown})"
    if len(versions) > 1 and resource.convert is None:
        yield f"several versions ({shown}) need `convert`"
    if resource.plural != resource.plural.lower():
        yield f"plural {resource.plural!r} has to be in small letters"
    said = getattr(resource.strategy, "namespaced", resource.namespaced)
    if said != resource.namespaced:
        yield f"its strategy says namespaced = {said}, the Resource {resource.namespaced}"
    yield from _schema_faults(resource, versions)
    for field in filter(None, (resource.watch_index, *resource.field_aliases.values())):
        if field not in resource.selectable and not field.startswith("metadata."):
            yield f"{field} is not among its selectable fields"
    for subresource in resource.subresources:
        yield from _subresource_faults(subresource)


def _schema_faults(resource: Resource, versions: Sequence[str]) -> Iterator[str]:
    elsewhere = resource.storage_group_version or resource.convert is None
    stored = () if elsewhere else (resource.storage_version,)
    for version in dict.fromkeys((*versions, *stored)):
        if resource.schemas is not None:
            if version not in resource.schemas:
                yield f"`schemas` has none for {version}"
        elif not _is_built_in(resource, version):
            yield f"Kubernetes has no schema for {resource.gvk(version)}: give `schemas` (apimachinery/own_schemas.py)"


def _is_built_in(resource: Resource, version: str) -> bool:
    try:
        builtin().definition_name(resource.gvk(version))
    except KeyError:
        return False
    return True


def _subresource_faults(subresource: Subresource) -> Iterator[str]:
    where = f"subresource {subresource.name}"
    if (subresource.strategy is None) == (subresource.rest is None):
        yield f"{where} needs either a `strategy` or a `rest`"
    if isinstance(subresource.rest, type):
        for verb in subresource.verbs:
            if not hasattr(subresource.rest, _METHODS.get(verb, verb)):
                yield f"{where}: {subresource.rest.__name__} has no method for the verb {verb}"


def _collisions(resource: Resource, seen: Iterable[Resource]) -> Iterator[str]:
    for other in seen:
        if other.group_resource == resource.group_resource:
            yield "is declared twice"
        elif other.group_kind == resource.group_kind and resource.rest is None and other.rest is None:
            yield f"{other.plural} is of the kind {resource.kind}, too"
        stored = resource.rest is None and other.rest is None and resource.kind != other.kind  # events: one kind, twice
        if stored and _overlap(resource.prefix, other.prefix):
            yield f"is stored under {resource.prefix}, where {other.group_resource} is: give a `storage_prefix`"


def _overlap(one: str, other: str) -> bool:
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")
