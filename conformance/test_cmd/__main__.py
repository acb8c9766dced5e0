"""`python -m conformance.test_cmd [--on real|ours] [names]`: upstream's kubectl scripts, function by function.

Runs them against the real kube-apiserver and kube-controller-manager, and against ours; tells what fails, and what fails on ours only.
Results go into ledger.tsv. Names are functions, or parts of their names. Needs hack/build-peer; about 25 minutes for all on each.
"""

from __future__ import annotations

import argparse
import datetime
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from conformance import peer
from conformance.test_cmd import function, pair, scripts
from conformance.test_cmd.function import PASSED, Outcome

LEDGER = Path(__file__).parent / "ledger.tsv"
COLUMNS = ("function", "real", "ours", "seconds_real", "seconds_ours", "date", "why_real", "why_ours")
Line = dict[str, str]


def main() -> int:
    given = _parser().parse_args()
    if why := scripts.missing() or peer.missing():
        print(why, file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started ends with us
    chosen = [f for f in scripts.functions() if not given.names or any(name in f for name in given.names)]
    logs = Path(given.logs or tempfile.mkdtemp(prefix="test-cmd-logs-")).absolute()
    logs.mkdir(parents=True, exist_ok=True)
    print(f"{len(chosen)} functions; logs in {logs}", flush=True)
    ledger = _read()
    for which in given.on or (pair.REAL, pair.OURS):
        for outcome in _run_all(which, chosen, logs, given.timeout):
            ledger = ledger if given.no_ledger else _read()  # another run may write beside this one
            _note(ledger, which, outcome)
            if not given.no_ledger:
                _write(ledger)
    return _report(ledger, chosen)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m conformance.test_cmd", description=__doc__)
    parser.add_argument("names", nargs="*", help="functions, or parts of their names (all)")
    parser.add_argument("--on", choices=(pair.REAL, pair.OURS), action="append", help="which pair (both)")
    parser.add_argument("--timeout", type=float, default=300, help="seconds that a function may take (300)")
    parser.add_argument("--logs", help="where what is said goes (a new directory under /tmp)")
    parser.add_argument("--no-ledger", action="store_true", help="leave the ledger as it is")
    return parser


def _run_all(which: str, chosen: list[str], logs: Path, patience: float) -> Iterator[Outcome]:
    """One pair for all, as upstream has it; after a function that failed a fresh one, since it left its litter."""
    with tempfile.TemporaryDirectory(prefix="test-cmd-") as name:
        tree = Path(name)
        scripts.copy_to(tree)
        waiting = iter(chosen)
        current = next(waiting, None)
        while current is not None:
            with pair.running(which, tree, logs) as server:
                while current is not None:
                    outcome = function.run(current, tree, server, logs / f"{which}-{current}.log", patience)
                    print(f"{which} {outcome.result} {outcome.seconds:.0f} s {current} {outcome.why}", flush=True)
                    yield outcome
                    current = next(waiting, None)
                    if outcome.result != PASSED:
                        break


def _note(ledger: dict[str, Line], which: str, outcome: Outcome) -> None:
    line = ledger.setdefault(outcome.function, dict.fromkeys(COLUMNS, ""))
    line["function"] = outcome.function
    line[which] = outcome.result
    line[f"seconds_{which}"] = f"{outcome.seconds:.0f}"
    line[f"why_{which}"] = outcome.why
    line["date"] = datetime.datetime.now(datetime.UTC).date().isoformat()


def _report(ledger: dict[str, Line], chosen: list[str]) -> int:
    """What fails on ours only is ours to mend; what the real pair fails here too says nothing about us."""
    lines = [ledger[name] for name in chosen if name in ledger]
    good = [line for line in lines if line["real"] == PASSED]
    ours = [line for line in good if line["ours"] not in ("", PASSED)]
    for line in ours:
        print(f"ours only: {line['function']}: {line['ours']}: {line['why_ours']}")
    for line in lines:
        if line["real"] not in ("", PASSED):
            print(f"real too: {line['function']}: {line['real']}, ours {line['ours']}: {line['why_real']}")
    print(f"{sum(line['ours'] == PASSED for line in good)} of {len(good)} that pass on the real pair pass on ours")
    return 1 if ours else 0


def _read() -> dict[str, Line]:
    if not LEDGER.exists():
        return {}
    rows = [row.split("\t") for row in LEDGER.read_text().splitlines()[1:]]
    return {row[0]: dict(zip(COLUMNS, row, strict=True)) for row in rows}


def _write(ledger: dict[str, Line]) -> None:
    """In upstream's order; what is no longer upstream's falls out."""
    rows = ["\t".join(ledger[name][c] for c in COLUMNS) for name in scripts.functions() if name in ledger]
    LEDGER.write_text("\n".join(["\t".join(COLUMNS), *rows]) + "\n")


if __name__ == "__main__":
    sys.exit(main())
