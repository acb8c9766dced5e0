"""Renditions: the same object in every form, made without changing what a record holds."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from apiserver.registry.records import RecordMaker, UnreadableObject
from apiserver.registry.rendition import (
    CACHE_BYTES,
    PARTIAL,
    PARTIAL_LIST,
    YAML,
    ByteCache,
    Form,
    ListMeta,
    Renditions,
)
from apiserver.registry.resource import Resource, ServedVersion
from apiserver.registry.strategy import Strategy
from apiserver.registry.tests.world import widgets
from apiserver.storage.cacher import Record
from apiserver.storage.interface import KeyValue

MANAGED = [{"manager": "m", "operation": "Update", "fieldsV1": {"f:spec": {}}}]


class Defaulting(Strategy):
    """Sizes are 1 unless said otherwise."""

    def default(self, obj: Object) -> None:
        obj.setdefault("spec", {}).setdefault("size", 1)


def to_version(obj: Object, api_version: str) -> Object:
    """v2 calls the size `bulk`."""
    if obj["apiVersion"] == api_version:
        return obj
    spec = {"bulk": obj["spec"]["size"]} if api_version.endswith("v2") else {"size": obj["spec"]["bulk"]}
    return {**obj, "apiVersion": api_version, "spec": spec}


TWO = widgets(versions=(ServedVersion("v2"), ServedVersion("v1")), convert=to_version)


def stored(resource: Resource, revision: int = 5, **changes: Any) -> Record:
    obj = {
        "kind": "Widget",
        "apiVersion": "test.example/v1",
        "metadata": {"name": "a", "namespace": "default", "uid": "u", "managedFields": MANAGED},
        "spec": {"size": 3},
        **changes,
    }
    return RecordMaker(resource)(KeyValue("/registry/widgets/default/a", orjson.dumps(obj), revision))


def loaded(pieces: Any) -> Any:
    return orjson.loads(b"".join(pieces))


def test_the_common_form_is_the_records_own_bytes() -> None:
    record = stored(widgets())
    pieces = Renditions(widgets()).pieces(record, Form("v1"))
    assert all(piece is own for piece, own in zip(pieces, record[5:9], strict=True))
    assert loaded(pieces)["metadata"] == {
        "name": "a",
        "namespace": "default",
        "uid": "u",
        "resourceVersion": "5",
        "managedFields": MANAGED,
    }


def test_another_version_is_converted_once_and_keeps_its_managed_fields() -> None:
    calls = []

    def counted(obj: Object, api_version: str) -> Object:
        calls.append(api_version)
        return to_version(obj, api_version)

    resource = widgets(versions=TWO.versions, convert=counted)
    renditions, record = Renditions(resource), stored(resource)
    for _ in range(2):
        obj = loaded(renditions.pieces(record, Form("v2")))
        assert (obj["apiVersion"], obj["spec"]) == ("test.example/v2", {"bulk": 3})
        assert obj["metadata"]["managedFields"] == MANAGED
    assert calls == ["test.example/v2"]
    assert loaded(renditions.pieces(record, Form("v1")))["spec"] == {"size": 3}


def test_partial_metadata_is_cut_from_the_record() -> None:
    obj = loaded(Renditions(widgets()).pieces(stored(widgets()), Form("v1", kind=PARTIAL, meta_version="v1beta1")))
    assert list(obj) == ["kind", "apiVersion", "metadata"]
    assert (obj["kind"], obj["apiVersion"]) == ("PartialObjectMetadata", "meta.k8s.io/v1beta1")
    assert obj["metadata"]["managedFields"] == MANAGED


def test_metadata_of_a_built_in_kind_is_what_no_version_has_added_to() -> None:
    def annotated(obj: Object, api_version: str) -> Object:
        return {**obj, "apiVersion": api_version, "metadata": {**obj["metadata"], "annotations": {"of": api_version}}}

    for schemas, expected in ((None, None), ({}, {"of": "test.example/v2"})):
        resource = widgets(versions=TWO.versions, convert=annotated, schemas=schemas)
        renditions, record = Renditions(resource), stored(resource)
        one = loaded(renditions.pieces(record, Form("v2", kind=PARTIAL)))
        (listed,) = loaded(renditions.list_pieces([record], ListMeta(1), Form("v2", kind=PARTIAL_LIST)))["items"]
        assert [item["metadata"].get("annotations") for item in (one, listed)] == [expected] * 2


def test_annotations_that_stand_for_fields_are_no_metadata() -> None:
    resource = widgets(field_annotations={"n": "0"})
    renditions = Renditions(resource)
    for given, shown in (({"n": "5"}, None), ({"n": "5", "a": "b"}, {"a": "b"})):
        record = stored(resource)
        meta = {**loaded(record[5:9])["metadata"], "annotations": given}
        del meta["managedFields"]
        record = record._replace(head=orjson.dumps(meta)[:-1], revision=record.revision + len(given))
        assert loaded(renditions.pieces(record, Form("v1")))["metadata"]["annotations"] == given
        partial = loaded(renditions.pieces(record, Form("v1", kind=PARTIAL)))["metadata"]
        assert (partial.get("annotations"), partial["managedFields"]) == (shown, MANAGED)


def test_items_of_built_in_lists_carry_no_kind_and_those_of_custom_ones_do() -> None:
    meta = ListMeta(9, "token", 4)
    for resource, keys in (
        (widgets(), ["metadata", "spec"]),
        (widgets(schemas={}), ["kind", "apiVersion", "metadata", "spec"]),
    ):
        record = stored(resource)
        body = loaded(Renditions(resource).list_pieces([record, record], meta, Form("v1")))
        assert (body["kind"], body["apiVersion"]) == ("WidgetList", "test.example/v1")
        assert body["metadata"] == {"resourceVersion": "9", "continue": "token", "remainingItemCount": 4}
        assert [list(item) for item in body["items"]] == [keys, keys]


def test_lists_in_another_version_and_of_metadata() -> None:
    record = stored(TWO)
    renditions = Renditions(TWO)
    assert [i["spec"] for i in loaded(renditions.list_pieces([record], ListMeta(1), Form("v2")))["items"]] == [
        {"bulk": 3}
    ]
    partial = loaded(renditions.list_pieces([record], ListMeta(1), Form("v2", kind=PARTIAL_LIST)))
    assert (partial["kind"], partial["items"][0]["kind"]) == ("PartialObjectMetadataList", "PartialObjectMetadata")


def test_empty_lists() -> None:
    renditions = Renditions(widgets())
    assert loaded(renditions.list_pieces([], ListMeta(1), Form("v1")))["items"] == []
    assert loaded(renditions.list_pieces([], ListMeta(1), Form("v1", kind=PARTIAL_LIST)))["items"] is None


def test_forms_that_do_not_fit_are_not_acceptable() -> None:
    resource = widgets(group="apps")
    renditions = Renditions(resource)
    with pytest.raises(
        StatusError, match=r"PartialObjectMetadata, but the requested object is a list \(\*apps\.WidgetList\)"
    ):
        renditions.list_pieces([], ListMeta(1), Form("v1", kind=PARTIAL))
    with pytest.raises(StatusError, match=r"the requested object is not a list \(\*apps\.Widget\)") as caught:
        renditions.pieces(stored(resource), Form("v1", kind=PARTIAL_LIST))
    assert caught.value.code == 406


def test_yaml_is_encoded_once_per_record() -> None:
    renditions, record = Renditions(widgets()), stored(widgets())
    first = renditions.pieces(record, Form("v1", YAML))[0]
    assert first.startswith(b"apiVersion: test.example/v1\nkind: Widget\n")
    assert renditions.pieces(record, Form("v1", YAML))[0] is first


def test_caches_are_bounded_in_bytes() -> None:
    cache = ByteCache(100)
    for number in range(50):
        cache.put(number, number, 10)
    assert (len(cache), cache.size) == (10, 100)
    assert cache.get(39) is None
    assert cache.get(40) == 40
    cache.put(50, 50, 10)
    assert cache.get(40) == 40, "what was used last stays"
    cache.put(40, 41, 30)
    assert cache.size <= 100
    assert CACHE_BYTES > 0


# Records.


def test_a_record_shows_defaults_and_is_stale_where_they_are_not_stored() -> None:
    resource = widgets(Defaulting())
    fresh, older = stored(resource), stored(resource, spec={})
    assert (fresh.stale, older.stale) == (False, True)
    assert orjson.loads(older.wire)["spec"] == {"size": 1}


def test_a_value_in_another_version_is_converted_and_stale() -> None:
    record = stored(TWO, apiVersion="test.example/v2", spec={"bulk": 7})
    assert record.stale
    assert orjson.loads(record.wire)["spec"] == {"size": 7}
    assert orjson.loads(record.wire)["apiVersion"] == "test.example/v1"


@pytest.mark.parametrize(
    "value",
    [
        b'{"kind":"Widget","apiVersion":"test.example/v1","metadata":{},"spec":{"size":1}}',
        b'{"apiVersion":"test.example/v1","kind":"Widget","spec":{"size":1}}\n',
        b' {\n "spec": {"size": 1},\n "metadata": null, "apiVersion": "test.example/v1", "kind": "Widget"}\n',
    ],
)
def test_bytes_of_any_layout_make_a_record(value: bytes) -> None:
    record = RecordMaker(widgets())(KeyValue("/k", value, 12))
    obj = orjson.loads(record.wire)
    assert obj["metadata"] == {"resourceVersion": "12"}
    assert obj["spec"] == {"size": 1}


@pytest.mark.parametrize("value", [b"", b"k8s\0protobuf", b"[]", b'{"metadata":[]}'])
def test_bytes_that_are_no_object_are_refused(value: bytes) -> None:
    with pytest.raises((UnreadableObject, ValueError)):
        RecordMaker(widgets())(KeyValue("/k", value, 12))


def test_facts_and_shared_pieces() -> None:
    maker = RecordMaker(widgets(selectable={"spec.size": lambda obj: str(obj["spec"]["size"])}))
    records = [
        maker(
            KeyValue(
                f"/registry/widgets/default/{name}",
                orjson.dumps(
                    {
                        "apiVersion": "test.example/v1",
                        "kind": "Widget",
                        "metadata": {
                            "name": name,
                            "namespace": "default",
                            "labels": {"b": "2", "a": "1"},
                            "ownerReferences": [{"uid": "o"}],
                            "managedFields": MANAGED,
                        },
                        "spec": {"size": 3},
                    }
                ),
                5,
            )
        )
        for name in ("a", "b")
    ]
    first, second = records
    assert (first.labels, first.fields, first.owners) == ((("a", "1"), ("b", "2")), ("3",), ("o",))
    assert first.managed is second.managed and first.labels is second.labels and first.start is second.start


def test_a_record_at_another_revision_says_so_once() -> None:
    record = stored(widgets(), metadata={"name": "a", "labels": {"x": '"resourceVersion":"5"', "resourceVersion": "5"}})
    moved = orjson.loads(record.at(77).wire)["metadata"]
    assert (moved["resourceVersion"], moved["labels"]["resourceVersion"]) == ("77", "5")
