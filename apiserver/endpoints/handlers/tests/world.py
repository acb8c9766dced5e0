"""A world for tests of handlers: built-in kinds over memory storage, requests without a front, virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from apiserver.admission.interface import Attributes
from apiserver.api.core.configmap import RESOURCE as CONFIG_MAPS
from apiserver.apimachinery.apply import FieldManager
from apiserver.apimachinery.clock import LoopClock, run_virtual
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.gvk import GroupVersion
from apiserver.apimachinery.http import Headers, Request, RequestInfo, Response
from apiserver.apimachinery.rand import Random
from apiserver.apimachinery.schemas import builtin
from apiserver.auth.interface import ALLOW, AuthorizerAttributes, Decision
from apiserver.endpoints.handlers import table
from apiserver.endpoints.scope import Scope
from apiserver.registry.records import record_maker
from apiserver.registry.resource import Resource
from apiserver.registry.store import Store
from apiserver.storage.cacher.cachers import Cachers
from apiserver.storage.memory import MemoryStorage

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "GET": "get", "CONNECT": "connect"}


class Admission:
    """An admission chain that does what a test puts into it, and remembers what it saw."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Attributes]] = []
        self.on_admit: Callable[[Attributes], None] = lambda attributes: None
        self.on_validate: Callable[[Attributes], None] = lambda attributes: None

    async def admit(self, attributes: Attributes) -> None:
        self.seen.append(("admit", attributes))
        self.on_admit(attributes)

    async def validate(self, attributes: Attributes) -> None:
        self.seen.append(("validate", attributes))
        self.on_validate(attributes)


class Policy:
    """An authorizer that refuses what it is told to."""

    def __init__(self) -> None:
        self.refused: set[str] = set()

    async def authorize(self, attributes: AuthorizerAttributes) -> Decision:
        return Decision("no opinion" if attributes.verb in self.refused else ALLOW)


@dataclass
class Answer:
    """What a request got."""

    status: int
    body: Any
    warnings: list[str]

    @property
    def message(self) -> str:
        return self.body["message"]  # type: ignore[no-any-return]


@dataclass
class World:
    """Handlers of one resource and what they stand on."""

    clock: LoopClock
    storage: MemoryStorage
    store: Store
    resource: Resource
    rand: Random = field(default_factory=lambda: Random(7))
    admission: Admission = field(default_factory=Admission)
    policy: Policy = field(default_factory=Policy)

    def scope(self, subresource: str = "") -> Scope:
        resource = self.resource
        part = resource.subresource(subresource) if subresource else None

        def schema_of(api_version: str) -> Any:
            return builtin().schema(GroupVersion.parse(api_version).with_kind(resource.kind))

        rest = part.rest(None, self.store) if part is not None and part.rest is not None else None  # type: ignore[arg-type]
        return Scope(
            resource,
            resource.versions[0].name,
            self.store,
            self.clock,
            self.rand,
            subresource=part,
            rest=rest,
            admission=self.admission,
            field_manager=FieldManager(resource.kind, resource.stored_api_version, schema_of),
            authorizer=self.policy,
        )

    async def send(
        self,
        method: str,
        name: str = "",
        body: Any = None,
        *,
        query: str = "",
        content_type: str = "application/json",
        subresource: str = "",
        agent: str = "tester/1.0",
        accept: str = "",
        collection: bool = False,
    ) -> Answer:
        data = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
        headers = [("Content-Type", content_type), ("User-Agent", agent), ("Accept", accept)]
        request = self._request(method, name, data, query, headers, subresource)
        assert request.info is not None
        verb = "deletecollection" if collection else request.info.verb
        scope = self.scope(subresource)
        try:
            response = await table.of(scope)[verb](scope, request)
        except StatusError as e:
            return Answer(e.code, e.status(), request.warnings)
        assert isinstance(response, Response)
        return Answer(response.status, orjson.loads(response.body_bytes()), list(dict.fromkeys(request.warnings)))

    def _request(
        self, method: str, name: str, data: bytes, query: str, headers: list[tuple[str, str]], subresource: str
    ) -> Request:
        async def read() -> bytes:
            return data

        resource = self.resource
        # The path of one namespace is in it (request_info.py).
        namespace = "default" if resource.namespaced else name if resource.plural == "namespaces" else ""
        version = resource.versions[0].name
        info = RequestInfo(
            True,
            _VERBS[method],
            "/",
            "apis" if resource.group else "api",
            resource.group,
            version,
            resource.plural,
            subresource,
            namespace,
            name,
        )
        return Request(method, "/", query, Headers(headers), read, info=info)

    async def create(self, name: str = "a", **more: Any) -> Any:
        meta = {"name": name, **more.pop("meta", {})}
        answer = await self.send("POST", body={"metadata": meta, **more})
        assert answer.status == 201, answer.body
        return answer.body

    async def patch(self, patch: Any, kind: str = "merge", name: str = "a", **more: Any) -> Answer:
        types = {
            "merge": "application/merge-patch+json",
            "json": "application/json-patch+json",
            "strategic": "application/strategic-merge-patch+json",
            "apply": "application/apply-patch+yaml",
        }
        return await self.send("PATCH", name, patch, content_type=types.get(kind, kind), **more)

    async def revision(self) -> int:
        return await self.storage.current_revision()


@asynccontextmanager
async def opened(resource: Resource) -> AsyncIterator[World]:
    clock = LoopClock(asyncio.get_running_loop())
    storage = MemoryStorage(clock)
    cachers = Cachers(storage, clock)
    cacher = cachers.cacher(resource.prefix, record_maker(resource))
    await cachers.start()
    try:
        yield World(clock, storage, Store(resource, storage, cacher), resource)
    finally:
        await cachers.close()
        await storage.close()


def virtual(resource: Resource = CONFIG_MAPS) -> Callable[[Callable[[World], Awaitable[None]]], Callable[[], None]]:
    """A test that gets a world of its own and runs in virtual time."""

    def decorate(test: Callable[[World], Awaitable[None]]) -> Callable[[], None]:
        async def main() -> None:
            async with opened(resource) as world:
                await test(world)

        def run() -> None:
            run_virtual(main())

        run.__name__ = test.__name__
        return run

    return decorate
