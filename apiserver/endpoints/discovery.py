"""Discovery documents: which groups, versions and resources there are. Pure functions of the Resources that are served.

Legacy documents (APIVersions, APIGroupList, APIGroup, APIResourceList) and the aggregated one (APIGroupDiscoveryList, v2).
Mirrors upstream endpoints/installer.go (APIResource), endpoints/discovery and kube-aggregator's handler_apis.go.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson

from apiserver.apimachinery.gvk import GroupVersion
from apiserver.endpoints.group_order import group_versions
from apiserver.registry.resource import Resource, Subresource

Document = dict[str, Any]

DISCOVERY_GROUP, DISCOVERY_VERSION, DISCOVERY_KIND = "apidiscovery.k8s.io", "v2", "APIGroupDiscoveryList"

_PROXY_VERBS = ("create", "delete", "get", "patch", "update")
_CONNECT_VERBS = ("create", "get")
_CUSTOM_ORDER = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")


def served(resources: Iterable[Resource]) -> Iterator[tuple[Resource, GroupVersion]]:
    for resource in resources:
        for version in resource.versions:
            if version.served:
                yield resource, GroupVersion(resource.group, version.name)


def ordered_groups(resources: Iterable[Resource]) -> dict[str, list[str]]:
    """Group → served versions, both in discovery's order."""
    return group_versions(group_version for _, group_version in served(resources))


def storage_version_hash(resource: Resource) -> str:
    """What changes when objects are stored in another version; "" for what is not stored."""
    if resource.rest is not None:
        return ""
    group, version = GroupVersion.parse(resource.stored_api_version)
    digest = hashlib.sha256(f"{group}/{version}/{resource.kind}".encode()).digest()
    return base64.b64encode(digest[:8]).decode()


def api_versions(server_address: str) -> Document:
    """GET /api."""
    cidrs = [{"clientCIDR": "0.0.0.0/0", "serverAddress": server_address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": cidrs}


def api_group_list(resources: Sequence[Resource]) -> Document:
    """GET /apis."""
    groups = [_group(name, versions) for name, versions in ordered_groups(resources).items() if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def api_group(resources: Sequence[Resource], group: str) -> Document | None:
    """GET /apis/<group>; None when it is not served."""
    versions = ordered_groups(r for r in resources if r.group == group).get(group)
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(group, versions)} if versions else None


def _group(name: str, versions: Sequence[str]) -> Document:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def api_resource_list(resources: Sequence[Resource], group_version: GroupVersion) -> Document | None:
    """GET /api/v1 and /apis/<group>/<version>; None when it is not served."""
    found = [resource for resource, gv in served(resources) if gv == group_version]
    if not found:
        return None
    listed = sorted((entry for r in found for entry in _entries(r, group_version)), key=lambda entry: entry["name"])
    document = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": str(group_version), "resources": listed}
    if group_version == GroupVersion("", "v1"):
        del document["apiVersion"]  # the oldest document never had one
    return document


def _entries(resource: Resource, group_version: GroupVersion) -> Iterator[Document]:
    yield _entry(resource)
    for subresource in resource.subresources:
        yield _subresource_entry(resource, subresource, group_version)


def _verbs(resource: Resource) -> list[str]:
    if resource.schemas is not None:
        return [verb for verb in _CUSTOM_ORDER if verb in resource.verbs]
    return sorted(resource.verbs)


def _entry(resource: Resource) -> Document:
    entry: Document = {
        "name": resource.plural,
        "singularName": resource.singular_name,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": _verbs(resource),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if hash_ := storage_version_hash(resource):
        entry["storageVersionHash"] = hash_
    return entry


def _subresource_verbs(subresource: Subresource) -> list[str]:
    if "connect" not in subresource.verbs:
        return sorted(subresource.verbs)
    connect = _PROXY_VERBS if subresource.name == "proxy" else _CONNECT_VERBS
    return sorted({*connect, *subresource.verbs} - {"connect"})


def _foreign_kind(subresource: Subresource, group_version: GroupVersion) -> GroupVersion | None:
    """The group version of the body's kind, where it is another one (Scale, Eviction, TokenRequest)."""
    kind = subresource.kind
    return kind.group_version if kind is not None and kind.group_version != group_version else None


def _subresource_entry(resource: Resource, subresource: Subresource, group_version: GroupVersion) -> Document:
    entry: Document = {
        "name": f"{resource.plural}/{subresource.name}",
        "singularName": "",
        "namespaced": resource.namespaced,
    }
    if foreign := _foreign_kind(subresource, group_version):
        entry.update(group=foreign.group, version=foreign.version)
    entry["kind"] = subresource.kind.kind if subresource.kind else resource.kind
    entry["verbs"] = _subresource_verbs(subresource)
    return entry


def aggregated(resources: Sequence[Resource], *, core: bool) -> Document:
    """The aggregated document of /api (`core`) or /apis."""
    items = []
    for group, versions in ordered_groups(resources).items():
        if core == (not group):
            described = [_version(resources, GroupVersion(group, version)) for version in versions]
            items.append({"metadata": {"name": group} if group else {}, "versions": described})
    return {
        "kind": DISCOVERY_KIND,
        "apiVersion": f"{DISCOVERY_GROUP}/{DISCOVERY_VERSION}",
        "metadata": {},
        "items": items,
    }


def _version(resources: Sequence[Resource], group_version: GroupVersion) -> Document:
    found = [resource for resource, gv in served(resources) if gv == group_version]
    described = [_discovered(r, group_version) for r in sorted(found, key=lambda r: r.plural)]
    return {"version": group_version.version, "resources": described, "freshness": "Current"}


def _response_kind(kind: str, group_version: GroupVersion | None = None) -> Document:
    group, version = group_version or ("", "")
    return {"group": group, "version": version, "kind": kind}


def _discovered(resource: Resource, group_version: GroupVersion) -> Document:
    found: Document = {
        "resource": resource.plural,
        "responseKind": _response_kind(resource.kind, group_version if resource.schemas is not None else None),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular_name,
        "verbs": _verbs(resource),
    }
    if resource.short_names:
        found["shortNames"] = list(resource.short_names)
    if resource.categories:
        found["categories"] = list(resource.categories)
    if resource.subresources:
        below = sorted(resource.subresources, key=lambda s: s.name)
        found["subresources"] = [_discovered_subresource(resource, s, group_version) for s in below]
    return found


def _discovered_subresource(resource: Resource, subresource: Subresource, group_version: GroupVersion) -> Document:
    foreign = _foreign_kind(subresource, group_version)
    if foreign is None and resource.schemas is not None:
        foreign = group_version
    kind = subresource.kind.kind if subresource.kind else resource.kind
    return {
        "subresource": subresource.name,
        "responseKind": _response_kind(kind, foreign),
        "verbs": _subresource_verbs(subresource),
    }


def etag(document: Document) -> str:
    """The ETag of an aggregated document: upstream hashes it without its kind."""
    body = {key: value for key, value in document.items() if key not in ("kind", "apiVersion")}
    return hashlib.sha512(orjson.dumps(body)).hexdigest().upper()
