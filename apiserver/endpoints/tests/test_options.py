"""Options of writes and query parameters, read as Go reads them; expectations are the real server's."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.http import Query
from apiserver.endpoints import arguments
from apiserver.endpoints.options import (
    WriteOptions,
    create_options,
    default_manager,
    delete_options,
    patch_options,
    update_options,
)
from apiserver.registry.delete_options import check_delete_options


def test_no_query_means_warn_and_nothing_else() -> None:
    assert create_options(Query("")) == WriteOptions(False, "", "Warn", None, "")


def test_options_are_read_from_the_query() -> None:
    query = Query("dryRun=All&dryRun=All&fieldManager=me&fieldValidation=Strict&force=true&unknown=1")
    assert update_options(query) == WriteOptions(True, "me", "Strict", None, "Strict")
    assert patch_options(query, apply=True) == WriteOptions(True, "me", "Strict", True, "Strict")


def test_admission_sees_what_the_client_said() -> None:
    assert create_options(Query("")).as_object("CreateOptions") == {
        "kind": "CreateOptions",
        "apiVersion": "meta.k8s.io/v1",
    }
    assert create_options(Query("dryRun=All&fieldManager=me&fieldValidation=Warn")).as_object("UpdateOptions") == {
        "kind": "UpdateOptions",
        "apiVersion": "meta.k8s.io/v1",
        "dryRun": ["All"],
        "fieldManager": "me",
        "fieldValidation": "Warn",
    }


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("dryRun=", 'dryRun: Unsupported value: [""]: supported values: "All"'),
        ("dryRun=All&dryRun=x", 'dryRun: Unsupported value: ["All","x"]: supported values: "All"'),
        ("fieldManager=a%07b", 'fieldManager: Invalid value: "a\\ab": invalid character U+0007 (at position 1)'),
        ("fieldManager=" + "%C3%A9" * 65, "fieldManager: Too long: may not be more than 128 bytes"),
        ("force=0", "force: Forbidden: may not be specified for non-apply patch"),
    ],
)
def test_what_a_patch_may_not_say(query: str, message: str) -> None:
    with pytest.raises(StatusError) as caught:
        patch_options(Query(query), apply=False)
    assert caught.value.message == f'PatchOptions.meta.k8s.io "" is invalid: {message}'


def test_apply_needs_a_manager() -> None:
    with pytest.raises(StatusError, match="fieldManager: Required value: is required for apply patch"):
        patch_options(Query(""), apply=True)


@pytest.mark.parametrize(
    ("agent", "manager"),
    [
        ("kubectl/v1.37.0 (linux/amd64)", "kubectl"),
        ("", ""),
        ("/x", ""),
        ("no slash at all", "no slash at all"),
        ("a\x01\tb/1", "ab"),
        ("x" * 200 + "/1", "x" * 128),
        ("é" * 100 + "/1", "é" * 64),
    ],
)
def test_the_manager_of_who_does_not_say_is_the_programs_name(agent: str, manager: str) -> None:
    assert default_manager(agent) == manager


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("", {}),
        ("gracePeriodSeconds=-5", {"gracePeriodSeconds": -5}),
        ("orphanDependents=", {"orphanDependents": True}),
        ("orphanDependents=False", {"orphanDependents": False}),
        ("orphanDependents=0&orphanDependents=1", {"orphanDependents": False}),
        ("propagationPolicy=Orphan&dryRun=All", {"propagationPolicy": "Orphan", "dryRun": ["All"]}),
        ("uid=u&resourceVersion=7", {"preconditions": {"uid": "u", "resourceVersion": "7"}}),
        ("uid=&resourceVersion=", {}),
    ],
)
def test_delete_options_from_the_query(query: str, options: Any) -> None:
    assert delete_options(Query(query)) == options


def test_delete_options_may_contradict_themselves_twice() -> None:
    with pytest.raises(StatusError) as caught:
        check_delete_options({"orphanDependents": True, "propagationPolicy": "x"})
    assert caught.value.message == (
        'DeleteOptions.meta.k8s.io "" is invalid: [propagationPolicy: Invalid value: "x": orphanDependents and '
        'deletionPropagation cannot be both set, propagationPolicy: Unsupported value: "x": supported values: "Foreground", '
        '"Background", "Orphan", "nil"]'
    )


@pytest.mark.parametrize(
    ("text", "why"), [("x", "invalid syntax"), ("", "invalid syntax"), ("9" * 50, "value out of range")]
)
def test_numbers_are_gos(text: str, why: str) -> None:
    with pytest.raises(StatusError) as caught:
        arguments.optional_integer(Query(f"n={text}"), "n")
    assert (caught.value.code, caught.value.message) == (400, f'strconv.ParseInt: parsing "{text}": {why}')
    assert arguments.optional_integer(Query("n=-7&n=x"), "n") == -7
    assert arguments.optional_integer(Query(""), "n") is None
