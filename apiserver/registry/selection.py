"""What a list or a watch selects: namespace, name, labels and fields, judged by a Record's facts, without decoding."""

from __future__ import annotations

from collections.abc import Iterable

from apiserver.apimachinery import fields, labels
from apiserver.apimachinery.errors import StatusError, bad_request, go_quote
from apiserver.registry.resource import Resource
from apiserver.storage.cacher.record import Change, Record
from apiserver.storage.cacher.snapshot import Judge, Snapshot

NAME, NAMESPACE = "metadata.name", "metadata.namespace"
ADDED, MODIFIED, DELETED = "ADDED", "MODIFIED", "DELETED"  # what a change is to who watches a selection

_AT_NAME, _AT_NAMESPACE = -1, -2  # positions of what is not in Record.fields


class Selection:
    """A compiled selection of one resource's records."""

    __slots__ = (
        "_fields",
        "_labels",
        "_namespaced",
        "_pair",
        "everything",
        "index",
        "name",
        "namespace",
        "no_selector",
        "prefix",
    )

    def __init__(
        self,
        resource: Resource,
        namespace: str = "",
        label_selector: labels.Selector = labels.EVERYTHING,
        field_selector: fields.Selector = fields.EVERYTHING,
    ) -> None:
        """`namespace` comes from the path; a field selector for one namespace narrows a list of all of them."""
        field_selector = _renamed(resource, field_selector)
        exact = field_selector.requires_exact_match
        self.namespace = (namespace or exact(NAMESPACE) or "") if resource.namespaced else ""
        self.name = exact(NAME) or ""
        self.prefix = f"{resource.prefix}/{self.namespace}" if self.namespace else resource.prefix
        self._namespaced = resource.namespaced
        self.index = exact(resource.watch_index) if resource.watch_index else None
        self.no_selector = label_selector.empty and field_selector.empty
        self.everything = self.no_selector and not self.namespace  # every record of the prefix
        self._labels = None if label_selector.empty else label_selector
        self._pair = _only_pair(label_selector)
        self._fields = tuple(_positions(resource, field_selector))

    def matches(self, record: Record) -> bool:
        """Does the selection take this record in?"""
        if self.everything:
            return True
        if self.namespace and record.namespace != self.namespace:
            return False
        return self.no_selector or self._selects(record)

    def transition(self, change: Change) -> str | None:
        """What the change is to this selection: what leaves it is deleted, what enters it is added; None: nothing."""
        record, previous = change.record, change.previous
        now = record is not None and self.matches(record)
        before = previous is not None and self.matches(previous)
        if now:
            return MODIFIED if before else ADDED
        return DELETED if before else None

    def among(self, snapshot: Snapshot, start: str = "") -> list[Record]:
        """The selected records of a snapshot, from the key `start` on, in key order."""
        below = self.prefix + "/"
        if not self.name or start or (self._namespaced and not self.namespace):
            if self._labels is not None and not self._fields:
                return snapshot.labelled(below, start, self._judge(self._labels))
            return self.filter(snapshot.range(below, start))
        record = snapshot.get(below + self.name)
        return [] if record is None else self.filter((record,))

    def filter(self, records: Iterable[Record]) -> list[Record]:
        """Those of the records, all within the selection's namespace, that the selectors take in."""
        if self.no_selector:
            return list(records)
        if self._fields or self._labels is None:
            return [record for record in records if self._selects(record)]
        judge = self._judge(self._labels)
        return [record for record in records if judge(record.labels)]

    def _judge(self, selector: labels.Selector) -> Judge:
        """Judges sets of labels, each once however many records share it."""
        pair = self._pair
        if pair is not None:
            return lambda of: pair in of
        known: dict[int, bool] = {}  # by identity: the records keep their labels alive

        def judge(of: tuple[tuple[str, str], ...]) -> bool:
            matches = known.get(id(of))
            if matches is None:
                matches = known[id(of)] = selector.matches_pairs(of)
            return matches

        return judge

    def _selects(self, record: Record) -> bool:
        for position, equal, value in self._fields:
            if position >= 0:
                found = record.fields[position]
            else:
                found = record.name if position == _AT_NAME else record.namespace
            if (found == value) is not equal:
                return False
        return self._labels is None or self._labels.matches_pairs(record.labels)


def _only_pair(selector: labels.Selector) -> tuple[str, str] | None:
    """The pair of a selector that asks for just one, by far the most frequent form."""
    if len(selector.requirements) != 1:
        return None
    key = selector.requirements[0].key
    value = selector.requires_exact_match(key)
    return None if value is None else (key, value)


def _positions(resource: Resource, selector: fields.Selector) -> Iterable[tuple[int, bool, str]]:
    """Each requirement as (where its value is, equal or not, value)."""
    known = list(resource.selectable)
    for field, operator, value in selector.requirements:
        if field == NAME:
            position = _AT_NAME
        elif field == NAMESPACE and _selects_namespace(resource):
            position = _AT_NAMESPACE
        elif field in resource.selectable:
            position = known.index(field)
        else:
            raise unknown_field(resource, field)
        yield position, operator != "!=", value


def check_fields(resource: Resource, selector: fields.Selector) -> None:
    """400 when the selector names a field that the resource cannot be selected by."""
    for _ in _positions(resource, _renamed(resource, selector)):
        pass


def _renamed(resource: Resource, selector: fields.Selector) -> fields.Selector:
    """The selector with the present names of fields."""
    aliases = resource.field_aliases
    if not aliases or selector.empty:
        return selector
    return selector.transform(lambda field, value: (aliases.get(field, field), value))


def _selects_namespace(resource: Resource) -> bool:
    """Kinds without a conversion function of their own take it even where they have no namespace."""
    own_words = bool(resource.selectable) or resource.schemas is not None
    return resource.selects_namespace and (resource.namespaced or not own_words)


def unknown_field(resource: Resource, field: str) -> StatusError:
    """400 for a field that cannot be selected by, in the words of upstream's conversion functions of the kind."""
    if resource.group == "batch" and resource.schemas is None and resource.selectable:
        return bad_request(f'field label "{field}" not supported for {resource.kind}')
    if resource.group == "resource.k8s.io" and resource.selectable:
        return bad_request(f"field label not supported for {resource.gvk('v1')}: {field}")
    if resource.selectable or resource.schemas is not None:
        return bad_request(f"field label not supported: {field}")
    return bad_request(f'{go_quote(field)} is not a known field selector: only "{NAME}", "{NAMESPACE}"')
