"""Log lines for people: the event, then its facts as name=value; in the shape of Kubernetes' own logs."""

from __future__ import annotations

import logging
import sys
import time

_LEVELS = {0: logging.WARNING, 1: logging.WARNING, 2: logging.INFO, 3: logging.INFO}
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class FactsFormatter(logging.Formatter):
    """`W1124 08:01:02.123456 apiserver.server] watch was lost reason='…'`, a stack below where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%m%d %H:%M:%S", time.localtime(record.created))
        micros = int(record.created % 1 * 1e6)
        facts = "".join(f" {k}={v!r}" for k, v in vars(record).items() if k not in _STANDARD)
        text = f"{record.levelname[0]}{stamp}.{micros:06d} {record.name}] {record.getMessage()}{facts}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text


def set_up_logging(verbosity: int) -> None:
    """Everything to stderr; `verbosity` as -v: 0 warnings, 2 information, 4 all there is."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(FactsFormatter())
    logging.basicConfig(level=_LEVELS.get(verbosity, logging.DEBUG), handlers=[handler], force=True)
