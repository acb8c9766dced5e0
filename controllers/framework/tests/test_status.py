"""A status is written over the newest object, a bounded number of times."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.errors import StatusError
from apiserver.client.resources import Client
from apiserver.client.transport import LoopbackTransport
from apiserver.server.tests.worlds import world
from controllers.framework.kinds import REPLICA_SETS
from controllers.framework.status import write_status
from controllers.tests.worlds import ADMIN


def replica_set() -> dict[str, Any]:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    return {"metadata": {"name": "a"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}}


def test_a_lost_race_is_tried_on_the_newest_object_and_no_more_often_than_told() -> None:
    async def main() -> None:
        async with world() as w:
            transport = LoopbackTransport(w.server.handler, user=ADMIN)
            sets = Client(transport).resource(REPLICA_SETS)
            seen = await sets.create(replica_set(), "default")
            await sets.patch("a", "default", {"metadata": {"labels": {"changed": "meanwhile"}}})
            with pytest.raises(StatusError) as refused:
                await write_status(sets, seen, {"replicas": 3}, 1)
            assert refused.value.code == 409
            await write_status(sets, seen, {"replicas": 3}, 2)
            found = await sets.get("a", "default")
            assert (found["status"]["replicas"], found["metadata"]["labels"]) == (3, {"changed": "meanwhile"})
            await sets.delete("a", "default")
            await asyncio.sleep(1)
            await write_status(sets, found, {"replicas": 4}, 2)  # it is gone: nothing is to be said of it
            await transport.aclose()

    run_virtual(main())
