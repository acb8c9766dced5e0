"""DELETE of one and of many; expectations are the real server's."""

from __future__ import annotations

from apiserver.endpoints.handlers.tests.world import World, virtual

KEEP = {"finalizers": ["example.com/keep"]}


@virtual()
async def test_a_delete_answers_with_what_is_gone(world: World) -> None:
    created = await world.create()
    answer = await world.send("DELETE", "a")
    assert (answer.status, answer.body) == (
        200,
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": {"name": "a", "kind": "configmaps", "uid": created["metadata"]["uid"]},
        },
    )
    answer = await world.send("DELETE", "a")
    assert (answer.status, answer.message) == (404, 'configmaps "a" not found')


@virtual()
async def test_a_delete_that_waits_for_finalizers_answers_with_the_object(world: World) -> None:
    await world.create(meta=KEEP)
    answer = await world.send("DELETE", "a")
    assert (answer.status, answer.body["kind"]) == (200, "ConfigMap")
    assert answer.body["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:00Z"
    answer = await world.send("DELETE", "a", {"orphanDependents": False})
    assert answer.status == 202


@virtual()
async def test_options_come_from_the_body_or_else_from_the_query(world: World) -> None:
    await world.create()
    answer = await world.send("DELETE", "a", query="propagationPolicy=Foreground")
    assert answer.body["metadata"]["finalizers"] == ["foregroundDeletion"]
    answer = await world.send("DELETE", "a", {"propagationPolicy": "Orphan"}, query="propagationPolicy=Background")
    assert answer.body["metadata"]["finalizers"] == ["orphan"]


def _protobuf(options: bytes) -> bytes:
    """The envelope of core/v1 DeleteOptions around their fields; every length fits into one byte."""
    type_meta = b"\n\x02v1\x12\rDeleteOptions"
    return b"k8s\0\n" + bytes([len(type_meta)]) + type_meta + b"\x12" + bytes([len(options)]) + options


@virtual()
async def test_options_may_come_in_protobuf(world: World) -> None:
    protobuf = "application/vnd.kubernetes.protobuf"
    await world.create()
    answer = await world.send("DELETE", "a", _protobuf(b"\x12\x03\n\x01x"), content_type=protobuf)
    assert answer.status == 409 and "the UID in the precondition (x) does not match" in answer.message
    answer = await world.send("DELETE", "a", b"hello", content_type=protobuf)
    message = "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
    assert (answer.status, answer.message) == (400, message)
    answer = await world.send("DELETE", "a", _protobuf(b'"\x06Orphan'), content_type=protobuf)
    assert answer.body["metadata"]["finalizers"] == ["orphan"]


@virtual()
async def test_options_of_another_kind_are_refused_by_who_knows_it(world: World) -> None:
    for kind, why in (
        ("Status", "converting (v1.Status) to (v1.DeleteOptions): unknown conversion"),
        ("Pod", 'no kind "Pod" is registered for version "v1" in scheme "pkg/runtime/scheme.go:111"'),
    ):
        answer = await world.send("DELETE", "a", {"apiVersion": "v1", "kind": kind})
        assert (answer.status, answer.message) == (400, why)


@virtual()
async def test_a_dry_run_delete_deletes_nothing(world: World) -> None:
    await world.create()
    for arguments in ({"query": "dryRun=All"}, {"body": {"dryRun": ["All"]}}):
        answer = await world.send("DELETE", "a", **arguments)
        assert (answer.status, answer.body["status"]) == (200, "Success")
    assert (await world.send("DELETE", "a")).status == 200


@virtual()
async def test_preconditions_are_the_clients(world: World) -> None:
    await world.create()
    answer = await world.send("DELETE", "a", {"preconditions": {"uid": "x"}})
    assert answer.status == 409 and answer.message.startswith(
        'Operation cannot be fulfilled on ConfigMap "a": the UID in the precondition (x) does not match the UID in record ('
    )
    assert (await world.send("DELETE", "a", query="resourceVersion=1")).status == 409


@virtual()
async def test_options_that_cannot_be_are_refused(world: World) -> None:
    head = 'DeleteOptions.meta.k8s.io "" is invalid: '
    policies = '"Foreground", "Background", "Orphan", "nil"'
    for query, status, message in (
        ("gracePeriodSeconds=x", 400, 'strconv.ParseInt: parsing "x": invalid syntax'),
        (
            "gracePeriodSeconds=99999999999999999999",
            400,
            'strconv.ParseInt: parsing "99999999999999999999": value out of range',
        ),
        ("propagationPolicy=x", 422, f'{head}propagationPolicy: Unsupported value: "x": supported values: {policies}'),
        (
            "propagationPolicy=Orphan&orphanDependents=true",
            422,
            f'{head}propagationPolicy: Invalid value: "Orphan": orphanDependents and deletionPropagation cannot be both set',
        ),
        ("dryRun=x", 422, f'{head}dryRun: Unsupported value: ["x"]: supported values: "All"'),
        (
            "ignoreStoreReadErrorWithClusterBreakingPotential=true&gracePeriodSeconds=1",
            422,
            f"{head}ignoreStoreReadErrorWithClusterBreakingPotential: Invalid value: true: cannot be set together with "
            ".gracePeriodSeconds",
        ),
    ):
        answer = await world.send("DELETE", "a", query=query)
        assert (answer.status, answer.message) == (status, message)


@virtual()
async def test_a_body_that_is_no_delete_options_is_refused(world: World) -> None:
    await world.create()
    shape = 'Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
    for body, message in (
        (
            b'{"gracePeriodSeconds":"x"}',
            "json: cannot unmarshal string into Go struct field DeleteOptions.gracePeriodSeconds of type int64",
        ),
        (
            b'{"dryRun":"All"}',
            "json: cannot unmarshal string into Go struct field DeleteOptions.dryRun of type []string",
        ),
        (b"[]", f"couldn't get version/kind; json parse error: json: cannot unmarshal array into {shape}"),
        (b"xx", "couldn't get version/kind; json parse error: invalid character 'x' looking for beginning of value"),
        (
            b'{"kind":"Pod","apiVersion":"v1"}',
            'no kind "Pod" is registered for version "v1" in scheme "pkg/runtime/scheme.go:111"',
        ),
        (b'{"apiVersion":"a/b/c"}', "unexpected GroupVersion string: a/b/c"),
    ):
        answer = await world.send("DELETE", "a", body)
        assert (answer.status, answer.message) == (400, message)
    for body in (b'{"kind":"DeleteOptions","apiVersion":"apps/v1","dryRun":["All"],"unknown":1}', b"null"):
        assert (await world.send("DELETE", "a", body)).status == 200


@virtual()
async def test_a_collection_answers_with_the_list_of_what_went(world: World) -> None:
    for number in range(3):
        await world.create(f"a{number}", meta={"labels": {"a": "b"}})
    await world.create("other")
    answer = await world.send("DELETE", query="labelSelector=a%3Db&limit=2", collection=True)
    assert (answer.status, answer.body["kind"]) == (200, "ConfigMapList")
    assert [item["metadata"]["name"] for item in answer.body["items"]] == ["a0", "a1"]
    assert answer.body["metadata"]["continue"]
    answer = await world.send("DELETE", collection=True)
    assert [item["metadata"]["name"] for item in answer.body["items"]] == ["a2", "other"]
    answer = await world.send("DELETE", collection=True)
    assert answer.body["items"] == []


@virtual()
async def test_a_collection_judges_its_selector_before_the_options(world: World) -> None:
    answer = await world.send("DELETE", body=b"{", query="fieldSelector=spec.x%3Dy", collection=True)
    assert (answer.status, "spec.x" in answer.message) == (400, True)


@virtual()
async def test_a_collection_takes_no_unsafe_delete(world: World) -> None:
    name = "ignoreStoreReadErrorWithClusterBreakingPotential"
    answer = await world.send("DELETE", body={name: True}, collection=True)
    assert (answer.status, answer.message) == (
        422,
        f'DeleteOptions.meta.k8s.io "" is invalid: {name}: Invalid value: true: is not allowed with DELETECOLLECTION, try again '
        "after removing the option",
    )


@virtual()
async def test_what_cannot_be_read_can_be_deleted_by_those_who_may(world: World) -> None:
    query = "ignoreStoreReadErrorWithClusterBreakingPotential=true"
    await world.storage.put("/registry/configmaps/default/a", b"\xff\x00", expected=0)
    world.policy.refused.add("unsafe-delete-ignore-read-errors")
    answer = await world.send("DELETE", "a", query=query)
    assert (answer.status, answer.message) == (
        403,
        'configmaps "a" is forbidden: not permitted to do "unsafe-delete-ignore-read-errors", reason: ',
    )
    world.policy.refused.clear()
    answer = await world.send("DELETE", "a", query=query)
    assert (answer.status, answer.body["status"], answer.body["details"]) == (
        200,
        "Success",
        {"name": "a", "kind": "ConfigMap"},
    )


@virtual()
async def test_admission_sees_the_object_that_goes(world: World) -> None:
    await world.create()
    world.admission.seen.clear()
    await world.send("DELETE", "a", {"propagationPolicy": "Background"})
    [(first, attributes), (second, _)] = world.admission.seen
    assert (first, second) == ("admit", "validate")
    assert (attributes.operation, attributes.obj, attributes.name) == ("DELETE", None, "a")
    assert attributes.old is not None and attributes.old["metadata"]["name"] == "a"
    assert attributes.options == {
        "kind": "DeleteOptions",
        "apiVersion": "meta.k8s.io/v1",
        "propagationPolicy": "Background",
    }
