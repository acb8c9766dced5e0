"""Components killed under load, one by one and all at once: the other takes over, and all that was asked for is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.kubectl.kubectl import find_kubectl
from conformance.robustness.kills import run


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(find_kubectl() is None, reason="kubectl is not installed")
def test_kills_under_load_leave_nothing_double_orphaned_or_stuck(tmp_path: Path) -> None:
    report = run(tmp_path, seed=1, rounds=2)
    assert not report.problems, str(report)
    assert set(report.handovers) == {"kube-controller-manager", "kube-scheduler"}
    assert min(report.kills.values()) >= 1 and report.writes > 20, str(report)
