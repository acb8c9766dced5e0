"""Tables: columns, cells that stay and cells that age, what stands beside a row."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from apiserver.apimachinery.clock import VIRTUAL_EPOCH, parse_rfc3339, rfc3339
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object, get
from apiserver.registry.records import RecordMaker
from apiserver.registry.rendition import Form, ListMeta, Renditions
from apiserver.registry.resource import Column, Resource, ServedVersion, Since
from apiserver.registry.table import Tables, check_include
from apiserver.registry.tests.world import widgets
from apiserver.storage.cacher import Record
from apiserver.storage.interface import KeyValue

NOW = VIRTUAL_EPOCH
TABLE = Form("v1", kind="table")


class Counted:
    """A cell that counts how often it is made."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, obj: Object, now: float) -> Any:
        self.calls += 1
        return obj["spec"]["size"]


def age(obj: Object, now: float) -> Since:
    return Since(get(obj, "metadata", "creationTimestamp"), "about ", " ago")


def own_age(obj: Object, now: float) -> str:
    return f"{int(now - parse_rfc3339(obj['metadata']['creationTimestamp']))} s"


def record(name: str = "a", created: float | None = NOW - 90) -> Record:
    meta: Object = {"name": name, "namespace": "default"}
    if created is not None:
        meta["creationTimestamp"] = rfc3339(created)
    obj = {"kind": "Widget", "apiVersion": "test.example/v1", "metadata": meta, "spec": {"size": 3}}
    return RecordMaker(widgets())(KeyValue(f"/registry/widgets/default/{name}", orjson.dumps(obj), 5))


def tables(*columns: Column, **more: Any) -> Tables:
    resource: Resource = widgets(columns=columns, **more)
    return Tables(resource, Renditions(resource))


def table(made: Tables, *records: Record, form: Form = TABLE, now: float = NOW) -> Any:
    return orjson.loads(b"".join(made.pieces(records, ListMeta(7), form, now)))


def test_a_row_is_kept_and_its_age_goes_on() -> None:
    size = Counted()
    made = tables(Column("Size", size, type="integer"), Column("Age", age), Column("Size too", size))
    a = record()
    assert table(made, a)["rows"][0]["cells"] == [3, "about 90s ago", 3]
    assert table(made, a, now=NOW + 3600)["rows"][0]["cells"] == [3, "about 61m ago", 3]
    assert size.calls == 2


def test_a_cell_that_reckons_with_the_time_is_made_anew() -> None:
    made = tables(Column("Age", own_age))
    a = record()
    assert table(made, a)["rows"][0]["cells"] == ["90 s"]
    assert table(made, a, now=NOW + 5)["rows"][0]["cells"] == ["95 s"]


def test_an_unknown_age_says_so() -> None:
    assert table(tables(Column("Age", age)), record(created=None))["rows"][0]["cells"] == ["about <unknown> ago"]


def test_definitions_and_metadata_stand_in_the_table() -> None:
    body = table(
        tables(Column("Size", Counted(), type="integer", format="int32", description="d", priority=1)), record()
    )
    assert (body["kind"], body["apiVersion"], body["metadata"]) == ("Table", "meta.k8s.io/v1", {"resourceVersion": "7"})
    assert body["columnDefinitions"] == [
        {"name": "Size", "type": "integer", "format": "int32", "description": "d", "priority": 1}
    ]


def test_a_kind_without_columns_shows_name_and_creation() -> None:
    body = table(tables(), record())
    assert [c["name"] for c in body["columnDefinitions"]] == ["Name", "Created At"]
    assert body["rows"][0]["cells"] == ["a", rfc3339(NOW - 90)]


def test_a_version_may_have_columns_of_its_own() -> None:
    own = ServedVersion("v1", columns=(Column("Own", lambda obj, now: "x"),))
    assert table(tables(Column("Size", Counted()), versions=(own,)), record())["rows"][0]["cells"] == ["x"]


@pytest.mark.parametrize(
    ("include", "kind"),
    [("", "PartialObjectMetadata"), ("Metadata", "PartialObjectMetadata"), ("Object", "Widget"), ("None", None)],
)
def test_what_a_row_carries_beside_its_cells(include: str, kind: str | None) -> None:
    body = table(tables(), record("a"), record("b"), form=TABLE._replace(include=include))
    shown = [row["object"] for row in body["rows"]]
    assert [obj and obj["kind"] for obj in shown] == [kind, kind]


def test_conditions_stand_between_cells_and_object() -> None:
    done = [{"type": "Completed", "status": "True"}]
    row = table(tables(row_conditions=lambda obj: done), record())["rows"][0]
    assert list(row) == ["cells", "conditions", "object"]
    assert row["conditions"] == done


def test_an_empty_table_has_no_rows() -> None:
    assert table(tables())["rows"] == []


def test_an_unknown_include_is_refused() -> None:
    with pytest.raises(
        StatusError, match="includeObject: Invalid value: \"x\": must be 'Metadata', 'Object', 'None', or empty"
    ):
        check_include("x")


def test_no_rows_are_null_only_where_a_kind_has_no_columns_of_its_own() -> None:
    empty = [made.list_pieces([], ListMeta(7), TABLE, NOW) for made in (tables(), tables(Column("Age", age)))]
    assert [orjson.loads(b"".join(pieces))["rows"] for pieces in empty] == [None, []]
