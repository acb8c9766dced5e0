"""OpenAPI documents of what is served: one of version 3 for each group and version, one of version 2 for everything.

Schemas come from the built-in facts, or from a custom resource's own; each document holds the definitions its paths need.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson

from apiserver.apimachinery import schema as types
from apiserver.apimachinery.gvk import GroupVersion, GroupVersionKind
from apiserver.apimachinery.schema import Schema
from apiserver.apimachinery.schemas import builtin
from apiserver.endpoints import openapi_prose, openapi_shared
from apiserver.endpoints.discovery import served
from apiserver.endpoints.openapi_operations import DELETE_OPTIONS, WATCH_EVENT, Json, Paths
from apiserver.registry.resource import Resource

TITLE, VERSION, OPENAPI = "Kubernetes", "1.37", "3.0.0"
FORM = "4"  # to be raised when documents of the same resources come to look differently

_REF3, _REF2 = "#/components/schemas/", "#/definitions/"
_GVK = "x-kubernetes-group-version-kind"
_OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_LIST_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta"
_BEARER = {"description": "Bearer Token authentication", "type": "apiKey", "in": "header", "name": "authorization"}
_CORE = GroupVersion("", "v1")
_SOME = 8  # definitions between two looks at what else the loop has to do


def document_name(group_version: GroupVersion) -> str:
    """`api/v1`, `apis/apps/v1`."""
    group, version = group_version
    return f"apis/{group}/{version}" if group else f"api/{version}"


def resources_of(resources: Iterable[Resource], group_version: GroupVersion) -> list[Resource]:
    return sorted((r for r, gv in served(resources) if gv == group_version), key=lambda r: r.plural)


class Definitions:
    """The definitions of one document about `versions`: built-in ones by their facts, custom ones from their Resources."""

    def __init__(self, resources: Sequence[Resource], versions: Iterable[GroupVersion]) -> None:
        self._versions = sorted({_CORE, *versions})
        self._custom: dict[str, Json] = {}
        self._names: dict[GroupVersionKind, str] = {}
        for resource, group_version in served(resources):
            if resource.schemas is not None and group_version.version in resource.schemas:
                self._add_custom(resource, group_version)

    def _add_custom(self, resource: Resource, group_version: GroupVersion) -> None:
        assert resource.schemas is not None
        prefix = ".".join([*reversed(group_version.group.split(".")), group_version.version])
        kind = resource.gvk(group_version.version)
        name, list_name = f"{prefix}.{resource.kind}", f"{prefix}.{resource.list_kind_name}"
        body = schema_document(resource.schemas[group_version.version])
        properties = body.setdefault("properties", {})
        properties.update(
            apiVersion={"type": "string"}, kind={"type": "string"}, metadata={"allOf": [{"$ref": _REF3 + _OBJECT_META}]}
        )
        self._custom[name] = {**body, _GVK: [_gvk(kind)]}
        list_kind = kind._replace(kind=resource.list_kind_name)
        self._custom[list_name] = _list_document(name, list_kind)
        self._names[kind], self._names[list_kind] = name, list_name

    def name_of(self, kind: GroupVersionKind) -> str:
        """The definition of a kind; kinds nobody defines (options of connections) are the empty name's."""
        found = self._names.get(kind)
        if found is not None:
            return found
        try:
            return builtin().definition_name(kind)
        except KeyError:
            return ""

    def get(self, name: str) -> Json:
        if name in (DELETE_OPTIONS, WATCH_EVENT):  # upstream's scheme has these two in every version
            kind = name.rpartition(".")[2]
            return {**builtin().raw(name), _GVK: [_gvk(version.with_kind(kind)) for version in self._versions]}
        return self._custom[name] if name in self._custom else builtin().raw(name)


def _gvk(kind: GroupVersionKind) -> Json:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def _list_document(item: str, kind: GroupVersionKind) -> Json:
    return {
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": {"type": "string"},
            "items": {"type": "array", "items": {"$ref": _REF3 + item}},
            "kind": {"type": "string"},
            "metadata": {"allOf": [{"$ref": _REF3 + _LIST_META}]},
        },
        _GVK: [_gvk(kind)],
    }


