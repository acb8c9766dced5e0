"""PATCH in its four types; expectations are the real server's."""

from __future__ import annotations

import orjson

from apiserver.endpoints.handlers.tests.world import World, virtual

CONFLICT = (
    'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest '
    "version and try again"
)


@virtual()
async def test_every_patch_type_changes_the_object(world: World) -> None:
    await world.create(data={"a": "1"})
    assert (await world.patch({"data": {"b": "2"}})).body["data"] == {"a": "1", "b": "2"}
    assert (await world.patch({"data": {"a": None}}, "strategic")).body["data"] == {"b": "2"}
    operations = [{"op": "test", "path": "/data/b", "value": "2"}, {"op": "add", "path": "/data/c", "value": "3"}]
    answer = await world.patch(operations, "json")
    assert (answer.status, answer.body["data"]) == (200, {"b": "2", "c": "3"})


@virtual()
async def test_a_patch_that_changes_nothing_writes_nothing(world: World) -> None:
    created = await world.create(data={"a": "1"})
    before = await world.revision()
    answer = await world.patch({"data": {"a": "1"}})
    assert answer.body == created and await world.revision() == before


@virtual()
async def test_a_dry_run_patch_writes_nothing(world: World) -> None:
    await world.create(data={"a": "1"})
    before = await world.revision()
    assert (await world.patch({"data": {"a": "2"}}, query="dryRun=All")).body["data"] == {"a": "2"}
    assert await world.revision() == before


@virtual()
async def test_other_media_types_are_refused(world: World) -> None:
    answer = await world.patch({}, "application/merge-patch+json,application/json")
    assert (answer.status, answer.message) == (
        415,
        "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, "
        "application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml",
    )
    await world.create()
    assert (await world.patch({}, "application/merge-patch+json; charset=utf-8")).status == 200


@virtual()
async def test_a_patch_of_what_is_missing_is_a_404(world: World) -> None:
    for kind, patch in (("merge", {}), ("strategic", {}), ("json", [])):
        answer = await world.patch(patch, kind)
        assert (answer.status, answer.message) == (404, 'configmaps "a" not found')


@virtual()
async def test_a_resource_version_in_a_patch_is_a_lock(world: World) -> None:
    created = await world.create()
    answer = await world.patch({"metadata": {"resourceVersion": "1"}, "data": {"x": "y"}})
    assert (answer.status, answer.message) == (409, CONFLICT)
    version = created["metadata"]["resourceVersion"]
    assert (await world.patch({"metadata": {"resourceVersion": version}, "data": {"x": "y"}})).status == 200


