"""Plays every recorded scenario against pocketkube and reports agreement with the real server, area by area.

`python -m conformance.differential.replay [--area A] [--show] [--etcd URL]`; exits 1 below the promised agreement.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import dataclass, field

from conformance.differential.compare import Rules, compare, load_rules
from conformance.differential.record import play_all, read
from conformance.differential.scenario import Scenario, load
from conformance.ours import pocketkube_server
from conformance.target import Target

PROMISED = 0.97


@dataclass
class Report:
    """What came of a replay: per area how many answers agree, and each difference by step."""

    total: Counter[str] = field(default_factory=Counter)
    agreed: Counter[str] = field(default_factory=Counter)
    accepted: dict[str, str] = field(default_factory=dict)
    differences: dict[str, list[str]] = field(default_factory=dict)

    @property
    def agreement(self) -> float:
        return sum(self.agreed.values()) / max(1, sum(self.total.values()))

    def lines(self) -> list[str]:
        found = [f"{area:12} {self.agreed[area]:5} of {self.total[area]:5} agree" for area in self.total]
        found.append(f"{'all':12} {self.agreement:.2%}, {len(self.accepted)} differences accepted with a reason")
        return found


def replay(target: Target, scenarios: list[Scenario], rules: Rules) -> Report:
    """Play the scenarios and hold each answer against its recording."""
    recorded = read()
    report = Report()
    for scenario, answers in zip(scenarios, play_all(target, scenarios), strict=True):
        for step, answer in answers.items():
            name = f"{scenario.area}/{scenario.name}/{step}"
            found = compare(rules, recorded[name], answer) if name in recorded else ["not recorded: run make record"]
            report.total[scenario.area] += 1
            if not found:
                report.agreed[scenario.area] += 1
            elif reason := rules.reason(name):
                report.accepted[name] = reason
            else:
                report.differences[name] = [answer.get("request", ""), *found]
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--area", help="only this area (or area/scenario)")
    parser.add_argument("--show", action="store_true", help="print every difference")
    parser.add_argument("--etcd", default="", help="over this etcd instead of the embedded store")
    arguments = parser.parse_args()
    scenarios = [s for s in load() if not arguments.area or f"{s.area}/{s.name}".startswith(arguments.area)]
    with pocketkube_server(etcd=arguments.etcd) as target:
        report = replay(target, scenarios, load_rules())
    if arguments.show:
        for name, found in report.differences.items():
            print(name, *found, sep="\n    ")
    print(*report.lines(), sep="\n")
    return 0 if report.agreement >= PROMISED else 1


if __name__ == "__main__":
    sys.exit(main())
