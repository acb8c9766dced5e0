"""Gets and lists: revisions, pages, selectors, in upstream's rules and words."""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import partial
from typing import Any

import pytest

from apiserver.apimachinery.objects import Object, get
from apiserver.registry import continuing
from apiserver.registry.list_options import parse_list_options
from apiserver.registry.reading import Listing
from apiserver.registry.tests.world import World, refused, virtual, widgets
from apiserver.storage.cacher.history import FRESH, LEAST

COLOURED = widgets(
    selectable={"spec.colour": lambda obj: str(get(obj, "spec", "colour", default=""))},
    field_aliases={"spec.color": "spec.colour"},
)


async def make(world: World, *names: str, namespace: str = "default") -> None:
    for number, name in enumerate(names):
        colour = "red" if number % 2 else "blue"
        meta = {"name": name, "labels": {"n": str(number), "colour": colour}}
        await world.store.create(
            world.context(namespace=namespace), {"metadata": meta, "spec": {"size": 1, "colour": colour}}
        )


async def page(world: World, namespace: str = "default", **query: str) -> Listing:
    return await world.store.list(world.context(namespace=namespace), parse_list_options(query))


def resize(size: int, obj: Object) -> None:
    obj["spec"]["size"] = size


def names(listing: Listing) -> str:
    return " ".join(record.name for record in listing.records)


@virtual()
async def test_pages_show_one_state_whatever_happens_meanwhile(world: World) -> None:
    await make(world, "a", "b", "c", "d", "e")
    first = await page(world, limit="2")
    assert (names(first), first.remaining) == ("a b", 3)
    await world.delete("c")
    await make(world, "bb")
    second = await page(world, limit="2", **{"continue": first.continue_token})
    assert (names(second), second.remaining, second.revision) == ("c d", 1, first.revision)
    last = await page(world, limit="2", **{"continue": second.continue_token})
    assert (names(last), last.remaining, last.continue_token) == ("e", None, "")


@virtual()
async def test_a_page_that_ends_with_the_last_object_has_no_token(world: World) -> None:
    await make(world, "a", "b")
    assert (await page(world, limit="2")).continue_token == ""


@virtual()
async def test_the_token_is_upstreams_json(world: World) -> None:
    await make(world, "a", "b")
    token = (await page(world, limit="1")).continue_token
    text = urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    assert text == f'{{"v":"meta.k8s.io/v1","rv":{await world.revision()},"start":"/a\\u0000"}}'
    everywhere = (await page(world, namespace="", limit="1")).continue_token
    assert continuing.decode(everywhere, "/registry/widgets").start == "/registry/widgets/default/a\0"


@virtual()
async def test_after_a_compaction_the_list_goes_on_in_the_newest_state_if_the_client_wants(world: World) -> None:
    await make(world, "a", "b", "c")
    first = await page(world, limit="1")
    await world.delete("b")
    await make(world, "bb")
    await world.storage.compact(await world.revision())
    error = await refused(page(world, limit="1", **{"continue": first.continue_token}))
    assert (error.code, error.reason) == (410, "Expired")
    assert error.message.startswith("The provided continue parameter is too old to display a consistent list result.")
    token = error.metadata["continue"]
    assert json.loads(urlsafe_b64decode(token + "=="))["rv"] == -1
    rest = await page(world, limit="1", **{"continue": token})
    assert (names(rest), rest.revision, rest.remaining) == ("bb", await world.revision(), 1)
    assert names(await page(world, limit="1", **{"continue": rest.continue_token})) == "c"


@virtual(COLOURED)
async def test_selectors_pages_and_no_count(world: World) -> None:
    await make(world, "a", "b", "c", "d", "e")
    blue = await page(world, limit="2", labelSelector="colour=blue")
    assert (names(blue), blue.remaining) == ("a c", None)
    rest = await page(world, limit="2", labelSelector="colour=blue", **{"continue": blue.continue_token})
    assert (names(rest), rest.continue_token) == ("e", "")
    assert names(await page(world, fieldSelector="spec.colour=red")) == "b d"
    assert names(await page(world, fieldSelector="spec.colour!=red,metadata.name!=a")) == "c e"
    assert names(await page(world, fieldSelector="spec.color=red", labelSelector="n in (1,2)")) == "b"
    red = await page(world, limit="2", fieldSelector="spec.colour=red")
    assert red.continue_token != "", "upstream gives a token when the limit is reached before the last key"
    assert names(await page(world, **{"continue": red.continue_token}, fieldSelector="spec.colour=red")) == ""


@virtual()
async def test_names_and_namespaces_narrow_a_list(world: World) -> None:
    await make(world, "a", "b")
    await make(world, "b", "c", namespace="other")
    assert names(await page(world, namespace="", fieldSelector="metadata.namespace=other")) == "b c"
    assert names(await page(world, namespace="", fieldSelector="metadata.name=b")) == "b b"
    assert names(await page(world, fieldSelector="metadata.name=b", limit="1")) == "b"
    assert names(await page(world, fieldSelector="metadata.namespace=other")) == ""
    assert names(await page(world, namespace="nowhere")) == ""


@virtual()
async def test_an_unknown_field_is_refused_in_the_kinds_words(world: World) -> None:
    odd = await refused(page(world, fieldSelector="a\\=b"))
    assert odd.message == '"a\\\\" is not a known field selector: only "metadata.name", "metadata.namespace"'
    error = await refused(page(world, fieldSelector="spec.x=1"))
    assert error.message == '"spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"'