@virtual()
async def test_a_patch_may_not_rename_or_move(world: World) -> None:
    await world.create()
    for patch, message in (
        ({"name": "b"}, "the name of the object (b) does not match the name on the URL (a)"),
        ({"name": None}, "the name of the object (a based on URL) was undeterminable: name must be provided"),
        (
            {"namespace": "b"},
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
    ):
        answer = await world.patch({"metadata": patch})
        assert (answer.status, answer.message) == (400, message)
    answer = await world.patch({"metadata": {"uid": "x"}})
    assert (answer.status, answer.message) == (
        422,
        'ConfigMap "a" is invalid: metadata.uid: Invalid value: "x": field is immutable',
    )


@virtual()
async def test_what_is_no_patch_is_refused(world: World) -> None:
    await world.create()
    for kind, body, message in (
        ("merge", b"xx", "invalid JSON patch"),
        (
            "json",
            b"{}",
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
        ),
        (
            "merge",
            b"[]",
            "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}",
        ),
        ("strategic", b'"x"', "json: cannot unmarshal string into Go value of type map[string]interface {}"),
        ("merge", b"null", "Invalid JSON Patch"),
    ):
        answer = await world.patch(body, kind)
        assert (answer.status, answer.message) == (400, message)


@virtual()
async def test_unknown_fields_of_a_patch_are_warnings_or_refused(world: World) -> None:
    await world.create()
    patch = {"foo": 1, "metadata": {"bar": 1}}
    found = ['unknown field "foo"', 'unknown field "metadata.bar"']
    for kind in ("merge", "strategic"):
        answer = await world.patch(patch, kind)
        assert (answer.status, answer.warnings) == (200, found) and "foo" not in answer.body
        answer = await world.patch(patch, kind, query="fieldValidation=Ignore")
        assert (answer.status, answer.warnings) == (200, [])
    answer = await world.patch(patch, "strategic", query="fieldValidation=Strict")
    assert (answer.status, answer.message) == (
        422,
        ' "" is invalid: patch: Invalid value: "map[foo:1 metadata:map[bar:1]]": strict decoding error: '
        'unknown field "foo", unknown field "metadata.bar"',
    )
    answer = await world.patch(b'{"data":{"x":"y","x":"z"}}')
    assert (answer.warnings, answer.body["data"]) == (['duplicate field "data.x"'], {"x": "z"})


@virtual()
async def test_a_refusal_shows_the_patch_without_what_decoding_adds(world: World) -> None:
    await world.create()
    answer = await world.patch(
        {"metadata": {"ownerReferences": [{"uid": "1"}]}, "foo": 1}, "strategic", query="fieldValidation=Strict"
    )
    assert '"map[foo:1 metadata:map[ownerReferences:[map[uid:1]]]]"' in answer.message


@virtual()
async def test_a_refusal_shows_sorted_what_the_patch_went_through(world: World) -> None:
    await world.create()
    answer = await world.patch({"metadata": {"ownerReferences": [{"uid": 1, "name": "a"}]}})
    assert '"ownerReferences":[{"name":"a","uid":1}]' in answer.message.replace("\\", "")
    added = [{"op": "add", "path": "/data", "value": {"b": 1, "a": 2}}]
    answer = await world.patch(added, "json")
    assert '"data":{"b":1,"a":2}' in answer.message.replace("\\", "")


@virtual()
async def test_a_patched_object_of_a_wrong_type_is_refused(world: World) -> None:
    await world.create()
    answer = await world.patch({"data": {"a": 1}})
    assert answer.status == 422
    assert answer.message.startswith(' "" is invalid: patch: Invalid value: "{')
    assert answer.message.endswith("json: cannot unmarshal number into Go struct field ConfigMap.data of type string")


@virtual()
async def test_force_is_for_apply_alone(world: World) -> None:
    answer = await world.patch({}, query="force=false")
    assert (answer.status, answer.message) == (
        422,
        'PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch',
    )


# Apply


@virtual()
async def test_apply_creates_what_is_absent(world: World) -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}}
    answer = await world.patch(config, "apply", query="fieldManager=me")
    assert answer.status == 201
    assert answer.body["metadata"]["managedFields"] == [
        {
            "manager": "me",
            "operation": "Apply",
            "apiVersion": "v1",
            "time": "2026-01-01T00:00:00Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {"f:k": {}}},
        }
    ]
    before = await world.revision()
    again = await world.patch(config, "apply", query="fieldManager=me")
    assert (again.status, again.body) == (200, answer.body)
    assert await world.revision() == before


@virtual()
async def test_apply_in_yaml(world: World) -> None:
    config = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  k: v\n"
    answer = await world.patch(config, "apply", query="fieldManager=me")
    assert (answer.status, answer.body["data"]) == (201, {"k": "v"})


@virtual()
async def test_apply_needs_a_field_manager(world: World) -> None:
    answer = await world.patch({}, "apply")
    assert (answer.status, answer.message) == (
        422,
        'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
    )


@virtual()
async def test_apply_conflicts_unless_forced(world: World) -> None:
    await world.create(data={"k": "v"})
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "mine"}}
    answer = await world.patch(config, "apply", query="fieldManager=me")
    assert (answer.status, answer.body["reason"]) == (409, "Conflict")
    assert answer.message == 'Apply failed with 1 conflict: conflict with "tester" using v1: .data.k'
    answer = await world.patch(config, "apply", query="fieldManager=me&force=true")
    assert (answer.status, answer.body["data"]) == (200, {"k": "mine"})


@virtual()
async def test_apply_of_a_new_object_needs_the_right_to_create(world: World) -> None:
    world.policy.refused.add("create")
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    answer = await world.patch(config, "apply", query="fieldManager=me")
    assert answer.status == 403
    assert answer.message.startswith(
        'configmaps "a" is forbidden: User "system:anonymous" cannot create resource "configmaps"'
    )


@virtual()
async def test_apply_of_a_named_uid_that_is_gone_conflicts(world: World) -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "uid": "u"}}
    answer = await world.patch(config, "apply", query="fieldManager=me")
    assert (answer.status, answer.message) == (
        409,
        'Operation cannot be fulfilled on configmaps "a": uid mismatch: the provided object specified uid u, and no existing '
        "object was found",
    )


@virtual()
async def test_a_patch_of_too_many_operations_is_too_large(world: World) -> None:
    await world.create(data={"a": "1"})
    operations = orjson.dumps([{"op": "test", "path": "/data/a", "value": "1"}] * 10_001)
    answer = await world.patch(operations, "json")
    assert (answer.status, answer.body["reason"]) == (413, "RequestEntityTooLarge")
