"""`storage`: every backend in turn."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from apiserver.storage.interface import Storage
from apiserver.storage.tests.backends import Backend, embedded_backend, memory_backend, opened

_numbers = itertools.count(1)


@pytest.fixture(params=["memory", "embedded"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    match request.param:
        case "memory":
            return memory_backend()
        case _:
            return embedded_backend(tmp_path / "data")


@pytest.fixture
async def storage(backend: Backend) -> AsyncIterator[Storage]:
    async with opened(backend) as storage:
        yield storage


@pytest.fixture
def prefix() -> str:
    """A part of the key space for one test: backends may be shared between tests."""
    return f"/registry/t{next(_numbers)}/"
