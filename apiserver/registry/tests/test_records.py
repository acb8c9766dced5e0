"""Records of writes: what is made of an object in hand is what would be made of its bytes."""

from __future__ import annotations

from typing import Any

import orjson

from apiserver.apimachinery.objects import Object
from apiserver.registry.records import record_maker
from apiserver.registry.tests.world import WidgetStrategy, widgets
from apiserver.storage.interface import KeyValue

KEY = "/registry/widgets/default/a"


class Defaulting(WidgetStrategy):
    def default(self, obj: Object) -> None:
        obj["spec"].setdefault("color", "red")


def form(**spec: Any) -> Object:
    managed = [{"manager": "m", "operation": "Update", "fieldsV1": {"f:spec": {"f:size": {}}}}]
    meta = {"name": "a", "namespace": "default", "uid": "u", "labels": {"b": "2", "a": "1"}, "managedFields": managed}
    return {"kind": "Widget", "apiVersion": "test.example/v1", "metadata": meta, "spec": spec}


def test_the_record_of_a_write_is_the_record_of_its_bytes() -> None:
    for resource in (widgets(), widgets(Defaulting())):
        value = orjson.dumps(form(size=1))
        read = record_maker(resource)(KeyValue(KEY, value, 7))
        assert record_maker(resource).written(KeyValue(KEY, value, 7), form(size=1)) == read
        assert read.stale == isinstance(resource.strategy, Defaulting)


def test_the_event_of_an_expected_write_and_its_writer_share_one_record() -> None:
    maker, expected = record_maker(widgets()), form(size=1)
    value = orjson.dumps(expected)
    maker.expect(KEY, value, expected)
    heard = maker(KeyValue(KEY, bytes(bytearray(value)), 7))
    maker.forget(KEY, value)
    assert maker.written(KeyValue(KEY, value, 7), expected) is heard
    assert heard == record_maker(widgets())(KeyValue(KEY, value, 7))


def test_another_value_at_an_expected_key_is_read_for_itself() -> None:
    maker, expected = record_maker(widgets()), form(size=1)
    value, other = orjson.dumps(expected), orjson.dumps(form(size=2))
    maker.expect(KEY, value, expected)
    assert b'"size":2' in maker(KeyValue(KEY, other, 6)).tail
    maker.forget(KEY, value)
    again = maker.written(KeyValue(KEY, value, 7), expected)
    assert (again.revision, again.tail) == (7, b'},"spec":{"size":1}}')
    assert b"managedFields" in again.managed
