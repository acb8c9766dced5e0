"""Run specs of the official suite against a cluster started by `pocketkube up`, and keep the results in the ledger.

python -m conformance.official --group api                    # no nodes: 127 specs
python -m conformance.official --group node --nodes 2         # simulated nodes
python -m conformance.official --group beyond --nodes 3       # what the suite has besides conformance
python -m conformance.official --focus 'Job should' --nodes 2 --no-ledger
"""

from __future__ import annotations

import argparse
import datetime
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

from conformance.cluster import running_cluster
from conformance.official import specs, suite
from conformance.official.suite import Outcome

LEDGER = Path(__file__).parent / "ledger.tsv"
COLUMNS = "spec\tgroup\tnodes\tresult\tseconds\tdate\twhy"


def main() -> int:
    given = _parser().parse_args()
    if absent := suite.missing():
        print(f"{', '.join(absent)} not built: run hack/build-peer", file=sys.stderr)
        return 2
    wanted = [s for s in specs.load() if _is_wanted(s, given)]
    output = Path(given.output or tempfile.mkdtemp(prefix="conformance-")).absolute()
    print(f"{len(wanted)} specs, {given.nodes} nodes, {given.procs} processes; reports in {output}", flush=True)
    names = [spec.name for spec in wanted]
    how = {"procs": given.procs, "nodes": given.nodes, "content_type": given.content_type}
    if given.kubeconfig:
        found = suite.run(names, given.kubeconfig.absolute(), output, **how)
    else:
        with running_cluster(output / "cluster", nodes=given.nodes) as kubeconfig:
            found = suite.run(names, kubeconfig, output, **how)
    _report(found, names)
    if not given.no_ledger:
        _keep(found, given.nodes)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m conformance.official", description=__doc__)
    parser.add_argument("--group", choices=specs.GROUPS, action="append", help="which specs (all)")
    parser.add_argument("--focus", default="", help="only specs whose name or file this pattern is found in")
    parser.add_argument("--nodes", type=int, default=0, help="simulated nodes of the cluster (0)")
    parser.add_argument("--procs", type=int, default=8, help="specs side by side (8)")
    parser.add_argument("--kubeconfig", type=Path, help="a cluster that is there, instead of one of our own")
    parser.add_argument("--content-type", default="application/json", help="what the suite writes in")
    parser.add_argument("--output", help="where reports and logs go (a new directory under /tmp)")
    parser.add_argument("--no-ledger", action="store_true", help="leave the ledger as it is")
    return parser


def _is_wanted(spec: specs.Spec, given: argparse.Namespace) -> bool:
    if given.group and spec.group not in given.group:
        return False
    return bool(re.search(given.focus, f"{spec.name} {spec.file}"))


def _report(found: list[Outcome], asked: list[str]) -> None:
    for outcome in sorted(found):
        if outcome.result != "passed":
            print(f"{outcome.result}: {outcome.spec}\n    {outcome.why}")
    ran = {outcome.spec for outcome in found}
    for name in asked:
        if name not in ran:
            print(f"did not run: {name}")
    counts = Counter(outcome.result for outcome in found)
    print(f"{counts['passed']} passed, {counts['failed']} failed, {len(asked) - len(found)} did not run")


def _keep(found: list[Outcome], nodes: int) -> None:
    """Put the results into the ledger, in the table's order; what did not run keeps its last line."""
    lines = dict(_ledger_lines())
    groups = {spec.name: spec.group for spec in specs.load()}
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    for o in found:
        why = o.why.replace("\t", " ")
        facts = (o.spec, groups.get(o.spec, ""), nodes, o.result, f"{o.seconds:.0f}", today, why)
        lines[o.spec] = "\t".join(map(str, facts))
    kept = [lines[name] for name in groups if name in lines]
    LEDGER.write_text("\n".join([COLUMNS, *kept]) + "\n")


def _ledger_lines() -> list[tuple[str, str]]:
    if not LEDGER.exists():
        return []
    return [(line.split("\t")[0], line) for line in LEDGER.read_text().splitlines()[1:]]


if __name__ == "__main__":
    sys.exit(main())
