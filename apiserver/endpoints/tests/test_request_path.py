"""The request path end to end: who, may they, where to, and how it is told when something goes wrong."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Any

import pytest

from apiserver.apimachinery.clock import LoopClock, run_virtual
from apiserver.apimachinery.errors import not_found
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.http import AnyResponse, Headers, Request, Response
from apiserver.apimachinery.rand import Random
from apiserver.endpoints.filters.deadline import Deadlines
from apiserver.endpoints.handler import RequestPath
from apiserver.endpoints.index import Paths
from apiserver.endpoints.metrics import Metrics
from apiserver.endpoints.routing import Router
from apiserver.endpoints.tests.doubles import (
    DEPLOYMENTS,
    NAMESPACES,
    NODES,
    PODS,
    REVIEWS,
    AllowedNames,
    Names,
    installer,
)
from apiserver.endpoints.version import VersionHandler

ADMIN = {"x-user": "admin"}


class World:
    """A request path over doubles, without sockets."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.table, _ = installer(PODS, NODES, NAMESPACES, DEPLOYMENTS, REVIEWS)
        self.paths = Paths()
        self.paths.document("/version", VersionHandler())
        self.metrics = Metrics()
        self.authorizer = AllowedNames("admin")
        self.path = RequestPath(
            clock=LoopClock(loop),
            rand=Random(1),
            authenticator=Names(),
            authorizer=self.authorizer,
            router=Router(self.table),
            paths=self.paths,
            metrics=self.metrics,
            deadlines=Deadlines(loop),
        )

    async def ask(self, method: str, target: str, headers: Mapping[str, str] = ADMIN) -> Response:
        path, _, query = target.partition("?")
        answer = await self.path(Request(method, path, query, Headers(headers.items())))
        assert isinstance(answer, Response)
        return answer

    async def said(self, method: str, target: str, headers: Mapping[str, str] = ADMIN) -> str:
        """Status code and, in short, the body."""
        answer = await self.ask(method, target, headers)
        if answer.content_type == "application/json":
            return f"{answer.status} {body(answer)['message']}"
        return f"{answer.status} {answer.body_bytes().decode().strip()}"


def body(answer: Response) -> dict[str, Any]:
    return json.loads(answer.body_bytes())  # type: ignore[no-any-return]


def headers(answer: AnyResponse) -> dict[str, str]:
    return dict(answer.headers)


NOT_FOUND = "404 the server could not find the requested resource"
NOT_ALLOWED = "405 the server does not allow this method on the requested resource"

