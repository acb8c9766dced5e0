"""OpenAPI paths and operations of what is served, in version 3's form: one function per kind of path.

They follow upstream's endpoints/installer.go and kube-openapi's builder3: operation ids, actions, parameters, which of them stand
at the path. Long descriptions of parameters are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from apiserver.apimachinery.gvk import GroupVersion, GroupVersionKind
from apiserver.registry.resource import Resource, Subresource

Json = dict[str, Any]
NameOf = Callable[[GroupVersionKind], str]  # the definition of a kind

_JSON, _YAML, _PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
_BUILT_IN, _CUSTOM = (_JSON, _PROTOBUF, _YAML), (_JSON, _YAML)
_STREAMED = (_JSON, f"{_JSON};stream=watch", _PROTOBUF, f"{_PROTOBUF};stream=watch", _YAML)
_PATCHES = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
PATCH, STATUS, DELETE_OPTIONS, WATCH_EVENT = (_META + n for n in ("Patch", "Status", "DeleteOptions", "WatchEvent"))

_LIST = (
    ("allowWatchBookmarks", "boolean"),
    ("continue", "string"),
    ("fieldSelector", "string"),
    ("labelSelector", "string"),
    ("limit", "integer"),
    ("resourceVersion", "string"),
    ("resourceVersionMatch", "string"),
    ("sendInitialEvents", "boolean"),
    ("shardSelector", "string"),
    ("timeoutSeconds", "integer"),
    ("watch", "boolean"),
)
_WRITE = (("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string"))
_DELETE = (
    ("dryRun", "string"),
    ("gracePeriodSeconds", "integer"),
    ("ignoreStoreReadErrorWithClusterBreakingPotential", "boolean"),
    ("orphanDependents", "boolean"),
    ("propagationPolicy", "string"),
)
_STREAMS = (("stderr", "boolean"), ("stdin", "boolean"), ("stdout", "boolean"), ("tty", "boolean"))
# What subresources take that are no objects: the fields of their option kinds.
_OPTIONS: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {
    ("pods", "attach"): (("container", "string"), *_STREAMS),
    ("pods", "exec"): (("command", "string"), ("container", "string"), *_STREAMS),
    ("pods", "portforward"): (("ports", "integer"),),
    ("pods", "log"): (
        ("container", "string"),
        ("follow", "boolean"),
        ("insecureSkipTLSVerifyBackend", "boolean"),
        ("limitBytes", "integer"),
        ("previous", "boolean"),
        ("sinceSeconds", "integer"),
        ("stream", "string"),
        ("tailLines", "integer"),
        ("timestamps", "boolean"),
    ),
}
_PROXY = (("path", "string"),)
_PROXY_METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
_STATUS_ON_DELETE = ("namespaces",)  # the document says Status, though the answer is the object
_NOT_FOR_COLLECTIONS = ("allowWatchBookmarks", "watch")
_VOWELS = "aeiouAEIOU"


def reference(definition: str) -> Json:
    return {"$ref": f"#/components/schemas/{definition}"}


def _query(name: str, type_: str) -> Json:
    return {"name": name, "in": "query", "schema": {"type": type_, "uniqueItems": True}}


def _in_path(name: str, description: str) -> Json:
    schema = {"type": "string", "uniqueItems": True}
    return {"name": name, "in": "path", "description": description, "required": True, "schema": schema}


def _article(word: str) -> str:
    """With its article; a plural (Endpoints) has none."""
    if word.endswith("s") and not word.endswith("ss"):
        return word
    return f"an {word}" if word[:1] in _VOWELS else f"a {word}"


def group_id(group_version: GroupVersion) -> str:
    """`RbacAuthorizationV1`: how operation ids name a group and version."""
    group = (group_version.group or "core").removesuffix(".k8s.io")
    return (
        "".join(part.title() if part.islower() else part for part in _words(group)) + group_version.version.capitalize()
    )


def tag(group_version: GroupVersion) -> str:
    first, *rest = _words((group_version.group or "core").removesuffix(".k8s.io"))
    return first + "".join(map(str.title, rest)) + "_" + group_version.version


def _words(group: str) -> list[str]:
    return group.replace("-", ".").split(".")


class Paths:
    """The paths of one group and version, with the operations of its resources."""

    def __init__(self, group_version: GroupVersion, name_of: NameOf) -> None:
        self._group_version = group_version
        self._name_of = name_of
        self._id, self._tag = group_id(group_version), tag(group_version)
        group, version = group_version
        self.prefix = f"/apis/{group}/{version}" if group else f"/api/{version}"

    def of(self, resources: Sequence[Resource]) -> dict[str, Json]:
        found: dict[str, Json] = {f"{self.prefix}/": self._discovery()}
        for resource in resources:
            for path, item in self._resource(resource):
                found[path] = item
        return dict(sorted(found.items()))

    def _discovery(self) -> Json:
        schema = reference(_META + "APIResourceList")
        operation = {
            "tags": [self._tag],
            "description": "get available resources",
            "operationId": f"get{self._id}APIResources",
            "responses": _responses({"200": schema}, _BUILT_IN),
        }
        return {"get": operation}

    def _resource(self, resource: Resource) -> Iterator[tuple[str, Json]]:
        kind = resource.gvk(self._group_version.version)
        scope = "namespaces/{namespace}/" if resource.namespaced else ""
        root = f"{self.prefix}/{scope}{resource.plural}"
        scoped = "Namespaced" if resource.namespaced else ""
        common = [_in_path("namespace", "object name and auth scope, such as for teams and projects")] if scope else []
        maker = _Operations(self._id, self._tag, resource, kind, self._name_of, scoped)
        if collection := maker.collection():
            yield root, _item(collection, [*common, _query("pretty", "string")])
        named = [*common, _in_path("name", f"name of the {resource.kind}"), _query("pretty", "string")]
        if one := maker.one():
            yield f"{root}/{{name}}", _item(one, named)
        if scope and "list" in resource.verbs:
            yield f"{self.prefix}/{resource.plural}", _item(maker.everywhere(), [_query("pretty", "string")])
        if "watch" in resource.verbs:
            yield from self._watches(resource, maker, root, common)
        for subresource in resource.subresources:
            below = f"{root}/{{name}}/{subresource.name}"
            of = maker.below(subresource)
            of_kind = f"name of the {of.kind.kind if 'connect' in subresource.verbs else _named(resource, subresource)}"
            in_path = [*common, _in_path("name", of_kind)]
            if operations := of.subresource(subresource):
                pretty = [] if "connect" in subresource.verbs else [_query("pretty", "string")]
                yield below, _item(operations, [*in_path, *pretty])
            if subresource.name == "proxy" and "connect" in subresource.verbs:
                rest = _in_path("path", "path to the resource")
                yield f"{below}/{{path}}", _item(of.proxy("WithPath"), [*in_path, rest])

    def _watches(
        self, resource: Resource, maker: _Operations, root: str, common: list[Json]
    ) -> Iterator[tuple[str, Json]]:
        watched = root.replace(self.prefix, f"{self.prefix}/watch", 1)
        pretty = _query("pretty", "string")
        yield watched, _item(maker.watch_list(), [*common, pretty])
        if "get" in resource.verbs:
            yield (
                f"{watched}/{{name}}",
                _item(maker.watch_one(), [*common, _in_path("name", f"name of the {resource.kind}"), pretty]),
            )
        if resource.namespaced:
            yield f"{self.prefix}/watch/{resource.plural}", _item(maker.watch_everywhere(), [pretty])


def _named(resource: Resource, subresource: Subresource) -> str:
    return subresource.kind.kind if subresource.kind else resource.kind


def _item(operations: dict[str, Json], common: list[Json]) -> Json:
    """A path's operations; what all of them take stands at the path."""
    shared = None
    for operation in operations.values():
        names = {p["name"] for p in operation.get("parameters", ())}
        shared = names if shared is None else shared & names
    hoisted = list(common)
    for i, operation in enumerate(operations.values()):
        own = operation.pop("parameters", [])
        hoisted += [p for p in own if p["name"] in (shared or ()) and i == 0]
        if left := [p for p in own if p["name"] not in (shared or ())]:
            operation["parameters"] = left
    return {**operations, "parameters": sorted(hoisted, key=lambda p: p["name"])}


