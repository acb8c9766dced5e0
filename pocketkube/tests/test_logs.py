"""Log lines carry their facts."""

from __future__ import annotations

import logging
import re

from pocketkube.logs import FactsFormatter


def test_a_line_has_its_event_and_its_facts() -> None:
    record = logging.makeLogRecord(
        {"name": "a.b", "levelname": "WARNING", "msg": "lost %s", "args": ("it",), "pod": "x/y"}
    )
    line = FactsFormatter().format(record)
    assert re.fullmatch(r"W\d{4} \d\d:\d\d:\d\d\.\d{6} a\.b\] lost it pod='x/y'", line)


def test_a_stack_follows_where_there_is_one() -> None:
    try:
        raise ValueError("why")
    except ValueError as e:
        record = logging.makeLogRecord({"msg": "failed", "exc_info": (type(e), e, e.__traceback__)})
    assert FactsFormatter().format(record).endswith("ValueError: why")