ROUTES = [
    ("GET", "/api/v1/pods", "200 list v1 pods 0"),
    ("GET", "/api/v1/pods/", "200 list v1 pods 0"),
    ("GET", "/api/v1/pods?watch=1", "200 watch v1 pods 0"),
    ("GET", "/api/v1/namespaces/a/pods?watch=1", "200 watch v1 pods 0"),
    ("GET", "/api/v1/watch/pods", "200 watch v1 pods 0"),
    ("GET", "/api/v1/watch/namespaces/a/pods/b", "200 watch v1 pods 0"),
    ("GET", "/api/v1/watch/nodes/b", "200 watch v1 nodes 0"),
    ("POST", "/api/v1/namespaces/a/pods", "200 create v1 pods 0"),
    ("DELETE", "/api/v1/namespaces/a/pods", "200 deletecollection v1 pods 0"),
    ("DELETE", "/api/v1/namespaces/a/pods/", "200 deletecollection v1 pods 0"),
    ("GET", "/api/v1/namespaces/a/pods/b", "200 get v1 pods 0"),
    ("PUT", "/api/v1/namespaces/a/pods/b", "200 update v1 pods 0"),
    ("DELETE", "/api/v1/namespaces/a/pods/b", "200 delete v1 pods 0"),
    ("PUT", "/api/v1/namespaces/a/pods/b/status", "200 update v1 pods/status 0"),
    ("GET", "/api/v1/namespaces/a/pods/b/log", "200 get v1 pods/log 0"),
    ("POST", "/api/v1/namespaces/a/pods/b/binding", "200 create v1 pods/binding 0"),
    ("POST", "/api/v1/namespaces/a/pods/b/exec", "200 connect v1 pods/exec 0"),
    ("PATCH", "/api/v1/namespaces/a/pods/b/proxy/c/d", "200 connect v1 pods/proxy 0"),
    ("GET", "/api/v1/namespaces/a", "200 get v1 namespaces 0"),
    ("PUT", "/api/v1/namespaces/a/finalize", "200 update v1 namespaces/finalize 0"),
    ("GET", "/apis/apps/v1/deployments", "200 list v1 deployments 0"),
    ("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", "200 create v1 subjectaccessreviews 0"),
    # shapes that nothing has
    ("GET", "/api/v1/pods/b", NOT_FOUND),
    ("GET", "/api/v1/namespaces/a/nodes", NOT_FOUND),
    ("GET", "/api/v1/namespaces/a/namespaces", NOT_FOUND),
    ("GET", "/api/v1/namespaces/a/pods/b/nope", NOT_FOUND),
    ("GET", "/api/v1/namespaces/a/pods/b/status/c", NOT_FOUND),
    ("GET", "/api/v1/namespaces/a/pods/b/log/c", NOT_FOUND),
    ("GET", "/api/v1/nope", NOT_FOUND),
    ("GET", "/api/v2", NOT_FOUND),
    ("GET", "/api//v1/pods", NOT_FOUND),
    ("GET", "/api/v1/./pods", NOT_FOUND),
    ("GET", "/api/v1/watch/nope", NOT_FOUND),
    ("GET", "/api/v1/watch/pods/b", NOT_FOUND),
    ("GET", "/api/v1/proxy/pods", NOT_FOUND),
    ("GET", "/apis/apps/v9", NOT_FOUND),
    ("GET", "/apis/apps/v9/deployments", NOT_FOUND),
    ("GET", "/apis/apps/v1/deployments/x", NOT_FOUND),
    ("GET", "/apis/authorization.k8s.io/v1/subjectaccessreviews/x", NOT_FOUND),
    # what is none of ours
    ("GET", "/nope", "404 404 page not found"),
    ("GET", "//api/v1/pods", "404 404 page not found"),
    ("GET", "/apis/nope", "404 404 page not found"),
    ("GET", "/apis/nope/v1/things", "404 404 page not found"),
    ("GET", "/version/x", NOT_FOUND),
    # methods
    ("PUT", "/api/v1/namespaces/a/pods", NOT_ALLOWED),
    ("POST", "/api/v1/namespaces/a/pods/b", NOT_ALLOWED),
    ("POST", "/api/v1/pods", NOT_ALLOWED),
    ("DELETE", "/api/v1/pods", NOT_ALLOWED),
    ("DELETE", "/api/v1/namespaces", NOT_ALLOWED),
    ("HEAD", "/api/v1/pods", NOT_ALLOWED),
    ("OPTIONS", "/api/v1/pods", NOT_ALLOWED),
    ("POST", "/api/v1/watch/pods", NOT_ALLOWED),
    ("GET", "/api/v1/namespaces/a/finalize", NOT_ALLOWED),
    ("GET", "/api/v1/namespaces/a/pods/b/binding", NOT_ALLOWED),
    ("DELETE", "/api/v1/namespaces/a/pods/b/exec", NOT_ALLOWED),
    ("GET", "/apis/authorization.k8s.io/v1/subjectaccessreviews", NOT_ALLOWED),
    ("POST", "/version", NOT_ALLOWED),
    ("HEAD", "/version", NOT_ALLOWED),
]


@pytest.mark.parametrize(("method", "target", "expected"), ROUTES)
async def test_routes(method: str, target: str, expected: str) -> None:
    assert await World().said(method, target) == expected


async def test_a_special_verb_alone_is_a_500_in_plain_text() -> None:
    expected = (
        'Internal Server Error: "/api/v1/watch": failed to create RequestInfo: '
        "unable to determine kind and namespace from url, /api/v1/watch"
    )
    assert await World().said("GET", "/api/v1/watch") == f"500 {expected}"


@pytest.mark.parametrize(
    ("accept", "ok"),
    [
        ("application/json", True),
        ("*/*", True),
        ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", True),
        ("application/vnd.kubernetes.protobuf", True),
        ("text/html, */*;q=0.1", True),
        ("text/html", False),
        ("application/*", False),
    ],
)
async def test_what_no_route_produces_is_not_acceptable(accept: str, ok: bool) -> None:
    answer = await World().ask("GET", "/api/v1/namespaces/a/pods/b", {**ADMIN, "accept": accept})
    assert answer.status == (200 if ok else 406)
    if not ok:
        assert body(answer)["message"] == (
            "406: Not Acceptable\n\nAvailable representations: "
            "application/json, application/yaml, application/vnd.kubernetes.protobuf"
        )


