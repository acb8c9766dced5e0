"""How each language's driver is built in a directory of its own, and run. The drivers are data beside this file."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
BUILD_PATIENCE = 3600.0  # the Go modules of Kubernetes take a quarter of an hour on two busy cores
HELM3, HELM4 = "helm.sh/helm/v3/cmd/helm@v3.22.0", "helm.sh/helm/v4/cmd/helm@v4.3.1"
Commands = Sequence[Sequence[str]]


class Language(NamedTuple):
    """`tools` it needs on the PATH; `build` and `run` get the scratch directory, which has a copy of the sources."""

    tools: tuple[str, ...]
    build: Callable[[Path], Commands]
    run: Callable[[Path], Commands]

    def absent(self) -> list[str]:
        return [tool for tool in self.tools if shutil.which(tool) is None]


def _go_build(work: Path) -> Commands:
    return [["go", "build", "-mod=mod", "-o", str(work / "clients"), "."]]


def _helm_build(work: Path) -> Commands:
    return [["env", f"GOBIN={work / name}", "go", "install", module] for name, module in (("v3", HELM3), ("v4", HELM4))]


def _helm_run(work: Path) -> Commands:
    return [[str(work / "run.sh"), str(work / name / "helm"), str(work / f"charts-{name}")] for name in ("v3", "v4")]


def _java_build(work: Path) -> Commands:
    return [["mvn", "-q", "-B", "compile", "dependency:build-classpath", f"-Dmdep.outputFile={work / 'classpath'}"]]


def _java_run(work: Path) -> Commands:
    return [["java", "-cp", f"{work / 'target/classes'}:{(work / 'classpath').read_text().strip()}", "Main"]]


def _python_build(work: Path) -> Commands:
    pip = [str(work / "venv/bin/pip"), "install", "-q", "-r", "requirements.txt"]
    return [[sys.executable, "-m", "venv", str(work / "venv")], pip]


LANGUAGES = {
    "go": Language(("go",), _go_build, lambda work: [[str(work / "clients")]]),
    "helm": Language(("go", "bash"), _helm_build, _helm_run),
    "java": Language(("java", "mvn"), _java_build, _java_run),
    "node": Language(
        ("node", "npm"),
        lambda _: [["npm", "install", "--silent", "--no-audit", "--no-fund"]],
        lambda _: [["node", "main.mjs"]],
    ),
    "python": Language((), _python_build, lambda work: [[str(work / "venv/bin/python"), "main.py"]]),
    "rust": Language(
        ("cargo",), lambda _: [["cargo", "build", "-q"]], lambda work: [[str(work / "target/debug/clients")]]
    ),
}


def build(name: str, scratch: Path) -> Path:
    """Bring the sources to the scratch directory and build there; RuntimeError with the end of what was said."""
    work = scratch / name
    shutil.copytree(HERE / name, work, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    for command in LANGUAGES[name].build(work):
        done = subprocess.run(
            ["nice", *command], cwd=work, capture_output=True, text=True, timeout=BUILD_PATIENCE, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]}: {(done.stdout + done.stderr)[-1500:]}")
    return work
