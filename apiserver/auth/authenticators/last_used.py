"""Secrets of legacy service-account tokens carry the day of their last use (upstream pkg/serviceaccount/legacy.go)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from apiserver.apimachinery.clock import Clock, rfc3339
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object, labels_of, name_of, namespace_of
from apiserver.apimachinery.rand import Random
from apiserver.auth.authenticators.service_account import LAST_USED
from apiserver.registry.context import Context
from apiserver.registry.store import Store
from apiserver.storage.interface import StorageError

log = logging.getLogger(__name__)

DAY = 86_400.0


def last_used_marker(clock: Clock, rand: Random, secrets: Callable[[], Store]) -> Callable[[Object], Awaitable[None]]:
    """For AuthenticationConfig.mark_secret_used. `secrets` gives the Store of Secrets, which is made later."""

    async def mark(secret: Object) -> None:
        today, tomorrow = rfc3339(clock.now())[:10], rfc3339(clock.now() + DAY)[:10]
        # Tomorrow, too: another server's clock may be ahead over midnight.
        if labels_of(secret).get(LAST_USED) in (today, tomorrow):
            return
        ctx = Context(clock, rand, namespace=namespace_of(secret), verb="patch", field_manager="kube-apiserver")

        async def updater(old: Object | None) -> Object:
            assert old is not None
            old["metadata"]["labels"] = {**labels_of(old), LAST_USED: today}
            return old

        preconditions = {"uid": secret["metadata"].get("uid")}
        try:
            await secrets().update(ctx, name_of(secret), updater, preconditions=preconditions)
        except (StatusError, StorageError) as e:
            facts = {"namespace": namespace_of(secret), "secret": name_of(secret), "reason": str(e)}
            log.warning("the last use of a legacy token could not be noted", extra=facts)

    return mark
