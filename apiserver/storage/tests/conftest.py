"""`storage`: every backend in turn."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from apiserver.storage.interface import Storage
from apiserver.storage.tests.backends import BACKENDS, Backend, opened
from apiserver.storage.tests.etcd_process import NO_ETCD, EtcdProcess, find_etcd

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdProcess]:
    """One etcd for a file of tests; each has its part of the key space. A compaction is everybody's."""
    if find_etcd() is None:
        pytest.skip(NO_ETCD)
    with EtcdProcess(tmp_path_factory.mktemp("etcd") / "data", "--unsafe-no-fsync") as process:
        yield process


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    return BACKENDS[request.param](tmp_path / "data", request)


@pytest.fixture
async def storage(backend: Backend) -> AsyncIterator[Storage]:
    async with opened(backend) as storage:
        yield storage


@pytest.fixture
def prefix() -> str:
    """A part of the key space for one test: backends may be shared between tests."""
    return f"/registry/t{next(_numbers)}/"
