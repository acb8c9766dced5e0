"""pocketkube answers the recorded requests as the real server did."""

from __future__ import annotations

import pytest

from conformance.differential.compare import load_rules
from conformance.differential.replay import PROMISED, replay
from conformance.differential.scenario import load
from conformance.ours import pocketkube_server


@pytest.mark.timeout(240)
def test_recorded_answers_are_given_again(capsys: pytest.CaptureFixture[str]) -> None:
    with pocketkube_server() as target:
        report = replay(target, load(), load_rules())
    with capsys.disabled():
        print("", *report.lines(), sep="\n")
    assert report.agreement >= PROMISED, "\n".join(f"{n}: {found[:3]}" for n, found in report.differences.items())
