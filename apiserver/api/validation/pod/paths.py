"""Paths inside volumes and containers: relative, and never up."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.apimachinery.errors import FieldError, invalid

FILE_MODE_WRONG = "must be a number between 0 and 0777 (octal), both inclusive"


def backsteps_errors(target: str, path: str) -> Iterator[FieldError]:
    if ".." in target.split("/"):
        yield invalid(path, target, "must not contain '..'")


def descending_path_errors(target: str, path: str) -> Iterator[FieldError]:
    """Upstream validateLocalDescendingPath."""
    if target.startswith("/"):
        yield invalid(path, target, "must be a relative path")
    yield from backsteps_errors(target, path)


def local_path_errors(target: str, path: str) -> Iterator[FieldError]:
    """Upstream ValidateLocalNonReservedPath."""
    yield from descending_path_errors(target, path)
    if target.startswith("..") and not target.startswith("../"):
        yield invalid(path, target, "must not start with '..'")


def file_mode_errors(mode: int | None, path: str) -> Iterator[FieldError]:
    if mode is not None and not 0 <= mode <= 0o777:
        yield invalid(path, mode, FILE_MODE_WRONG)