def _content(schema: Json, media_types: Sequence[str]) -> Json:
    return {media_type: {"schema": schema} for media_type in media_types}


_MEANINGS = {"200": "OK", "201": "Created", "202": "Accepted"}


def _responses(answers: dict[str, Json], media_types: Sequence[str]) -> Json:
    found: Json = {
        code: {"description": _MEANINGS[code], "content": _content(schema, media_types)}
        for code, schema in answers.items()
    }
    found["401"] = {"description": "Unauthorized"}
    return found


class _Operations:
    """The operations of one resource, or of one of its subresources."""

    def __init__(
        self,
        group: str,
        tag_: str,
        resource: Resource,
        kind: GroupVersionKind,
        name_of: NameOf,
        scoped: str,
        suffix: str = "",
        what: str = "",
    ) -> None:
        self.kind = kind
        self._group, self._tag, self._scoped = group, tag_, scoped
        self._resource = resource
        self._name_of = name_of
        self._suffix = suffix  # Status, Scale, …
        self._what = what  # "status of the specified"
        self._media_types = _CUSTOM if resource.schemas is not None else _BUILT_IN

    def below(self, subresource: Subresource) -> _Operations:
        kind = subresource.kind or self.kind
        suffix = subresource.name[:1].upper() + subresource.name[1:]
        return _Operations(
            self._group, self._tag, self._resource, kind, self._name_of, self._scoped, suffix, subresource.name
        )

    def _id(self, verb: str, infix: str = "", suffix: str = "") -> str:
        return f"{verb}{self._group}{infix}{self._scoped}{self._resource.kind}{self._suffix}{suffix}"

    def _operation(self, action: str, id_: str, description: str, responses: Json, **more: Any) -> Json:
        group, version, kind = self.kind
        return {
            "tags": [self._tag],
            "description": description,
            "operationId": id_,
            **more,
            "responses": responses,
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": kind},
        }

    def _object(self) -> Json:
        return reference(self._name_of(self.kind))

    def _list(self) -> Json:
        return reference(self._name_of(self.kind._replace(kind=self._resource.list_kind_name)))

    def _body(self, schema: Json, *, required: bool = True) -> Json:
        body: Json = {"content": _content(schema, ("*/*",) if self._media_types == _BUILT_IN else self._media_types)}
        return {**body, "required": True} if required else body

    def _verbs(self, wanted: Sequence[tuple[str, str, Callable[[], Json]]], verbs: Sequence[str]) -> dict[str, Json]:
        return {method: make() for method, verb, make in wanted if verb in verbs}

    def collection(self) -> dict[str, Json]:
        wanted = (
            ("get", "list", self.list),
            ("post", "create", self.create),
            ("delete", "deletecollection", self.clear),
        )
        return self._verbs(wanted, self._resource.verbs)

    def one(self) -> dict[str, Json]:
        wanted = (
            ("get", "get", self.read),
            ("put", "update", self.replace),
            ("delete", "delete", self.delete),
            ("patch", "patch", self.patch),
        )
        return self._verbs(wanted, self._resource.verbs)

    def subresource(self, subresource: Subresource) -> dict[str, Json]:
        if "connect" in subresource.verbs:
            if subresource.name == "proxy":
                return self.proxy()
            return {method: self.connect(method) for method in ("get", "post")}
        if subresource.name == "log":
            return {"get": self.log()}
        wanted = (
            ("get", "get", self.read),
            ("put", "update", self.replace),
            ("post", "create", self.create),
            ("patch", "patch", self.patch),
        )
        return self._verbs(wanted, subresource.verbs)

    def everywhere(self) -> dict[str, Json]:
        operation = self.list()
        operation["operationId"] = f"list{self._group}{self._resource.kind}ForAllNamespaces"
        return {"get": operation}

    def list(self) -> Json:
        media_types = (
            _STREAMED if "watch" in self._resource.verbs and self._media_types == _BUILT_IN else self._media_types
        )
        watchable = "watch" in self._resource.verbs
        return self._operation(
            "list",
            self._id("list"),
            f"list {'or watch ' if watchable else ''}objects of kind {self._resource.kind}",
            _responses({"200": self._list()}, media_types),
            parameters=[_query(*p) for p in _LIST],
        )

    def create(self) -> Json:
        what = f"{self._what} of {_article(self._resource.kind)}" if self._what else _article(self._resource.kind)
        schema = self._object()
        return self._operation(
            "post",
            self._id("create"),
            f"create {what}",
            _responses({"200": schema, "201": schema, "202": schema}, self._media_types),
            parameters=[_query(*p) for p in _WRITE],
            requestBody=self._body(schema),
        )

    def clear(self) -> Json:
        parameters = {name: type_ for name, type_ in (*_LIST, *_DELETE) if name not in _NOT_FOR_COLLECTIONS}
        return self._operation(
            "deletecollection",
            self._id("delete", "Collection"),
            f"delete collection of {self._resource.kind}",
            _responses({"200": reference(STATUS)}, self._media_types),
            parameters=[_query(*p) for p in sorted(parameters.items())],
            requestBody=self._body(reference(DELETE_OPTIONS), required=False),
        )

    def _specified(self) -> str:
        return (
            f"{self._what} of the specified {self._resource.kind}"
            if self._what
            else f"the specified {self._resource.kind}"
        )

    def read(self) -> Json:
        responses = _responses({"200": self._object()}, self._media_types)
        return self._operation("get", self._id("read"), f"read {self._specified()}", responses)

    def log(self) -> Json:
        responses = _responses({"200": {"type": "string"}}, (*_BUILT_IN, "text/plain"))
        operation = self._operation("get", self._id("read"), f"read {self._specified()}", responses)
        return {**operation, "parameters": self._options()}

    def _options(self) -> Sequence[Json]:
        own = _PROXY if self._what == "proxy" else _OPTIONS.get((self._resource.plural, self._what), ())
        return [_query(*option) for option in own]

    def replace(self) -> Json:
        schema = self._object()
        return self._operation(
            "put",
            self._id("replace"),
            f"replace {self._specified()}",
            _responses({"200": schema, "201": schema}, self._media_types),
            parameters=[_query(*p) for p in _WRITE],
            requestBody=self._body(schema),
        )

    def delete(self) -> Json:
        returned = self._resource.strategy.return_deleted_object and self._resource.plural not in _STATUS_ON_DELETE
        schema = self._object() if returned else reference(STATUS)
        return self._operation(
            "delete",
            self._id("delete"),
            f"delete {_article(self._resource.kind)}",
            _responses({"200": schema, "202": schema}, self._media_types),
            parameters=[_query(*p) for p in _DELETE],
            requestBody=self._body(reference(DELETE_OPTIONS), required=False),
        )

    def patch(self) -> Json:
        schema = self._object()
        custom = self._resource.schemas is not None
        patches = [m for m in _PATCHES if not custom or "strategic" not in m]
        return self._operation(
            "patch",
            self._id("patch"),
            f"partially update {self._specified()}",
            _responses({"200": schema} if custom else {"200": schema, "201": schema}, self._media_types),
            parameters=[*(_query(*p) for p in _WRITE), _query("force", "boolean")],
            requestBody={"content": _content(reference(PATCH), patches), "required": True},
        )

    def proxy(self, suffix: str = "") -> dict[str, Json]:
        return {method: self.connect(method, suffix) for method in _PROXY_METHODS}

    def connect(self, method: str, suffix: str = "") -> Json:
        id_ = f"connect{self._group}{method.title()}{self._scoped}{self._resource.kind}{self._suffix}{suffix}"
        description = f"connect {method.upper()} requests to {self._what} of {self._resource.kind}"
        responses = _responses({"200": {"type": "string"}}, ("*/*",))
        operation = self._operation("connect", id_, description, responses)
        return {**operation, "parameters": self._options()}

    def _watch(self, action: str, id_: str, description: str) -> dict[str, Json]:
        media_types = _STREAMED if self._media_types == _BUILT_IN else self._media_types
        responses = _responses({"200": reference(WATCH_EVENT)}, media_types)
        return {"get": self._operation(action, id_, description, responses, parameters=[_query(*p) for p in _LIST])}

    def watch_list(self) -> dict[str, Json]:
        return self._watch("watchlist", self._id("watch", suffix="List"), self._watching_a_list())

    def watch_everywhere(self) -> dict[str, Json]:
        id_ = f"watch{self._group}{self._resource.kind}ListForAllNamespaces"
        return self._watch("watchlist", id_, self._watching_a_list())

    def _watching_a_list(self) -> str:
        return (
            f"watch individual changes to a list of {self._resource.kind}. "
            "deprecated: use the 'watch' parameter with a list operation instead."
        )

    def watch_one(self) -> dict[str, Json]:
        description = (
            f"watch changes to an object of kind {self._resource.kind}. deprecated: use the 'watch' parameter with a list "
            "operation instead, filtered to a single item with the 'fieldSelector' parameter."
        )
        return self._watch("watch", self._id("watch"), description)
