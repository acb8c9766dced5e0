"""A scenario over a whole server in virtual time; as a program it prints the store's history: same seed, same history."""

from __future__ import annotations

import asyncio
import sys

from apiserver.apimachinery.clock import run_virtual
from apiserver.server.tests.worlds import World, world


async def play(w: World) -> None:
    """Some of everything: several writers at once, generated names, labels, deletes, time that passes."""
    await w.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "one", "labels": {"b": "2", "a": "1"}}})

    async def writer(number: int) -> None:
        base = "/api/v1/namespaces/one/configmaps"
        for _ in range(3):
            body = {"metadata": {"generateName": f"w{number}-"}, "data": {"x": str(number), "y": "z"}}
            code, made = await w.ask("POST", base, body)
            assert code == 201, made
            await asyncio.sleep(0.5 * number)
            name = made["metadata"]["name"]
            code, _ = await w.ask("DELETE", f"{base}/{name}") if number % 2 else (200, None)
            assert code == 200

    await asyncio.gather(*(writer(number) for number in range(4)))
    await asyncio.sleep(3600)
    await w.ask(
        "POST", "/api/v1/namespaces/one/secrets", {"metadata": {"generateName": "s-"}, "stringData": {"a": "b"}}
    )


async def history(seed: int) -> list[str]:
    async with world(seed, {"etcd_compaction_interval": 0.0}) as w:
        await play(w)
        return await w.history()


if __name__ == "__main__":
    sys.stdout.write("\n".join(run_virtual(history(int(sys.argv[1])))))
