"""OpenAPI documents of what is served: v3 by group and version with hashes, v2 as one; made on demand, kept until a change.

Mirrors upstream kube-openapi: paths with actions and kinds (kubectl looks there for what a patch supports), components
from the schema facts, prose from the installed official client.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson

from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.gvk import GroupVersion, GroupVersionKind
from apiserver.apimachinery.http import Request, Response
from apiserver.apimachinery.schemas import builtin
from apiserver.endpoints.openapi_text import descriptions
from apiserver.registry.resource import Resource, Subresource

Document = dict[str, Any]

GVK = "x-kubernetes-group-version-kind"
ACTION = "x-kubernetes-action"
V3_REF, V2_REF = "#/components/schemas/", "#/definitions/"
JSON_TYPES = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
PATCH_TYPES = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)
META = "io.k8s.apimachinery.pkg.apis.meta.v1"
LIST_PARAMETERS = (
    ("allowWatchBookmarks", "boolean"),
    ("continue", "string"),
    ("fieldSelector", "string"),
    ("labelSelector", "string"),
    ("limit", "integer"),
    ("resourceVersion", "string"),
    ("resourceVersionMatch", "string"),
    ("sendInitialEvents", "boolean"),
    ("timeoutSeconds", "integer"),
    ("watch", "boolean"),
)
WRITE_PARAMETERS = (("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string"))
DELETE_PARAMETERS = (
    ("dryRun", "string"),
    ("gracePeriodSeconds", "integer"),
    ("ignoreStoreReadErrorWithClusterBreakingPotential", "boolean"),
    ("orphanDependents", "boolean"),
    ("propagationPolicy", "string"),
)
# verb → (HTTP method, action, operationId's first word)
ITEM = {
    "get": ("get", "get", "read"),
    "update": ("put", "put", "replace"),
    "patch": ("patch", "patch", "patch"),
    "delete": ("delete", "delete", "delete"),
}
COLLECTION = {
    "list": ("get", "list", "list"),
    "create": ("post", "post", "create"),
    "deletecollection": ("delete", "deletecollection", "deleteCollection"),
}
UNDOCUMENTED = ("log", "exec", "attach", "portforward", "proxy")


def _camel(text: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in text.replace("-", ".").split("."))


def root_of(group_version: GroupVersion) -> str:
    """`api/v1` or `apis/apps/v1`."""
    return f"apis/{group_version}" if group_version.group else f"api/{group_version.version}"


class Builder:
    """One document's paths and the definitions they reach."""

    def __init__(self, resources: Sequence[Resource]) -> None:
        self._resources = resources
        self._needed: dict[str, None] = {}
        self._custom: dict[str, Document] = {}

    def paths(self, group_version: GroupVersion) -> Document:
        found: Document = {}
        for resource in self._resources:
            served = [v for v in resource.versions if v.served and v.name == group_version.version]
            if resource.group == group_version.group and served:
                found.update(self._resource_paths(resource, group_version))
        return dict(sorted(found.items()))

    def _resource_paths(self, resource: Resource, group_version: GroupVersion) -> Iterator[tuple[str, Document]]:
        root = f"/{root_of(group_version)}"
        base = f"{root}/namespaces/{{namespace}}" if resource.namespaced else root
        kind = resource.gvk(group_version.version)
        verbs = ("create",) if resource.rest is not None else resource.verbs
        collection = self._operations(resource, kind, COLLECTION, verbs, "")
        if collection:
            yield f"{base}/{resource.plural}", self._with_parameters(collection, base, item=False)
        item = self._operations(resource, kind, ITEM, verbs, "")
        if item:
            yield f"{base}/{resource.plural}/{{name}}", self._with_parameters(item, base, item=True)
        if resource.namespaced and "list" in verbs:
            everywhere = self._operations(resource, kind, {"list": COLLECTION["list"]}, verbs, "ForAllNamespaces")
            yield f"{root}/{resource.plural}", self._with_parameters(everywhere, root, item=False)
        for subresource in resource.subresources:
            operations = self._subresource(resource, subresource, kind)
            if operations:
                path = f"{base}/{resource.plural}/{{name}}/{subresource.name}"
                yield path, self._with_parameters(operations, base, item=True)

    def _subresource(self, resource: Resource, subresource: Subresource, kind: GroupVersionKind) -> Document:
        if subresource.name in UNDOCUMENTED:
            return {}
        chosen = {verb: ITEM[verb] for verb in subresource.verbs if verb in ITEM}
        if "create" in subresource.verbs:
            chosen["create"] = COLLECTION["create"]
        of = subresource.kind or kind
        return self._operations(resource, of, chosen, subresource.verbs, _camel(subresource.name))

    def _operations(
        self,
        resource: Resource,
        kind: GroupVersionKind,
        table: dict[str, tuple[str, str, str]],
        verbs: Sequence[str],
        suffix: str,
    ) -> Document:
        found: Document = {}
        group = _camel(resource.group.split(".")[0] or "core")
        scope = "Namespaced" if resource.namespaced and suffix != "ForAllNamespaces" else ""
        for verb, (method, action, word) in table.items():
            if verb not in verbs:
                continue
            version = kind.version if resource.group == kind.group else resource.versions[0].name
            found[method] = {
                "tags": [f"{group[:1].lower()}{group[1:]}_{version}"],
                "operationId": f"{word}{group}{_camel(version)}{scope}{resource.kind}{suffix}",
                **self._bodies(resource, kind, verb),
                "parameters": [_query(*p) for p in _parameters(verb)],
                ACTION: action,
                GVK: {"group": kind.group, "kind": kind.kind, "version": kind.version},
            }
        return found

    def _bodies(self, resource: Resource, kind: GroupVersionKind, verb: str) -> Document:
        answer = self._reference(resource, kind, as_list=verb == "list")
        if verb in ("delete", "deletecollection"):
            answer = self._reference_to(f"{META}.Status")
        code = "201" if verb == "create" else "200"
        content = {media: {"schema": answer} for media in JSON_TYPES}
        found: Document = {
            "responses": {code: {"description": "OK", "content": content}, "401": {"description": "Unauthorized"}}
        }
        if verb in ("create", "update"):
            found["requestBody"] = _request({"*/*": {"schema": self._reference(resource, kind)}})
        elif verb == "patch":
            patch = {"schema": self._reference_to(f"{META}.Patch")}
            found["requestBody"] = _request(dict.fromkeys(PATCH_TYPES, patch))
        elif verb in ("delete", "deletecollection"):
            found["requestBody"] = {"content": {"*/*": {"schema": self._reference_to(f"{META}.DeleteOptions")}}}
        return found

    def _with_parameters(self, operations: Document, base: str, *, item: bool) -> Document:
        parameters = [_path("name")] if item else []
        if "{namespace}" in base:
            parameters.append(_path("namespace"))
        return {**operations, "parameters": [*parameters, _query("pretty", "string")]}

    # Definitions

    def _reference_to(self, name: str) -> Document:
        self._needed[name] = None
        return {"$ref": V3_REF + name}

    def _reference(self, resource: Resource, kind: GroupVersionKind, *, as_list: bool = False) -> Document:
        wanted = kind._replace(kind=resource.list_kind_name) if as_list else kind
        try:
            return self._reference_to(builtin().definition_name(wanted))
        except KeyError:
            return self._reference_to(self._define_custom(wanted))

    def _define_custom(self, kind: GroupVersionKind) -> str:
        """A kind without built-in facts: an object with metadata."""
        name = ".".join([*reversed(kind.group.split(".")), kind.version, kind.kind])
        gvk = [{"group": kind.group, "kind": kind.kind, "version": kind.version}]
        meta = self._reference_to(f"{META}.ObjectMeta")
        text: Document = {"type": "string"}
        properties = {"apiVersion": text, "kind": text, "metadata": meta}
        self._custom[name] = {"type": "object", "properties": properties, GVK: gvk}
        return name

    def definitions(self) -> Document:
        """Every definition the paths reach, with prose, sorted by name."""
        found: Document = {}
        waiting = list(self._needed)
        while waiting:
            name = waiting.pop()
            if name in found:
                continue
            found[name] = self._custom.get(name) or _described(name)
            waiting += _references(found[name])
        return dict(sorted(found.items()))