_TYPES = {
    types.OBJECT: "object",
    types.MAP: "object",
    types.LIST: "array",
    types.QUANTITY: "string",
}


def schema_document(schema: Schema) -> Json:
    """A Schema in OpenAPI's form."""
    found: Json = {}
    if schema.type == types.INT_OR_STRING:
        found["x-kubernetes-int-or-string"] = True
    elif schema.type != types.ANY:
        found["type"] = _TYPES.get(schema.type, schema.type)
    for key, value in (("format", schema.format), ("default", schema.default), ("required", list(schema.required))):
        if value not in ("", None, []):
            found[key] = value
    if schema.properties:
        found["properties"] = {name: schema_document(inner) for name, inner in schema.properties.items()}
    if schema.additional is not None:
        found["additionalProperties"] = schema_document(schema.additional)
    if schema.items is not None:
        found["items"] = schema_document(schema.items)
    return {**found, **dict(_extensions(schema)), **{k: v for k, v in schema.extra.items() if k not in found}}


def _extensions(schema: Schema) -> Iterator[tuple[str, Any]]:
    if schema.nullable:
        yield "nullable", True
    if schema.preserve_unknown:
        yield "x-kubernetes-preserve-unknown-fields", True
    if schema.embedded:
        yield "x-kubernetes-embedded-resource", True
    if schema.type == types.LIST and schema.list_type != "atomic":
        yield "x-kubernetes-list-type", schema.list_type
        if schema.list_keys:
            yield "x-kubernetes-list-map-keys", list(schema.list_keys)
    if schema.map_type == "atomic":
        yield "x-kubernetes-map-type", "atomic"


def references(value: Any) -> Iterator[str]:
    """The definitions a part of a document names, with repetitions."""
    if isinstance(value, dict):
        ref = value.get("$ref")
        if isinstance(ref, str):
            yield ref.removeprefix(_REF3)
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def _needed(start: Iterable[str], definitions: Definitions) -> dict[str, Json]:
    """Definitions and everything they lead to, sorted by name."""
    found: dict[str, Json] = {}
    todo = sorted({name for name in start if name})
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found[name] = definitions.get(name)
        todo += sorted({inner for inner in references(found[name]) if inner not in found})
    return dict(sorted(found.items()))


def _described(name: str, definition: Json) -> Json:
    """The definition with descriptions of itself and of its properties."""
    about, fields = openapi_prose.prose(name)
    found = {"description": about, **definition} if about else definition
    if not fields or "properties" not in definition:
        return found
    properties = {
        field: {"description": fields[field], **schema} if field in fields else schema
        for field, schema in definition["properties"].items()
    }
    return {**found, "properties": properties}


async def _with_prose(needed: dict[str, Json]) -> dict[str, Json]:
    """Descriptions for all definitions; reading them takes a while, so the loop gets its turn in between."""
    if not openapi_prose.available():
        return needed
    found = {}
    for i, (name, definition) in enumerate(needed.items()):
        found[name] = _described(name, definition)
        if i % _SOME == 0:
            await asyncio.sleep(0)
    return found


def _plain_paths(resources: Sequence[Resource], group_version: GroupVersion, definitions: Definitions) -> Json:
    paths: Json = _without_unknown(Paths(group_version, definitions.name_of).of(resources_of(resources, group_version)))
    return paths


def _without_unknown(value: Any) -> Any:
    """References to kinds without a definition become plain objects."""
    if isinstance(value, dict):
        if value.get("$ref") == _REF3:
            return {"type": "object"}
        return {key: _without_unknown(inner) for key, inner in value.items()}
    return [_without_unknown(inner) for inner in value] if isinstance(value, list) else value


async def v3_document(resources: Sequence[Resource], group_version: GroupVersion) -> Json:
    """The document of one group and version."""
    definitions = Definitions(resources, (group_version,))
    paths = _plain_paths(resources, group_version, definitions)
    schemas = await _with_prose(_needed(references(paths), definitions))
    return {
        "openapi": OPENAPI,
        "info": {"title": TITLE, "version": VERSION},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"BearerToken": _BEARER}},
    }


