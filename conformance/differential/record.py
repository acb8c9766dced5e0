"""Plays every scenario against the real server and writes its answers to recordings/: `make record`."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from conformance.differential.player import play
from conformance.differential.scenario import HERE, Scenario, load
from conformance.peer import missing, real_server
from conformance.target import Target

RECORDINGS = HERE / "recordings"
AT_ONCE = 8

Answers = dict[str, dict[str, Any]]


def play_all(target: Target, scenarios: list[Scenario]) -> list[Answers]:
    """All scenarios, several at once (they mostly wait in watches): each has a namespace of its own."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda scenario: play(target, scenario), scenarios))


def write(scenarios: list[Scenario], answers: list[Answers], directory: Path = RECORDINGS) -> int:
    """One file an area, one line an answer: differences between recordings stay readable. Returns the bytes written."""
    directory.mkdir(exist_ok=True)
    for old in directory.glob("*.jsonl"):
        old.unlink()
    for scenario, answered in zip(scenarios, answers, strict=True):
        with (directory / f"{scenario.area}.jsonl").open("a") as out:
            for step, answer in answered.items():
                line = {"step": f"{scenario.area}/{scenario.name}/{step}", **answer}
                out.write(json.dumps(line, separators=(",", ":"), ensure_ascii=False) + "\n")
    return sum(path.stat().st_size for path in directory.glob("*.jsonl"))


def read(directory: Path = RECORDINGS) -> dict[str, dict[str, Any]]:
    """Recorded answers by `area/scenario/step`."""
    found = {}
    for path in sorted(directory.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            answer = json.loads(line)
            found[answer.pop("step")] = answer
    return found


def main() -> int:
    if why := missing():
        print(f"record: {why}", file=sys.stderr)
        return 1
    scenarios = load()
    with real_server() as target:
        answers = play_all(target, scenarios)
    size = write(scenarios, answers)
    print(f"{sum(map(len, answers))} answers of {len(scenarios)} scenarios, {size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
