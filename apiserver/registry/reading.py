"""Reads of one resource from its Cacher: get and list with upstream's rules for revisions and pages.

Mirrors k8s.io/apiserver/pkg/storage/cacher (delegator.go, watch_cache.go) and storage/etcd3 (list errors). An unset
resourceVersion is a consistent read: the cache answers once it has seen what storage had acknowledged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from apiserver.apimachinery.errors import StatusError, bad_request, expired, not_found, too_large_resource_version
from apiserver.apimachinery.errors import too_many_requests as retry_later
from apiserver.registry import continuing
from apiserver.registry.context import Context
from apiserver.registry.list_options import EXACT, ListOptions, parse_revision, revision_error
from apiserver.registry.resource import Resource
from apiserver.registry.rest import storage_key, translate
from apiserver.registry.selection import Selection
from apiserver.storage.cacher import Cacher, Record, Snapshot
from apiserver.storage.interface import Compacted, FutureRevision, StorageError, Unavailable

RETRY_AFTER = 1  # seconds, for a revision that is still to come
EXPIRED = "The resourceVersion for the provided list is too old."


class Listing(NamedTuple):
    """One page of a list: `remaining` is None where upstream does not tell."""

    records: Sequence[Record]
    revision: int
    continue_token: str
    remaining: int | None


class Reader:
    """Answers gets and lists of one resource."""

    def __init__(self, resource: Resource, cacher: Cacher) -> None:
        self._resource = resource
        self._cacher = cacher

    async def get(self, ctx: Context, name: str, *, resource_version: str = "") -> Record:
        """The record, at least as new as asked (unset: as new as storage, "0": whatever is here); 404 or 504."""
        key = storage_key(self._resource, ctx, name)
        try:
            if not resource_version:
                await self._cacher.wait_current()
            else:
                self._check_revision(resource_version)
                await self._cacher.wait_until(parse_revision(resource_version))
        except StorageError as e:
            raise self.error(e, "get") from e
        record = self._cacher.get(key)
        if record is None:
            raise not_found(self._resource.group_resource, name)
        return record

    def _check_revision(self, text: str) -> None:
        """400 where no cache of upstream's stands before etcd, which has a word for nonsense."""
        if not self._resource.watch_cache and (wrong := revision_error(text)) is not None:
            raise bad_request(f"invalid resource version: {wrong}")

    async def list(self, ctx: Context, options: ListOptions) -> Listing:
        """One page, or everything, of what the options select."""
        selection = Selection(self._resource, ctx.namespace, options.label_selector, options.field_selector)
        return await self.select(selection, options)

    async def select(self, selection: Selection, options: ListOptions) -> Listing:
        """As `list`, for a selection already made."""
        prefix = selection.prefix
        limit = 0 if options.resource_version == "0" and self._resource.watch_cache else options.limit
        try:
            if options.continue_token:
                return await self._continue(selection, options, prefix, limit)
            snapshot = await self._snapshot(options)
        except StorageError as e:
            raise self.error(e, "list") from e
        return self._page(selection, snapshot, prefix, "", limit)

    async def _snapshot(self, options: ListOptions) -> Snapshot:
        """The state a list that is not a continuation shows."""
        text = options.resource_version
        if not text:
            await self._cacher.wait_current()
            return self._cacher.snapshot()
        if (wrong := revision_error(text)) is not None:
            raise bad_request(f"invalid resource version: {wrong}")
        revision = int(text)
        # A limit with a revision and no match means exactly that revision (the rule from before there was a match).
        if revision > 0 and (options.match == EXACT or (not options.match and options.limit > 0)):
            return await self._cacher.snapshot_at(revision)
        if not self._resource.watch_cache:
            await self._cacher.wait_current()
        await self._cacher.wait_until(revision)
        return self._cacher.snapshot()

    async def _continue(self, selection: Selection, options: ListOptions, prefix: str, limit: int) -> Listing:
        token = continuing.decode(options.continue_token, prefix)
        if options.resource_version not in ("", "0"):
            raise bad_request("specifying resource version is not allowed when using continue")
        if token.revision < 0:
            await self._cacher.wait_current()
            return self._page(selection, self._cacher.snapshot(), prefix, token.start, limit)
        try:
            snapshot = await self._cacher.snapshot_at(token.revision)
        except Compacted as e:
            raise continuing.too_old(token, prefix) from e
        return self._page(selection, snapshot, prefix, token.start, limit)

    def _page(self, selection: Selection, snapshot: Snapshot, prefix: str, start: str, limit: int) -> Listing:
        """At most `limit` selected records from `start` on (0: all), and where to go on."""
        if limit <= 0:
            return Listing(selection.among(snapshot, start), snapshot.revision, "", None)
        if not selection.no_selector:
            return self._selected_page(selection, snapshot, prefix, start, limit)
        page, behind = snapshot.page(prefix + "/", start, limit)
        if not behind:
            return Listing(page, snapshot.revision, "", None)
        return Listing(page, snapshot.revision, self._token(page[-1], prefix, snapshot), behind)

    def _selected_page(self, selection: Selection, snapshot: Snapshot, prefix: str, start: str, limit: int) -> Listing:
        """A page of those that the selectors take in: it ends at the limit unless that was the very last record."""
        if selection.name and not start:
            return Listing(selection.among(snapshot), snapshot.revision, "", None)
        found = snapshot.range(prefix + "/", start)
        page = []
        for record in found:
            if selection.matches(record):
                page.append(record)
                if len(page) == limit:
                    break
        if len(page) < limit or page[-1] is found[-1]:
            return Listing(page, snapshot.revision, "", None)
        return Listing(page, snapshot.revision, self._token(page[-1], prefix, snapshot), None)

    def _token(self, last: Record, prefix: str, snapshot: Snapshot) -> str:
        self._cacher.keep(snapshot)
        return continuing.encode(last.key + "\0", prefix, snapshot.revision)

    def unready(self) -> StatusError:
        """The answer while there is no state to read."""
        return retry_later("storage is (re)initializing")

    def error(self, error: StorageError, action: str) -> StatusError:
        """What the cacher raised, in the API's words."""
        if isinstance(error, FutureRevision):
            retry_after = RETRY_AFTER if self._resource.watch_cache or action == "watch" else 0
            return too_large_resource_version(error.asked, error.current, retry_after)
        if isinstance(error, Compacted):
            return expired(EXPIRED)
        if isinstance(error, Unavailable) and not self._cacher.ready:
            return retry_later(str(error))
        return translate(error, self._resource.group_resource, action)
