"""Upstream's scripts: where they are, which functions they run in which order, and a tree to run them in."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
from pathlib import Path

from conformance.peer import peer_bin

MODULE = "k8s.io/kubernetes@v1.37.2"
TAKEN = (
    "hack/lib",
    "hack/testdata",
    "hack/make-rules",
    "test/cmd",
    "test/e2e/testing-manifests",
    "test/fixtures",
    "third_party/forked/shell2junit",
)
PROGRAMS = ("kubectl", "kubectl-convert")
INLINE = "runTests"  # what upstream's main function checks itself, between the functions that it records


def source() -> Path:
    """The module as Go has it in its cache."""
    answer = subprocess.run(["go", "env", "GOMODCACHE"], capture_output=True, text=True, check=True)
    return Path(answer.stdout.strip()) / MODULE


def missing() -> str:
    """Why the scripts cannot be run here; empty when they can."""
    absent = [name for name in PROGRAMS if not (peer_bin() / name).exists()]
    if absent:
        return f"{', '.join(absent)} not in {peer_bin()}: run hack/build-peer {' '.join(absent)}"
    if not shutil.which("go") or not (source() / "test/cmd").exists():
        return f"{MODULE} is not in Go's module cache: run hack/build-peer"
    tools = [tool for tool in ("bash", "curl", "jq", "openssl", "sed", "tput") if not shutil.which(tool)]
    return f"the scripts need {', '.join(tools)}" if tools else ""


def functions() -> list[str]:
    """In the order in which upstream runs them; what it checks in between comes last."""
    return functions_of((source() / "test/cmd/legacy-script.sh").read_text())


def functions_of(legacy_script: str) -> list[str]:
    body = legacy_script[legacy_script.index("\nrunTests()") :]
    return [*dict.fromkeys(re.findall(r"^ *record_command (run_\w+)", body, re.MULTILINE)), INLINE]


def copy_to(tree: Path) -> None:
    """What the scripts read, writable (they leave files beside it), with the programs where they look for them."""
    for part in TAKEN:
        shutil.copytree(source() / part, tree / part)
    for path in tree.rglob("*"):
        executable = stat.S_IXUSR if path.is_dir() or _is_script(path) else 0
        path.chmod(stat.S_IRUSR | stat.S_IWUSR | executable)
    programs = tree / "_output/bin"
    programs.mkdir(parents=True)
    for name in PROGRAMS:
        (programs / name).symlink_to(peer_bin() / name)


def _is_script(path: Path) -> bool:
    """The module cache keeps no execute bits."""
    with path.open("rb") as file:
        return file.read(2) == b"#!"
