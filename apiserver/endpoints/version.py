"""`/version`: the Kubernetes version spoken on the wire."""

from __future__ import annotations

import platform

from apiserver.apimachinery.codec.negotiate import JSON
from apiserver.apimachinery.http import Request, Response
from apiserver.endpoints.responses import encode_json

MAJOR, MINOR = "1", "37"
GIT_VERSION = "v1.37.2"

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def version_info() -> dict[str, str]:
    """version.Info, in upstream's order. `compiler` says what runs here."""
    machine = platform.machine()
    return {
        "major": MAJOR,
        "minor": MINOR,
        "emulationMajor": MAJOR,
        "emulationMinor": MINOR,
        "minCompatibilityMajor": MAJOR,
        "minCompatibilityMinor": str(int(MINOR) - 1),
        "gitVersion": GIT_VERSION,
        "gitCommit": "$Format:%H$",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": f"python{platform.python_version()}",
        "compiler": platform.python_implementation().lower(),
        "platform": f"{platform.system().lower()}/{_MACHINES.get(machine, machine)}",
    }


class VersionHandler:
    """Always indented, as upstream writes it (apiserver/pkg/server/routes/version.go)."""

    def __init__(self) -> None:
        self._body = encode_json(version_info(), pretty=True)

    async def __call__(self, request: Request) -> Response:
        return Response(200, self._body, JSON)