async def test_a_list_names_the_stream_types_too() -> None:
    answer = await World().ask("GET", "/api/v1/pods", {**ADMIN, "accept": "text/html"})
    assert body(answer)["message"].endswith(
        "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"
    )


async def test_a_patch_needs_a_patch_type() -> None:
    world = World()
    target = "/api/v1/namespaces/a/pods/b"
    good = {**ADMIN, "content-type": "application/merge-patch+json; charset=utf-8"}
    assert await world.said("PATCH", target, good) == "200 patch v1 pods 0"
    for wrong in ("application/json", "*/*"):
        answer = await world.ask("PATCH", target, {**ADMIN, "content-type": wrong})
        assert (answer.status, body(answer)["message"]) == (415, "415: Unsupported Media Type")


async def test_a_document_goes_to_who_accepts_its_one_type() -> None:
    for accept, status in (("application/json", 200), ("text/plain, */*", 200), ("application/yaml", 406)):
        assert (await World().ask("GET", "/version", {**ADMIN, "accept": accept})).status == status
    answer = await World().ask("GET", "/version", {**ADMIN, "accept": "text/html"})
    assert body(answer)["message"] == "406: Not Acceptable\n\nAvailable representations: application/json"


async def test_every_answer_has_an_audit_id_and_is_not_cached() -> None:
    world = World()
    for target in ("/version", "/nope", "/api/v1/nope"):
        answer = headers(await world.ask("GET", target))
        assert len(answer["Audit-Id"]) == 36
        assert answer["Cache-Control"] == "no-cache, private"
    own = await world.ask("GET", "/version", {**ADMIN, "audit-id": "mine"})
    assert headers(own)["Audit-Id"] == "mine"


async def test_wrong_credentials_and_unknown_ones_are_a_401() -> None:
    world = World()
    for name in ("bad", "nobody"):
        answer = await world.ask("GET", "/version", {"x-user": name})
        assert (answer.status, body(answer)["message"]) == (401, "Unauthorized")
    assert world.authorizer.asked == []


async def test_who_may_not_is_told_what_not() -> None:
    world = World()
    cases = {
        "/api/v1/namespaces/a/pods": (
            'pods is forbidden: User "eve" cannot list resource "pods" in API group "" in the namespace "a"',
            {"kind": "pods"},
        ),
        "/apis/apps/v1/namespaces/x/deployments/y": (
            'deployments.apps "y" is forbidden: User "eve" cannot get resource "deployments" in API group "apps" '
            'in the namespace "x"',
            {"name": "y", "group": "apps", "kind": "deployments"},
        ),
        "/version": ('forbidden: User "eve" cannot get path "/version"', {}),
    }
    for target, (message, details) in cases.items():
        answer = await world.ask("GET", target, {"x-user": "eve"})
        assert (answer.status, body(answer)["message"]) == (403, message)
        assert body(answer)["details"] == details
        assert headers(answer)["X-Content-Type-Options"] == "nosniff"


async def test_impersonation_needs_the_right_and_changes_the_user() -> None:
    world = World()
    acting = {**ADMIN, "impersonate-user": "eve"}
    assert (await world.ask("GET", "/version", acting)).status == 403
    assert world.authorizer.asked[-1].user.name == "eve"
    refused = await world.ask("GET", "/version", {"x-user": "eve", "impersonate-user": "admin"})
    assert "impersonate" in body(refused)["message"]


