"""Statuses written by what a loop counted, whatever else of the object has changed meanwhile."""

from __future__ import annotations

from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from apiserver.client.resources import ResourceClient


async def write_status(client: ResourceClient, obj: Object, status: Object, tries: int) -> None:
    """Write the status of `obj`; a lost race is tried again on the newest object, at most `tries` writes in all, as
    upstream's loops do. Nothing happens to one that is gone."""
    target = {**obj, "status": status}
    for left in reversed(range(tries)):
        try:
            await client.update_status(target)
            return
        except StatusError as error:
            if error.code == 404:
                return
            if error.code != 409 or not left:
                raise
        fresh = await client.get(obj["metadata"]["name"], obj["metadata"]["namespace"])
        target = {**fresh, "status": status}
