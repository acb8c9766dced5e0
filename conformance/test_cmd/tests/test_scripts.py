"""What is read out of upstream's scripts, and out of what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.test_cmd import function, scripts
from conformance.test_cmd.function import FAILED, LATE, PASSED
from conformance.test_cmd.pair import Server

LEGACY_SCRIPT = """
function record_command() { :; }
KUBE_JUNIT_REPORT_DIR=x record_command record_command_canary
runTests() {
  record_command "run_${pkg}_tests"
  record_command run_kubectl_version_tests
  if kube::test::if_supports_resource "${pods}" ; then
    record_command run_pod_tests
    record_command run_pod_tests
  fi
}
"""
SAID = """FAIL! of what came before
+++ Running case: test-cmd.run_x_tests
Successful
message:ok
FAIL!
message:Error from server
has not:forbidden
!!! [1126 07:43:21] Call tree:
!!! [1126 07:43:21]  1: /tree/test/cmd/get.sh:16 kube::test::if_has_string(...)
!!! Error in /tree/test/cmd/get.sh:16
  Error in test/cmd/../../test/cmd/get.sh:16. '((i<3-1))' exited with status 1
+++ exit code: 1
FAIL! of what came after
"""


def test_functions_come_once_in_upstreams_order_and_its_own_checks_last() -> None:
    assert scripts.functions_of(LEGACY_SCRIPT) == ["run_kubectl_version_tests", "run_pod_tests", "runTests"]


def test_the_reason_is_the_failed_assertion_with_its_place() -> None:
    assert function.reason(SAID) == ("get.sh:16 '((i<3-1))' | FAIL! message:Error from server has not:forbidden")


def test_the_reason_without_an_assertion_is_what_was_said_before_the_command_that_failed() -> None:
    ended = (
        "Error from server\n!!! Error in /a/apps.sh:9\n  Error in /a/apps.sh:9. 'kubectl get x' exited with status 1"
    )
    assert function.reason(ended) == "apps.sh:9 'kubectl get x' | Error from server"
    assert function.reason("could not  start\n") == "could not start"


@pytest.mark.parametrize(
    ("script", "result"), [("exit 0", PASSED), ("echo FAIL! no; exit 1", FAILED), ("sleep 60 & sleep 60", LATE)]
)
def test_a_function_ends_as_its_shell_does_or_when_its_time_is_over(
    script: str, result: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(function, "RUNNER", tmp_path / "runner.sh")
    (tmp_path / "runner.sh").write_text(script)
    server = Server(1, tmp_path)
    outcome = function.run("run_x_tests", tmp_path, server, tmp_path / "x.log", patience=0.5 if result == LATE else 20)
    assert (outcome.function, outcome.result) == ("run_x_tests", result)
    assert outcome.why == ("FAIL! no" if result == FAILED else "")
