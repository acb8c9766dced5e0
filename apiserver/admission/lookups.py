"""Reading the cluster during admission: from memory first, from storage where memory may lag."""

from __future__ import annotations

from collections.abc import Sequence

from apiserver.admission.interface import AdmissionDependencies
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import StatusError, go_quote, not_found
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object

NAMESPACES = GroupResource("", "namespaces")


def cached(dependencies: AdmissionDependencies, resource: GroupResource, namespace: str, name: str) -> Object | None:
    """The object as memory has it; None also where the resource is not served."""
    try:
        return dependencies.listers(resource).get(namespace, name)
    except KeyError:
        return None


def unaskable(name: str) -> str:
    """Why upstream's client would not ask for an object of that name (client-go rest/request.go); "" where it does."""
    if not name:
        return "resource name may not be empty"
    errors = formats.path_segment_name(name, prefix=False)
    return f"invalid resource name {go_quote(name)}: [{' '.join(errors)}]" if errors else ""


def unknown(resource: GroupResource, name: str) -> StatusError:
    """The 404 of an upstream lister, which names the singular: `pod "x" not found`."""
    return not_found(GroupResource(resource.group, resource.resource.removesuffix("s")), name)


def listed(dependencies: AdmissionDependencies, resource: GroupResource, namespace: str = "") -> Sequence[Object]:
    """The objects as memory has them; none where the resource is not served."""
    try:
        return dependencies.listers(resource).list(namespace)
    except KeyError:
        return ()


async def namespace_of(dependencies: AdmissionDependencies, name: str) -> Object:
    """The namespace, from storage when memory does not know it; a 404 StatusError when there is none."""
    found = cached(dependencies, NAMESPACES, "", name)
    if found is None:
        found = await dependencies.read(NAMESPACES, "", name)
    if found is None:
        raise not_found(NAMESPACES, name)
    return found
