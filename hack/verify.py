"""Verify what scripts generate and what conventions promise; prints each finding, exits 1 when there is one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("apiserver", "controllers", "kubelet", "pocketkube", "conformance")
LONGEST = 700  # lines; a file past it holds a second idea


def modules() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.py"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    paths = [ROOT / line for line in listed.stdout.splitlines()]
    return [p for p in paths if p.exists() and p.relative_to(ROOT).parts[0] in PACKAGES]


def findings() -> list[str]:
    found = []
    for path in modules():
        text = path.read_text()
        name = path.relative_to(ROOT)
        if "generated" in name.parts:
            continue
        if text.strip() and path.name != "__init__.py" and not text.lstrip().startswith(('"""', "#!", 'r"""')):
            found.append(f"{name}: a module opens by saying what it is (a docstring)")
        if "tests" not in name.parts and (lines := text.count("\n")) > LONGEST:
            found.append(f"{name}: {lines} lines; which second idea moved in?")
    return found


def main() -> int:
    found = findings()
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
