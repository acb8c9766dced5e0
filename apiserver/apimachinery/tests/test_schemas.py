"""Facts about built-in types, as the OpenAPI documents and Go declarations of v1.37.2 state them."""

from __future__ import annotations

import pytest

from apiserver.apimachinery.gvk import GroupVersionKind
from apiserver.apimachinery.schema import ANY, INT_OR_STRING, MAP, OBJECT, QUANTITY
from apiserver.apimachinery.schemas import builtin, go_short

POD = GroupVersionKind("", "v1", "Pod")


def test_lists_know_their_keys_and_merge_keys() -> None:
    containers = builtin().schema(POD).properties["spec"].properties["containers"]
    assert (containers.list_type, containers.list_keys, containers.merge_key) == ("map", ("name",), "name")
    assert containers.patch_strategy == ("merge",)
    assert containers.items is not None
    ports = containers.items.properties["ports"]
    assert ports.list_keys == ("containerPort", "protocol")
    assert ports.merge_key == "containerPort"
    assert ports.items is not None
    assert ports.items.properties["protocol"].default == "TCP"
    assert ports.items.properties["protocol"].extra["enum"] == ["SCTP", "TCP", "UDP"]


def test_types_of_their_own_are_told_apart() -> None:
    schemas = builtin()
    limits = schemas.definition("io.k8s.api.core.v1.ResourceRequirements").properties["limits"]
    assert (limits.type, limits.additional and limits.additional.type, limits.go_type) == (
        MAP,
        QUANTITY,
        "v1.ResourceList",
    )
    port = schemas.definition("io.k8s.api.core.v1.ServicePort").properties["targetPort"]
    assert port.type == INT_OR_STRING
    entry = schemas.definition("io.k8s.apimachinery.pkg.apis.meta.v1.ManagedFieldsEntry")
    assert entry.properties["fieldsV1"].type == ANY


def test_go_facts_say_what_is_written_when_empty() -> None:
    fields = builtin().schema(POD).go_fields
    assert list(fields) == ["kind", "apiVersion", "metadata", "spec", "status"]
    meta = builtin().definition("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta").go_fields
    assert meta["creationTimestamp"].omitzero
    assert not builtin().definition("io.k8s.api.core.v1.PodSpec").go_fields["containers"].omitempty
    volume = builtin().definition("io.k8s.api.core.v1.Volume").go_fields
    assert volume["emptyDir"].embedded == "VolumeSource"


def test_recursive_types_close_on_themselves() -> None:
    props = builtin().definition("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps")
    inner = props.properties["properties"].additional
    assert inner is not None
    assert inner.properties is props.properties


def test_every_definition_compiles() -> None:
    schemas = builtin()
    for name in schemas.names():
        assert schemas.definition(name).name == name
    empty = schemas.definition("io.k8s.api.scheduling.v1beta1.BasicSchedulingPolicy")
    assert (empty.type, empty.properties) == (OBJECT, {})


def test_what_is_not_built_in_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        builtin().schema(GroupVersionKind("example.com", "v1", "Foo"))


def test_go_types_are_shortened_as_reflect_prints_them() -> None:
    assert go_short("map[string][]io.k8s.api.core.v1.Container") == "map[string][]v1.Container"
    assert go_short("*io.k8s.apimachinery.pkg.api.resource.Quantity") == "*resource.Quantity"
