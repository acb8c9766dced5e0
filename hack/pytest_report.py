"""A pytest plugin: the ten slowest test files, what was skipped and why, and whether that is what was agreed on."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

SLOWEST = 10


class Report:
    """Collects while the tests run, speaks at the end."""

    def __init__(self, agreed: str | None) -> None:
        self._agreed = Path(agreed) if agreed else None
        self._seconds: Counter[str] = Counter()
        self._skipped: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.nodeid.partition("::")[0]] += report.duration
        if report.skipped and not hasattr(report, "wasxfail"):
            self._note(report.nodeid, report.longrepr)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self._note(report.nodeid, report.longrepr)

    def _note(self, nodeid: str, why: object) -> None:
        reason = str(why[2]) if isinstance(why, tuple) else str(why)
        self._skipped.add(f"{nodeid}: {reason.removeprefix('Skipped: ')}")

    def _differences(self) -> list[str]:
        if self._agreed is None:
            return []
        lines = self._agreed.read_text().splitlines() if self._agreed.exists() else []
        agreed = {line for line in lines if line and not line.startswith("#")}
        unexpected = [f"skipped, and not agreed on: {line}" for line in sorted(self._skipped - agreed)]
        return unexpected + [f"agreed on, and not skipped: {line}" for line in sorted(agreed - self._skipped)]

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._differences() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        write = terminalreporter.write_line
        write("")
        write("slowest files:")
        for name, seconds in self._seconds.most_common(SLOWEST):
            write(f"  {seconds:7.1f} s  {name}")
        write(f"skipped: {len(self._skipped)}")
        for line in sorted(self._skipped):
            write(f"  {line}")
        for line in self._differences():
            write(f"ERROR: {line}", red=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--check-skips", metavar="FILE", help="fail when what is skipped differs from what FILE lists")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Report(config.getoption("--check-skips")), "pocketkube-report")
