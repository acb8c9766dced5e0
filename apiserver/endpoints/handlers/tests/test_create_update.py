"""POST and PUT: statuses, refusals, admission, ownership; expectations are the real server's."""

from __future__ import annotations

from apiserver.admission.interface import Attributes
from apiserver.apimachinery.errors import StatusError
from apiserver.endpoints.handlers.tests.world import World, virtual

OWNER = {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u"}
DUPLICATE_OWNERS = (
    ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may reject such "
    "requests as early as 1.24; please fix your requests; duplicate UID(s) observed: u"
)


@virtual()
async def test_a_create_answers_201_with_the_stored_object(world: World) -> None:
    answer = await world.send("POST", body={"metadata": {"name": "a"}, "data": {"k": "v"}})
    assert answer.status == 201
    meta = answer.body.pop("metadata")
    assert answer.body == {"kind": "ConfigMap", "apiVersion": "v1", "data": {"k": "v"}}
    assert (meta["name"], meta["namespace"], meta["resourceVersion"]) == ("a", "default", str(await world.revision()))
    assert meta["managedFields"] == [
        {
            "manager": "tester",
            "operation": "Update",
            "apiVersion": "v1",
            "time": "2026-01-01T00:00:00Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {".": {}, "f:k": {}}},
        }
    ]


@virtual()
async def test_the_field_manager_is_the_one_asked_for(world: World) -> None:
    answer = await world.send("POST", body={"metadata": {"name": "a"}, "data": {"k": "v"}}, query="fieldManager=me")
    assert answer.body["metadata"]["managedFields"][0]["manager"] == "me"


@virtual()
async def test_system_fields_of_a_body_are_dropped(world: World) -> None:
    meta = {"name": "a", "uid": "mine", "deletionTimestamp": "2020-01-01T00:00:00Z", "selfLink": "/x"}
    created = (await world.send("POST", body={"metadata": meta})).body["metadata"]
    assert created["uid"] != "mine" and "deletionTimestamp" not in created and "selfLink" not in created


@virtual()
async def test_a_body_of_another_namespace_is_refused(world: World) -> None:
    answer = await world.send("POST", body={"metadata": {"name": "a", "namespace": "other"}})
    assert (answer.status, answer.message) == (
        400,
        "the namespace of the provided object does not match the namespace sent on the request",
    )


@virtual()
async def test_a_body_that_is_no_json_is_refused_in_gos_words(world: World) -> None:
    for body, why in (
        (b"xx", "invalid character 'x' looking for beginning of value (7878)"),
        (b"{", "unexpected end of JSON input ({)"),
        (b"", "unexpected end of JSON input (<empty>)"),
        (
            b'{"metadata":{"name":"x"}} {}',
            'invalid character \'{\' after top-level value ({"metadata":{"name":"x"}} {})',
        ),
    ):
        answer = await world.send("POST", body=body)
        head = "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: "
        assert (answer.status, answer.message) == (400, head + why)


@virtual()
async def test_a_body_of_another_kind_or_version_is_refused(world: World) -> None:
    for kind, api_version, why in (
        ("Foo", "v1", 'no kind "Foo" is registered for version "v1" in scheme "pkg/runtime/scheme.go:111"'),
        ("ConfigMap", "v2", 'no kind "ConfigMap" is registered for version "v2" in scheme "pkg/runtime/scheme.go:111"'),
        ("Pod", "v1", "converting (v1.Pod) to (core.ConfigMap): unknown conversion"),
        ("Deployment", "apps/v1", "converting (v1.Deployment) to (core.ConfigMap): unknown conversion"),
    ):
        answer = await world.send("POST", body={"kind": kind, "apiVersion": api_version, "metadata": {"name": "a"}})
        version = api_version.rpartition("/")[2]
        head = f'{kind} in version "{version}" cannot be handled as a ConfigMap: '
        assert (answer.status, answer.message) == (400, head + why)


@virtual()
async def test_a_body_without_kind_takes_the_urls(world: World) -> None:
    answer = await world.send("POST", body={"kind": "", "apiVersion": "", "metadata": {"name": "a"}})
    assert (answer.status, answer.body["kind"], answer.body["apiVersion"]) == (201, "ConfigMap", "v1")


@virtual()
async def test_unknown_and_duplicate_fields_are_warnings_or_refused(world: World) -> None:
    body = b'{"metadata":{"name":"x","foo":1,"name":"y"},"bar":2,"data":{"a":"b","a":"c"}}'
    found = [
        'unknown field "metadata.foo"',
        'duplicate field "metadata.name"',
        'unknown field "bar"',
        'duplicate field "data.a"',
    ]
    answer = await world.send("POST", body=body)
    assert (answer.status, answer.warnings) == (201, found)
    assert answer.body["metadata"]["name"] == "y" and answer.body["data"] == {"a": "c"} and "bar" not in answer.body
    answer = await world.send("POST", body=body, query="fieldValidation=Strict")
    head = 'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: '
    assert (answer.status, answer.message) == (400, head + ", ".join(found))
    answer = await world.send(
        "POST", body=body.replace(b'"x"', b'"z"').replace(b'"y"', b'"z"'), query="fieldValidation=Ignore"
    )
    assert (answer.status, answer.warnings) == (201, [])


@virtual()
async def test_a_wrong_type_is_refused_in_gos_words(world: World) -> None:
    head = 'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal '
    for body, why in (
        ({"metadata": "x"}, "string into Go struct field ConfigMap.metadata of type v1.ObjectMeta"),
        ({"metadata": {"name": 5}}, "number into Go struct field ObjectMeta.metadata.name of type string"),
        ({"data": {"a": 1}}, "number into Go struct field ConfigMap.data of type string"),
    ):
        answer = await world.send("POST", body=body)
        assert (answer.status, answer.message) == (400, head + why)


@virtual()
async def test_a_body_in_yaml_is_read_too(world: World) -> None:
    answer = await world.send("POST", body=b"metadata:\n  name: a\ndata:\n  k: v\n", content_type="application/yaml")
    assert (answer.status, answer.body["data"]) == (201, {"k": "v"})


@virtual()
async def test_other_media_types_are_refused(world: World) -> None:
    for content_type in ("text/plain", "application/merge-patch+json", "*/*", "application/cbor"):
        answer = await world.send("POST", body={"metadata": {"name": "a"}}, content_type=content_type)
        assert (answer.status, answer.message) == (
            415,
            "the body of the request was in an unknown format - accepted media types include: application/json, "
            "application/yaml, application/vnd.kubernetes.protobuf",
        )
    for content_type in ("", "APPLICATION/JSON", "application/json; charset=latin1"):
        answer = await world.send("POST", body={"metadata": {"generateName": "a"}}, content_type=content_type)
        assert answer.status == 201


@virtual()
async def test_a_dry_run_answers_as_a_create_and_stores_nothing(world: World) -> None:
    answer = await world.send("POST", body={"metadata": {"name": "a"}}, query="dryRun=All")
    assert answer.status == 201 and "resourceVersion" not in answer.body["metadata"]
    assert (await world.send("PUT", "a", {"metadata": {"name": "a"}})).status == 404


@virtual()
async def test_options_that_cannot_be_are_a_422(world: World) -> None:
    answer = await world.send("POST", body={}, query="fieldValidation=foo&dryRun=x&fieldManager=%01")
    assert (answer.status, answer.message) == (
        422,
        'CreateOptions.meta.k8s.io "" is invalid: [fieldManager: Invalid value: "\\x01": invalid character U+0001 (at position '
        '0), dryRun: Unsupported value: ["x"]: supported values: "All", fieldValidation: Unsupported value: "foo": supported '
        'values: "", "Ignore", "Strict", "Warn"]',
    )
    answer = await world.send("PUT", "a", {}, query="fieldManager=" + "m" * 129)
    assert answer.message == (
        'UpdateOptions.meta.k8s.io "" is invalid: fieldManager: Too long: may not be more than 128 bytes'
    )


@virtual()
async def test_an_owner_said_twice_is_kept_once_with_a_warning(world: World) -> None:
    answer = await world.send("POST", body={"metadata": {"name": "a", "ownerReferences": [OWNER, dict(OWNER)]}})
    assert answer.status == 201 and answer.body["metadata"]["ownerReferences"] == [OWNER]
    assert answer.warnings == [DUPLICATE_OWNERS]


@virtual()
async def test_mutating_admission_changes_what_is_stored(world: World) -> None:
    def mutate(attributes: Attributes) -> None:
        assert attributes.obj is not None
        attributes.obj["data"] = {"set": "by admission"}

    world.admission.on_admit = mutate
    assert (await world.create())["data"] == {"set": "by admission"}
    what = [(step, a.operation, a.name, a.namespace, a.old) for step, a in world.admission.seen]
    assert what == [("admit", "CREATE", "a", "default", None), ("validate", "CREATE", "a", "default", None)]
    assert world.admission.seen[0][1].options == {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"}


@virtual()
async def test_admission_may_refuse_a_write(world: World) -> None:
    def refuse(attributes: Attributes) -> None:
        raise StatusError(403, "Forbidden", f"no {attributes.operation}")

    await world.create()
    world.admission.on_validate = refuse
    for method, name in (("POST", "b"), ("PUT", "a"), ("DELETE", "a")):
        answer = await world.send(
            method, "" if method == "POST" else name, {"metadata": {"name": name}} if method != "DELETE" else None
        )
        assert answer.status == 403, method
    assert (await world.patch({"data": {"x": "y"}})).message == "no UPDATE"


@virtual()
async def test_managed_fields_that_admission_breaks_are_put_back(world: World) -> None:
    def spoil(attributes: Attributes) -> None:
        assert attributes.obj is not None
        attributes.obj["metadata"]["managedFields"] = [{"manager": "x", "operation": "Nonsense"}]

    world.admission.on_admit = spoil
    answer = await world.send("POST", body={"metadata": {"name": "a"}, "data": {"k": "v"}})
    assert answer.body["metadata"]["managedFields"][0]["manager"] == "tester"
    assert answer.warnings[0].startswith(".metadata.managedFields was in an invalid state after admission; ")


@virtual()
async def test_a_put_replaces_and_takes_ownership(world: World) -> None:
    await world.create(data={"a": "1", "b": "2"})
    answer = await world.send("PUT", "a", {"metadata": {"name": "a"}, "data": {"a": "1", "c": "3"}}, agent="other/2")
    assert (answer.status, answer.body["data"]) == (200, {"a": "1", "c": "3"})
    owners = {e["manager"]: e["fieldsV1"] for e in answer.body["metadata"]["managedFields"]}
    assert owners == {"tester": {"f:data": {".": {}, "f:a": {}}}, "other": {"f:data": {"f:c": {}}}}


@virtual()
async def test_a_put_of_the_same_changes_nothing(world: World) -> None:
    created = await world.create(data={"a": "1"})
    before = await world.revision()
    answer = await world.send("PUT", "a", created)
    assert answer.body == created and await world.revision() == before


@virtual()
async def test_a_put_must_name_the_urls_object(world: World) -> None:
    await world.create()
    for meta, message in (
        ({}, "the name of the object (a based on URL) was undeterminable: name must be provided"),
        ({"name": "b"}, "the name of the object (b) does not match the name on the URL (a)"),
        (
            {"name": "a", "namespace": "b"},
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
    ):
        answer = await world.send("PUT", "a", {"metadata": meta})
        assert (answer.status, answer.message) == (400, message)


@virtual()
async def test_a_put_with_another_uid_or_an_old_version_conflicts(world: World) -> None:
    created = await world.create()
    answer = await world.send("PUT", "a", {"metadata": {"name": "a", "uid": "x"}})
    assert answer.status == 409 and answer.message.endswith(
        f"Precondition failed: UID in precondition: x, UID in object meta: {created['metadata']['uid']}"
    )
    answer = await world.send("PUT", "a", {"metadata": {"name": "a", "resourceVersion": "1"}})
    assert answer.body == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes '
        "to the latest version and try again",
        "reason": "Conflict",
        "details": {"name": "a", "kind": "configmaps"},
        "code": 409,
    }


@virtual()
async def test_a_put_of_what_is_missing_is_a_404(world: World) -> None:
    answer = await world.send("PUT", "a", {"metadata": {"name": "a"}})
    assert (answer.status, answer.message) == (404, 'configmaps "a" not found')