def _described(name: str) -> Document:
    definition = builtin().raw(name)
    prose = descriptions(name)
    if prose and "properties" in definition:
        definition["properties"] = {
            field: {"description": prose[field], **spec} if field in prose else spec
            for field, spec in definition["properties"].items()
        }
    return definition


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "$ref" and isinstance(item, str):
                yield item.removeprefix(V3_REF)
            else:
                yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


def _parameters(verb: str) -> tuple[tuple[str, str], ...]:
    if verb in ("create", "update"):
        return WRITE_PARAMETERS
    if verb == "patch":
        return (*WRITE_PARAMETERS, ("force", "boolean"))
    if verb == "delete":
        return DELETE_PARAMETERS
    if verb == "deletecollection":
        return (*DELETE_PARAMETERS, *LIST_PARAMETERS)
    return LIST_PARAMETERS if verb == "list" else ()


def _query(name: str, kind: str) -> Document:
    return {"name": name, "in": "query", "schema": {"type": kind, "uniqueItems": True}}


def _path(name: str) -> Document:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "uniqueItems": True}}


def _request(content: Document) -> Document:
    return {"content": content, "required": True}


def _as_v2(value: Any) -> Any:
    """OpenAPI v3 in the words of v2: references, unions and bodies."""
    if isinstance(value, list):
        return [_as_v2(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value.get("allOf", ())) == 1:  # v3 wraps a reference to say more of it
        value = {**{k: v for k, v in value.items() if k not in ("allOf", "default")}, **value["allOf"][0]}
    made = {k: _as_v2(v) for k, v in value.items() if k not in ("oneOf", "default")}
    if isinstance(made.get("$ref"), str):
        made["$ref"] = made["$ref"].replace(V3_REF, V2_REF)
    if "oneOf" in value:
        made.setdefault("type", "string")
    return made


def _operation_v2(operation: Document) -> Document:
    made = {k: v for k, v in operation.items() if k not in ("requestBody", "responses", "parameters")}
    parameters = [{**{k: v for k, v in p.items() if k != "schema"}, **p["schema"]} for p in operation["parameters"]]
    if body := operation.get("requestBody"):
        schema = next(iter(body["content"].values()))["schema"]
        made["consumes"] = list(body["content"])
        parameters.insert(0, {"name": "body", "in": "body", "required": True, "schema": _as_v2(schema)})
    made["produces"] = list(JSON_TYPES)
    made["schemes"] = ["https"]
    made["parameters"] = parameters
    made["responses"] = {
        code: {"description": answer["description"], **_first_schema(answer)}
        for code, answer in operation["responses"].items()
    }
    return made


def _first_schema(answer: Document) -> Document:
    content = answer.get("content")
    return {"schema": _as_v2(next(iter(content.values()))["schema"])} if content else {}


class OpenAPI:
    """The documents over HTTP. `changed()` when the Resources change."""

    def __init__(self, resources: Callable[[], Sequence[Resource]], version: str) -> None:
        self._resources = resources
        self._version = version
        self._v3: dict[str, tuple[bytes, str]] = {}
        self._v2: tuple[bytes, str] | None = None

    def changed(self) -> None:
        self._v3, self._v2 = {}, None

    def _group_versions(self) -> list[GroupVersion]:
        served = {GroupVersion(r.group, v.name): None for r in self._resources() for v in r.versions if v.served}
        return sorted(served)

    def _info(self) -> Document:
        return {"title": "Kubernetes", "version": self._version}

    def _document(self, group_version: GroupVersion) -> tuple[bytes, str]:
        root = root_of(group_version)
        made = self._v3.get(root)
        if made is None:
            builder = Builder(self._resources())
            paths = builder.paths(group_version)
            document = {
                "openapi": "3.0.0",
                "info": self._info(),
                "paths": paths,
                "components": {"schemas": builder.definitions()},
            }
            made = self._v3[root] = _hashed(document)
        return made

    def _swagger(self) -> tuple[bytes, str]:
        if self._v2 is None:
            builder, paths = Builder(self._resources()), {}
            for group_version in self._group_versions():
                for path, item in builder.paths(group_version).items():
                    shared = [
                        {**{k: v for k, v in p.items() if k != "schema"}, **p["schema"]} for p in item["parameters"]
                    ]
                    operations = {m: _operation_v2(o) for m, o in item.items() if m != "parameters"}
                    paths[path] = {**operations, "parameters": shared}
            definitions = {name: _as_v2(d) for name, d in builder.definitions().items()}
            document = {"swagger": "2.0", "info": self._info(), "paths": paths, "definitions": definitions}
            self._v2 = _hashed(document)
        return self._v2

    async def serve_v2(self, request: Request) -> Response:
        accept = request.headers.get("accept", "")
        if accept and not any(form in accept for form in ("application/json", "*/*", "application/*")):
            raise StatusError(406, "NotAcceptable", "only the following media types are accepted: application/json")
        body, tag = self._swagger()
        return _answer(request, body, tag, [])

    async def serve_index(self, request: Request) -> Response:
        paths = {}
        for group_version in self._group_versions():
            root = root_of(group_version)
            paths[root] = {"serverRelativeURL": f"/openapi/v3/{root}?hash={self._document(group_version)[1]}"}
        body, tag = _hashed({"paths": paths})
        return _answer(request, body, tag, [])

    async def serve_v3(self, request: Request) -> Response:
        root = request.path.removeprefix("/openapi/v3/").strip("/")
        found = next((gv for gv in self._group_versions() if root_of(gv) == root), None)
        if found is None:
            return Response(404, b"404 page not found\n", "text/plain; charset=utf-8")
        body, tag = self._document(found)
        asked = request.query.get("hash", "")
        if asked and asked != tag:
            return Response(301, b"", headers=[("Location", f"/openapi/v3/{root}?hash={tag}")])
        headers = [("Cache-Control", "public, immutable")] if asked else []
        return _answer(request, body, tag, headers)


def _hashed(document: Document) -> tuple[bytes, str]:
    body = orjson.dumps(document)
    return body, hashlib.sha512(body).hexdigest().upper()


def _answer(request: Request, body: bytes, tag: str, headers: list[tuple[str, str]]) -> Response:
    headers = [("Etag", f'"{tag}"'), ("Vary", "Accept"), *headers]
    if request.headers.get("if-none-match", "") == f'"{tag}"':
        return Response(304, b"", headers=headers)
    return Response(200, body, headers=headers)
