"""metav1.ListOptions from a query: parsed, defaulted and validated as upstream.

Mirrors k8s.io/apimachinery/pkg/apis/meta/internalversion (conversion, defaults, validation).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from apiserver.apimachinery import fields, labels
from apiserver.apimachinery.errors import (
    FieldError,
    StatusError,
    bad_request,
    field_forbidden,
    go_value,
    invalid_object,
    not_supported,
)
from apiserver.apimachinery.gvk import GroupKind

EXACT, NOT_OLDER_THAN = "Exact", "NotOlderThan"

_KIND = GroupKind("meta.k8s.io", "ListOptions")
_MATCH = "resourceVersionMatch"
_INT64 = 1 << 63


@dataclass(slots=True)
class ListOptions:
    """What a list, a watch or a delete of many asks for."""

    label_selector: labels.Selector = labels.EVERYTHING
    field_selector: fields.Selector = fields.EVERYTHING
    watch: bool = False
    allow_bookmarks: bool = False
    resource_version: str = ""
    match: str = ""  # resourceVersionMatch
    timeout_seconds: int | None = None
    limit: int = 0
    continue_token: str = ""
    send_initial_events: bool | None = None

    @property
    def is_watch_list(self) -> bool:
        """A watch that begins with everything there is and says when that is through."""
        return bool(self.send_initial_events) and self.allow_bookmarks


def parse_list_options(query: Mapping[str, str], *, force_watch: bool = False) -> ListOptions:
    """The options of a request; raises the 400s and 422s upstream gives. `force_watch` is for /watch/ paths."""
    options = ListOptions()
    if query:
        _parse(query, options)
        set_defaults(options)
        if errors := list(validate(options)):
            raise invalid_object(_KIND, "", errors)
    if force_watch:
        options.watch = True
    return options


def _parse(query: Mapping[str, str], options: ListOptions) -> None:
    options.watch = parse_bool(query.get("watch"))
    options.allow_bookmarks = parse_bool(query.get("allowWatchBookmarks"))
    options.resource_version = query.get("resourceVersion", "")
    options.match = query.get(_MATCH, "")
    if "timeoutSeconds" in query:
        options.timeout_seconds = parse_int64(query["timeoutSeconds"])
    if "limit" in query:
        options.limit = parse_int64(query["limit"])
    options.continue_token = query.get("continue", "")
    if "sendInitialEvents" in query:
        options.send_initial_events = parse_bool(query["sendInitialEvents"])
    try:
        options.label_selector = labels.parse(query.get("labelSelector", ""))
        options.field_selector = fields.parse(query.get("fieldSelector", ""))
    except labels.SelectorError as e:
        raise bad_request(str(e)) from e


def set_defaults(options: ListOptions) -> None:
    """A watch from nowhere or 0 begins with what exists: the older way to ask for initial events."""
    if not options.watch or options.send_initial_events is not None or options.match:
        return
    if options.resource_version in ("", "0"):
        options.send_initial_events = True
        options.match = NOT_OLDER_THAN


def validate(options: ListOptions) -> Iterator[FieldError]:
    """Everything that is wrong with the options, in upstream's order."""
    yield from _validate_watch(options) if options.watch else _validate_list(options)


def _validate_list(options: ListOptions) -> Iterable[FieldError]:
    match = options.match
    if match:
        if not options.resource_version:
            yield field_forbidden(_MATCH, f"{_MATCH} is forbidden unless resourceVersion is provided")
        if options.continue_token:
            yield field_forbidden(_MATCH, f"{_MATCH} is forbidden when continue is provided")
        if match not in (EXACT, NOT_OLDER_THAN):
            yield not_supported(_MATCH, match, (EXACT, NOT_OLDER_THAN, ""))
        if match == EXACT and options.resource_version == "0":
            yield field_forbidden(_MATCH, f'{_MATCH} "exact" is forbidden for resourceVersion "0"')
    if options.send_initial_events is not None:
        yield field_forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list")


def _validate_watch(options: ListOptions) -> Iterable[FieldError]:
    match, initial = options.match, options.send_initial_events
    if initial is not None and match != NOT_OLDER_THAN:
        yield field_forbidden(_MATCH, f"sendInitialEvents requires setting {_MATCH} to {NOT_OLDER_THAN}")
    if match:
        if initial is None:
            yield field_forbidden(_MATCH, f"{_MATCH} is forbidden for watch unless sendInitialEvents is provided")
        if match != NOT_OLDER_THAN:
            yield not_supported(_MATCH, match, (NOT_OLDER_THAN,))
        if options.continue_token:
            yield field_forbidden(_MATCH, f"{_MATCH} is forbidden when continue is provided")


def parse_bool(text: str | None) -> bool:
    """A query's boolean: absent, "0" and "false" are false, anything else is true (runtime/conversion.go)."""
    return text is not None and text != "0" and text.lower() != "false"


def parse_int64(text: str) -> int:
    """strconv.ParseInt(text, 10, 64) with its refusals as a 400."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (digits.isascii() and digits.isdigit()):
        raise bad_request(f"strconv.ParseInt: parsing {go_value(text)}: invalid syntax")
    number = int(text) if len(digits) < 30 else _INT64
    if not -_INT64 <= number < _INT64:
        raise bad_request(f"strconv.ParseInt: parsing {go_value(text)}: value out of range")
    return number


def revision_error(text: str) -> str | None:
    """What Go says of a resourceVersion that is no number; None when it is one."""
    if not (text.isascii() and text.isdigit()):
        why = "invalid syntax"
    elif len(text) > 20 or int(text) >= 1 << 64:
        why = "value out of range"
    else:
        return None
    return f"resourceVersion: Invalid value: {go_value(text)}: strconv.ParseUint: parsing {go_value(text)}: {why}"


def parse_revision(text: str) -> int:
    """A resourceVersion as a number, "" as 0; upstream answers nonsense with a 500 that has no reason."""
    if not text:
        return 0
    if (wrong := revision_error(text)) is not None:
        raise StatusError(500, "", wrong)
    return int(text)
