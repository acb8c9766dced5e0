"""Cells and columns that tables of many kinds share (upstream pkg/printers/internalversion/printers.go)."""

from __future__ import annotations

from apiserver.apimachinery.objects import Object, get
from apiserver.registry.resource import Column, Since

NAME_DESCRIPTION = (
    "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client "
    "to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and "
    "configuration definition. Cannot be updated. More info: "
    "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
)
CREATED_DESCRIPTION = (
    "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be "
    "set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 "
    "form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
)


def name_cell(obj: Object, now: float) -> str:
    return get(obj, "metadata", "name", default="")  # type: ignore[no-any-return]


def age_cell(obj: Object, now: float) -> Since:
    return Since(get(obj, "metadata", "creationTimestamp"))


NAME = Column("Name", name_cell, format="name", description=NAME_DESCRIPTION)
AGE = Column("Age", age_cell, description=CREATED_DESCRIPTION)
# What a kind without a printer of its own shows (upstream registry/rest/table.go).
DEFAULT_COLUMNS = (
    NAME,
    Column(
        "Created At",
        lambda obj, now: get(obj, "metadata", "creationTimestamp"),
        type="date",
        description=CREATED_DESCRIPTION,
    ),
)