async def test_errors_are_negotiated_and_pretty_for_people() -> None:
    world = World()
    compact = await world.ask("GET", "/api/v1/nope")
    assert compact.body_bytes().endswith(b"}\n")
    assert b'\n  "kind"' in (await world.ask("GET", "/api/v1/nope?pretty=1")).body_bytes()
    assert b'\n  "kind"' in (await world.ask("GET", "/api/v1/nope", {**ADMIN, "user-agent": "curl/8"})).body_bytes()
    curl = {**ADMIN, "user-agent": "curl/8"}
    assert b'\n  "kind"' not in (await world.ask("GET", "/api/v1/nope?pretty=0", curl)).body_bytes()
    yaml = await world.ask("GET", "/api/v1/nope", {**ADMIN, "accept": "text/html,application/yaml"})
    assert (yaml.content_type, yaml.body_bytes()[:23]) == ("application/yaml", b"apiVersion: v1\ncode: 40")
    table = "application/yaml;as=Table;v=v1;g=meta.k8s.io"
    assert (await world.ask("GET", "/api/v1/nope", {**ADMIN, "accept": table})).content_type == "application/json"
    odd = await world.ask("GET", "/api/v1/nope", {**ADMIN, "accept": "text/html"})
    assert (odd.content_type, odd.status) == ("application/json", 404)
    assert b'\n  "kind"' in odd.body_bytes()


async def test_a_status_error_of_a_handler_becomes_its_status() -> None:
    world = World()

    async def handler(request: Request) -> Response:
        request.warnings += ["old <field>", "old <field>", 'a "quoted" one']
        raise not_found(GroupResource("apps", "deployments"), "a<b>")

    world.paths.handle("/x", handler)
    answer = await world.ask("GET", "/x")
    assert answer.status == 404
    assert rb"\u003cb\u003e" in answer.body_bytes()
    warnings = [value for name, value in answer.headers if name == "Warning"]
    assert warnings == ['299 - "old <field>"', r'299 - "a \"quoted\" one"']


async def test_a_bug_is_a_500_with_an_audit_id_and_its_stack_in_the_log_only(caplog: pytest.LogCaptureFixture) -> None:
    world = World()

    async def handler(request: Request) -> Response:
        raise RuntimeError("secret detail")

    world.paths.handle("/x", handler)
    with caplog.at_level(logging.ERROR):
        answer = await world.ask("GET", "/x")
    assert (answer.status, b"secret" in answer.body_bytes()) == (500, False)
    assert "secret detail" in caplog.text
    assert vars(caplog.records[-1])["audit_id"] == headers(answer)["Audit-Id"]


def test_a_request_ends_after_sixty_seconds_or_its_own_timeout() -> None:
    async def main() -> list[tuple[int, int]]:
        world = World()
        loop = asyncio.get_running_loop()

        async def handler(request: Request) -> Response:
            await asyncio.sleep(1000)
            return Response(200)

        world.paths.handle("/slow", handler)
        seen = []
        for target in ("/slow", "/slow?timeout=5s", "/slow?timeout=0s", "/slow?timeout=100h", "/slow?timeout=soon"):
            started = loop.time()
            answer = await world.ask("GET", target)
            seen.append((answer.status, round(loop.time() - started)))
        assert b'"message":"Timeout: request did not complete within the allotted timeout"' in (
            (await world.ask("GET", "/slow?timeout=1ms")).body_bytes()
        )
        return seen

    assert run_virtual(main()) == [(504, 60), (504, 5), (504, 60), (504, 60), (400, 0)]


def test_a_watch_has_no_deadline() -> None:
    async def main() -> int:
        world = World()

        async def slow(request: Request) -> Response:
            await asyncio.sleep(3600)
            return Response(200)

        route = world.table.routes[("", "v1", "pods", "")]
        world.table.routes[("", "v1", "pods", "")] = route._replace(verbs={"list": slow, "watch": slow})
        return (await world.ask("GET", "/api/v1/pods?watch=1")).status

    assert run_virtual(main()) == 200


async def test_a_caller_that_cancels_is_not_told_of_a_timeout() -> None:
    world = World()
    entered = asyncio.Event()

    async def handler(request: Request) -> Response:
        entered.set()
        await asyncio.sleep(1000)
        return Response(200)

    world.paths.handle("/slow", handler)
    task = asyncio.create_task(world.ask("GET", "/slow"))
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert world.metrics.in_flight == {"mutating": 0, "readOnly": 0}


async def test_requests_are_counted_under_few_names() -> None:
    world = World()
    for target in ("/api/v1/namespaces/a/pods", "/api/v1/namespaces/b/pods", "/version", "/nope/1", "/nope/2"):
        await world.ask("GET", target)
    counted = world.metrics.requests.values
    pods = ("200", "apiserver", "", "", "pods", "namespace", "", "LIST", "v1")
    assert counted[pods] == 2
    assert len(counted) == 3
