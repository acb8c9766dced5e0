"""Cells and columns that tables of many kinds share (upstream pkg/printers/internalversion/printers.go)."""

from __future__ import annotations

from apiserver.apimachinery.objects import Object, get
from apiserver.registry.resource import Column, Since
from apiserver.registry.table import CREATED_DESCRIPTION, DEFAULT_COLUMNS, NAME_DESCRIPTION

__all__ = ["AGE", "DEFAULT_COLUMNS", "NAME", "NAME_DESCRIPTION", "age_cell", "name_cell"]


def name_cell(obj: Object, now: float) -> str:
    return get(obj, "metadata", "name", default="")  # type: ignore[no-any-return]


def age_cell(obj: Object, now: float) -> Since:
    return Since(get(obj, "metadata", "creationTimestamp"))


NAME = Column("Name", name_cell, format="name", description=NAME_DESCRIPTION)
AGE = Column("Age", age_cell, description=CREATED_DESCRIPTION)
