"""Generated tokens that nobody has used for a year are declared invalid, and a year later removed.

Mirrors upstream pkg/controller/serviceaccount/legacy_serviceaccount_token_cleaner.go. Days are the API server's labels; it
also notes since when it keeps them, in a ConfigMap of kube-system.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from apiserver.apimachinery import objects
from apiserver.apimachinery.clock import parse_rfc3339
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from apiserver.client.resources import MERGE_PATCH
from controllers.framework.context import Context
from controllers.framework.kinds import CONFIG_MAPS, PODS, SECRETS, SERVICE_ACCOUNTS
from controllers.framework.manager import Loop
from controllers.framework.periodic import Periodic
from controllers.loops.serviceaccount_token.controller import SELECTION
from controllers.loops.serviceaccount_token.facts import account_of

log = logging.getLogger(__name__)

NAME = "legacy-serviceaccount-token-cleaner-controller"
EVERY = 24 * 3600.0
PERIOD = 365 * 24 * 3600.0  # seconds; upstream --legacy-service-account-token-clean-up-period
TRACKING = "kube-apiserver-legacy-service-account-token-tracking"
LAST_USED = "kubernetes.io/legacy-token-last-used"
INVALID_SINCE = "kubernetes.io/legacy-token-invalid-since"


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def is_stale(secret: Object, limit: datetime) -> bool:
    """Was a token made before `limit`, and not used since?"""
    meta = secret["metadata"]
    if meta.get("deletionTimestamp") or parse_rfc3339(meta["creationTimestamp"]) >= limit.timestamp():
        return False
    last_used = objects.labels_of(secret).get(LAST_USED)
    if last_used is None:
        return True
    day = _day(last_used)
    return day is not None and day < limit.date()


def needs_mark(secret: Object) -> bool:
    """Has a stale token not been declared invalid yet?"""
    return _day(objects.labels_of(secret).get(INVALID_SINCE, "")) is None


def may_go(secret: Object, limit: datetime) -> bool:
    """Was a stale token declared invalid before `limit`?"""
    day = _day(objects.labels_of(secret).get(INVALID_SINCE, ""))
    return day is not None and day < limit.date()


def secrets_of(pod: Object) -> Iterator[str]:
    """The secrets a pod's spec names: volumes, environments, image pulls."""
    spec = pod["spec"]
    for reference in spec.get("imagePullSecrets") or ():
        yield reference.get("name", "")
    for container in [
        *(spec.get("initContainers") or ()),
        *spec["containers"],
        *(spec.get("ephemeralContainers") or ()),
    ]:
        for source in container.get("envFrom") or ():
            yield (source.get("secretRef") or {}).get("name", "")
        for variable in container.get("env") or ():
            yield objects.get(variable, "valueFrom", "secretKeyRef", "name", default="")
    for volume in spec.get("volumes") or ():
        yield (volume.get("secret") or {}).get("secretName", "")
        for source in (volume.get("projected") or {}).get("sources") or ():
            yield (source.get("secret") or {}).get("name", "")
        for kind in ("csi", "azureFile", "cephfs", "flexVolume", "iscsi", "rbd", "scaleIO", "storageos"):
            given = volume.get(kind) or {}
            yield given.get("secretName") or objects.get(given, "secretRef", "name", default="")
            yield objects.get(given, "nodePublishSecretRef", "name", default="")


class TokenCleaner:
    """Looks at all token secrets once a day."""

    def __init__(self, context: Context) -> None:
        self.clock = context.clock
        self.secrets, self.config_maps = context.resource(SECRETS), context.resource(CONFIG_MAPS)
        self.known = context.informer(SECRETS, field_selector=SELECTION).lister
        self.accounts = context.informer(SERVICE_ACCOUNTS).lister
        self.pods = context.informer(PODS).lister
        seconds = float(context.options.get("legacy_service_account_token_clean_up_period", PERIOD))
        self.period = timedelta(seconds=seconds)

    async def look(self) -> None:
        now = datetime.fromtimestamp(self.clock.now(), UTC)
        since = await self._tracked_since()
        if since is None or now < datetime(since.year, since.month, since.day, tzinfo=UTC) + self.period:
            return
        limit = now - self.period
        mounted: dict[str, set[str]] = {}
        for secret in self.known.list():
            namespace, name = secret["metadata"]["namespace"], secret["metadata"]["name"]
            if not is_stale(secret, limit) or not self._generated(secret):
                continue
            if namespace not in mounted:
                mounted[namespace] = {used for pod in self.pods.list(namespace) for used in secrets_of(pod)}
            if name not in mounted[namespace]:
                await self._end(secret, now, limit)

    async def _tracked_since(self) -> date | None:
        """The first whole day that use is known of."""
        found = await self.config_maps.get(TRACKING, "kube-system")
        day = _day((found.get("data") or {}).get("since", ""))
        return day + timedelta(days=1) if day is not None else None

    def _generated(self, secret: Object) -> bool:
        """Was it made for its account? Only that one names it; others somebody wrote himself."""
        name, uid = account_of(secret)
        account = self.accounts.get(secret["metadata"]["namespace"], name)
        if account is None or uid not in ("", account["metadata"]["uid"]):
            return False
        return any(r.get("name") == secret["metadata"]["name"] for r in account.get("secrets") or ())

    async def _end(self, secret: Object, now: datetime, limit: datetime) -> None:
        meta = secret["metadata"]
        try:
            if needs_mark(secret):
                patch = {"metadata": {"uid": meta["uid"], "labels": {INVALID_SINCE: now.date().isoformat()}}}
                await self.secrets.patch(meta["name"], meta["namespace"], patch, type=MERGE_PATCH)
            elif may_go(secret, limit):
                version = meta["resourceVersion"]
                await self.secrets.delete(meta["name"], meta["namespace"], resource_version=version)
        except StatusError as error:
            log.info("token not cleaned", extra={"secret": f"{meta['namespace']}/{meta['name']}", "error": str(error)})


def build(context: Context) -> Loop:
    needs = [
        context.informer(SECRETS, field_selector=SELECTION),
        context.informer(SERVICE_ACCOUNTS),
        context.informer(PODS),
    ]
    return Periodic(NAME, TokenCleaner(context).look, EVERY, needs=needs)