@virtual(COLOURED)
async def test_an_unknown_field_of_a_kind_with_selectable_fields(world: World) -> None:
    assert (await refused(page(world, fieldSelector="spec.x=1"))).message == "field label not supported: spec.x"


@virtual()
async def test_an_exact_revision_shows_what_was(world: World) -> None:
    await make(world, "a", "b")
    then = str(await world.revision())
    await world.delete("a")
    assert names(await page(world, resourceVersion=then, resourceVersionMatch="Exact")) == "a b"
    assert names(await page(world, resourceVersion=then, limit="1")) == "a", "a limit without a match means exactly"
    assert names(await page(world, resourceVersion=then)) == "b"
    assert names(await page(world, resourceVersion=then, resourceVersionMatch="NotOlderThan", limit="1")) == "b"


@virtual()
async def test_zero_means_anything_and_ignores_the_limit(world: World) -> None:
    await make(world, "a", "b")
    await world.store.cacher.wait_current()
    listing = await page(world, resourceVersion="0", limit="1")
    assert (names(listing), listing.continue_token) == ("a b", "")
    await make(world, "c")
    token = (await page(world, limit="1")).continue_token
    rest = await page(world, resourceVersion="0", limit="1", **{"continue": token})
    assert (names(rest), rest.continue_token) == ("b c", "")


@virtual(widgets(watch_cache=False))
async def test_what_upstream_does_not_cache_is_paged_and_refused_as_etcd_does(world: World) -> None:
    await make(world, "a", "b")
    listing = await page(world, resourceVersion="0", limit="1")
    assert (names(listing), listing.remaining) == ("a", 1)
    error = await refused(world.store.get(world.context(), "a", resource_version="x"))
    assert (error.code, error.message.startswith("invalid resource version: ")) == (400, True)
    error = await refused(page(world, resourceVersion=str(await world.revision() + 1)))
    assert "retryAfterSeconds" not in (error.details or {})


@virtual()
async def test_a_get_waits_for_the_revision_it_asks_for(world: World) -> None:
    await make(world, "a")
    ahead = str(await world.revision() + 1)
    before = world.clock.now()
    error = await refused(world.store.get(world.context(), "a", resource_version=ahead))
    assert world.clock.now() - before == pytest.approx(3.0)
    assert (error.code, error.reason) == (504, "Timeout")
    assert error.details == {
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    }
    waiting = asyncio.ensure_future(world.store.get(world.context(), "a", resource_version=ahead))
    await asyncio.sleep(1)
    await make(world, "b")
    assert (await waiting).name == "a"


@virtual()
async def test_a_get_of_what_is_not_there_is_a_404(world: World) -> None:
    error = await refused(world.store.get(world.context(), "a"))
    assert (error.code, error.message) == (404, 'widgets.test.example "a" not found')


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        (
            {"resourceVersion": "x"},
            400,
            'invalid resource version: resourceVersion: Invalid value: "x": strconv.ParseUint: parsing "x": invalid syntax',
        ),
        (
            {"continue": "!"},
            400,
            "invalid continue token: continue key is not valid: illegal base64 data at input byte 0",
        ),
        (
            {"continue": "eyJ2IjoiYSJ9"},
            400,
            "invalid continue token: continue key is not valid: server does not recognize this encoded version a",
        ),
        ({"continue": "W1tb" * 20_000}, 400, ""),
        (
            {"continue": "e30geA"},
            400,
            "invalid continue token: continue key is not valid: invalid character 'x' after top-level value",
        ),
        ({"continue": "eyJydiI6dHJ1ZSwidiI6IngifQ"}, 400, ""),
        ({"resourceVersion": "1", "resourceVersionMatch": "Exact", "continue": "x"}, 422, ""),
        ({"limit": "x"}, 400, 'strconv.ParseInt: parsing "x": invalid syntax'),
    ],
)
def test_refusals(query: dict[str, str], code: int, message: str) -> None:
    @virtual()
    async def check(world: World) -> None:
        async def ask() -> Any:
            return await page(world, **query)

        error = await refused(ask())
        assert error.code == code
        assert not message or error.message == message

    check()


@virtual()
async def test_a_token_forbids_another_revision(world: World) -> None:
    await make(world, "a", "b")
    token = (await page(world, limit="1")).continue_token
    error = await refused(page(world, resourceVersion="5", **{"continue": token}))
    assert error.message == "specifying resource version is not allowed when using continue"


def test_a_tokens_fields_are_known_whatever_their_case() -> None:
    token = urlsafe_b64encode(b'{"V":"meta.k8s.io/v1","RV":7,"Start":"a"}').decode().rstrip("=")
    assert continuing.decode(token, "/p") == continuing.Continue("/p/a", 7)


def test_a_token_cannot_leave_its_collection() -> None:
    token = continuing.encode("/p/../secrets/a", "/p", 5)
    with pytest.raises(Exception, match="continue key is not valid"):
        continuing.decode(token, "/registry/widgets")


@virtual()
async def test_pages_go_on_when_the_window_has_moved(world: World) -> None:
    await make(world, "a", "b", "c")
    token = (await page(world, limit="1")).continue_token
    for n in range(2 * LEAST):
        await world.change(partial(resize, n + 2), "a")
        await asyncio.sleep(FRESH / 20)
    await make(world, "d")
    rest = await page(world, **{"continue": token})
    assert names(rest) == "b c"