def fingerprint(resources: Sequence[Resource], group_version: GroupVersion) -> str:
    """What tells one document from another without making it: the ETag and the `hash` of its address."""
    facts: list[Any] = [FORM, builtin().version, openapi_prose.available(), str(group_version)]
    for resource in resources_of(resources, group_version):
        own = resource.schemas.get(group_version.version) if resource.schemas is not None else None
        below = [[s.name, list(s.verbs), str(s.kind)] for s in resource.subresources]
        facts.append([resource.plural, resource.kind, resource.namespaced, list(resource.verbs), below])
        facts.append(schema_document(own) if own is not None else None)
    return hashlib.sha512(orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)).hexdigest().upper()


def overall_fingerprint(fingerprints: Iterable[str]) -> str:
    """The ETag of the document that holds everything."""
    return hashlib.sha512("".join(fingerprints).encode()).hexdigest().upper()


async def v2_document(resources: Sequence[Resource]) -> Json:
    """Everything in one document of version 2 (Swagger)."""
    versions = dict.fromkeys(gv for _, gv in served(resources))
    definitions = Definitions(resources, versions)
    paths: Json = {}
    for group_version in versions:
        paths.update(_plain_paths(resources, group_version, definitions))
        await asyncio.sleep(0)
    needed = await _with_prose(_needed(references(paths), definitions))
    paths2 = {path: _path2(item) for path, item in sorted(paths.items())}
    shared = await openapi_shared.share_parameters(paths2)
    return {
        "swagger": "2.0",
        "info": {"title": TITLE, "version": VERSION},
        "paths": paths2,
        "parameters": shared,
        "definitions": {name: _schema2(definition) for name, definition in needed.items()},
        "securityDefinitions": {"BearerToken": _BEARER},
        "security": [{"BearerToken": []}],
    }


def _schema2(schema: Any) -> Any:
    """A schema in version 2's form: references alone, no defaults, no alternatives."""
    if isinstance(schema, list):
        return [_schema2(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema or "allOf" in schema:
        target = schema.get("$ref") or schema["allOf"][0]["$ref"]
        rest = {k: v for k, v in schema.items() if k not in ("$ref", "allOf", "default")}
        return {**rest, "$ref": target.replace(_REF3, _REF2)}
    found: Json = {}
    for key, value in schema.items():
        if key == "properties":
            found[key] = {name: _schema2(inner) for name, inner in value.items()}
        elif key == "oneOf":
            found["type"] = "string"
        elif key not in ("default", "nullable"):
            found[key] = _schema2(value) if key in ("items", "additionalProperties") else value
    return found


def _path2(item: Json) -> Json:
    found: Json = {}
    for method, value in item.items():
        if method == "parameters":
            found[method] = [_parameter2(p) for p in value]
        else:
            found[method] = _operation2(value)
    return found


def _parameter2(parameter: Json) -> Json:
    return {**{k: v for k, v in parameter.items() if k != "schema"}, **parameter["schema"]}


# Version 2 lists media types as the routes were registered, version 3 sorts them.
_V2_ORDER = (
    "text/plain",
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "application/json;stream=watch",
    "application/vnd.kubernetes.protobuf;stream=watch",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)


def _in_v2(media_type: str) -> int:
    return _V2_ORDER.index(media_type) if media_type in _V2_ORDER else len(_V2_ORDER)


def _operation2(operation: Json) -> Json:
    found = {k: v for k, v in operation.items() if k not in ("requestBody", "parameters", "responses")}
    parameters = [_parameter2(p) for p in operation.get("parameters", ())]
    consumes = ["*/*"]
    if body := operation.get("requestBody"):
        consumes = sorted(body["content"], key=_in_v2)
        schema = _schema2(next(iter(body["content"].values()))["schema"])
        of_body: Json = {"name": "body", "in": "body", "schema": schema}
        parameters.insert(0, {**of_body, "required": True} if body.get("required") else of_body)
    responses: Json = {}
    produces: list[str] = []
    for code, response in operation["responses"].items():
        responses[code] = {"description": response["description"]}
        if content := response.get("content"):
            produces = sorted(content, key=_in_v2)
            responses[code]["schema"] = _schema2(content[produces[0]]["schema"])
    found.update(consumes=consumes, produces=produces, schemes=["https"], responses=responses)
    if parameters:
        found["parameters"] = parameters
    return found
