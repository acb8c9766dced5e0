"""`python -m conformance.loops [--long] [NAME…]`: the same steps beside the Go controllers and beside ours, on the real API server.

What both leave behind is compared, object by object; what must differ (uids, times, addresses and names given by chance) is
replaced by a word. Exit status 1 when anything else differs. $PEER_BIN names the real programs.
"""

from __future__ import annotations

import base64
import contextlib
import difflib
import json
import re
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from conformance.loops.scenario import LONG, LOOKED_AT, STEPS, Step
from conformance.peer import peer_bin, real_server
from conformance.processes import free_port, stop
from conformance.target import Target

VOLATILE = re.compile(
    r"^(uid|.*\.uid|resourceVersion|generation|clusterIPs?|podIPs?|podCIDRs?|token|ca\.crt|trustBundle|.*Time|.*Timestamp)$"
)
CHANCE = re.compile(r"\b(kube-api-access|gpu)-\w{5}\b")
DROPPED = ("managedFields", "selfLink", "reportingInstance", "observedGeneration")
# Events of the processes themselves; a second patch that the Go allocator sometimes sends before it sees its first.
UNSAID = ("LeaderElection", "CIDRAssignmentFailed")
# The API server's own Service, its port is another one each time; the account of a loop that is not built.
UNSEEN = ("kubernetes", "validatingadmissionpolicy-status-controller")


class Connection:
    """The API of one server."""

    def __init__(self, target: Target) -> None:
        self._url = target.url
        self._context = ssl.create_default_context(cafile=target.ca)
        self._context.load_cert_chain(target.cert, target.key)

    def send(self, method: str, path: str, body: Any = None) -> Any:
        kind = "application/strategic-merge-patch+json" if method == "PATCH" else "application/json"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, {"Content-Type": kind}, method=method)
        with urllib.request.urlopen(request, context=self._context, timeout=30) as answer:
            return json.load(answer)


def _kubeconfig(target: Target, file: Path) -> Path:
    def inline(name: str) -> str:
        return base64.b64encode(Path(name).read_bytes()).decode()

    user = {"client-certificate-data": inline(target.cert), "client-key-data": inline(target.key)}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": target.url, "certificate-authority-data": inline(target.ca)}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    file.write_text(json.dumps(document))
    return file


@contextlib.contextmanager
def _controllers(whose: str, target: Target, directory: Path) -> Iterator[None]:
    """The controllers of one kind, beside a server."""
    pki = Path(target.ca).parent
    flags = {
        "kubeconfig": _kubeconfig(target, directory / f"{whose}.kubeconfig"),
        "leader-elect": "false",
        "root-ca-file": pki / "ca.crt",
        "cluster-signing-cert-file": pki / "ca.crt",
        "cluster-signing-key-file": pki / "ca.key",
        "service-account-private-key-file": pki / "sa.key",
        "allocate-node-cidrs": "true",
        "cluster-cidr": "10.244.0.0/16",
        "use-service-account-credentials": "true",
    }
    if whose == "go":
        command = [
            str(peer_bin() / "kube-controller-manager"),
            f"--secure-port={free_port()}",
            "--bind-address=127.0.0.1",
        ]
    else:
        command = [sys.executable, "-m", "pocketkube", "controllers"]
    log_file = directory / f"{whose}.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen([*command, *(f"--{k}={v}" for k, v in flags.items())], stdout=log, stderr=log)
    try:
        yield
        if process.poll() is not None:
            raise RuntimeError(f"the controllers ended:\n{log_file.read_text()[-2000:]}")
    finally:
        stop(process)


def _do(connection: Connection, step: Step) -> None:
    if isinstance(step, float):
        time.sleep(step)
        return
    for _ in range(50):  # a pod waits for its service account
        try:
            connection.send(*step)
            return
        except urllib.error.HTTPError as error:
            said = error.read().decode()
            if error.code not in (403, 409, 404):
                raise RuntimeError(f"{step}: {said}") from error
        time.sleep(0.1)
    raise RuntimeError(f"{step}: {said}")


def masked(value: Any, key: str = "") -> Any:
    """A value without what chance and time put there."""
    if VOLATILE.match(key) and value not in (None, "", [], "None", ["None"]):
        return f"<{key}>"
    if isinstance(value, dict):
        return {k: masked(v, k) for k, v in value.items() if k not in DROPPED}
    if isinstance(value, list):
        return [masked(item, key) for item in value]
    if isinstance(value, str) and re.fullmatch(r"20\d\d-\d\d-\d\dT[\d:.]+Z", value):
        return "<time>"
    return CHANCE.sub(r"\1-*", value) if isinstance(value, str) else value


def _named(kind: str, obj: dict[str, Any]) -> tuple[str, Any]:
    """An object under a name that is the same in every run."""
    meta = obj["metadata"]
    if kind == "events":
        about = obj["involvedObject"]
        name = f"{about['kind']} {about['name']} {obj['reason']}: {obj['message']}"
        return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "<uid>", name), {"type": obj["type"], "source": obj["source"]}
    name = f"{meta.get('namespace', '')}/{meta['name']}"
    if kind == "clustertrustbundles":
        name = meta["name"] = re.sub(r"[0-9a-f]{24}$", "<hash>", meta["name"])  # each server has its own authority
    if "generateName" in meta:
        ports = sorted((p.get("name", ""), p.get("port")) for p in obj.get("ports") or ())
        name = f"{meta.get('namespace', '')}/{meta['generateName']}* {obj.get('addressType', '')} {ports}"
        meta["name"] = "<generated>"
    for field in ("endpoints", "ports", "subsets", "conditions", "taints"):
        for holder in (obj, obj.get("status") or {}, obj.get("spec") or {}):
            if isinstance(holder.get(field), list):
                holder[field].sort(key=lambda item: json.dumps(masked(item), sort_keys=True))
    return name, masked(obj)


def _look(connection: Connection, kinds: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind, path in kinds.items():
        for obj in connection.send("GET", path)["items"]:
            if kind == "events" and obj["reason"] in UNSAID:
                continue
            if obj["metadata"]["name"] in UNSEEN:
                continue
            name, shown = _named(kind, obj)
            found[f"{kind} {name}"] = shown
    return found


def run(whose: str, directory: Path, kinds: dict[str, str], steps: list[Step]) -> dict[str, Any]:
    """What is there after all steps, with the controllers of one kind."""
    with real_server() as target:
        connection = Connection(target)
        with _controllers(whose, target, directory):
            for step in steps:
                _do(connection, step)
            return _look(connection, kinds)


def differences(theirs: dict[str, Any], ours: dict[str, Any]) -> list[str]:
    """Each object that is not the same on both sides, as a diff."""
    told = []
    for name in sorted({*theirs, *ours}):
        a, b = (json.dumps(side.get(name), indent=1, sort_keys=True).splitlines() for side in (theirs, ours))
        if a != b:
            told.append(
                "\n".join([f"== {name}", *list(difflib.unified_diff(a, b, "go", "ours", lineterm="", n=1))[2:]])
            )
    return told


def main(arguments: list[str]) -> int:
    steps = [*STEPS, *LONG] if "--long" in arguments else STEPS
    names = [name for name in arguments if name != "--long"]
    kinds = {kind: path for kind, path in LOOKED_AT.items() if not names or kind in names}
    with tempfile.TemporaryDirectory(prefix="loops-") as name:
        theirs, ours = (run(whose, Path(name), kinds, steps) for whose in ("go", "ours"))
    told = differences(theirs, ours)
    for text in told:
        print(text)
    print(f"{len({*theirs, *ours})} objects, {len(told)} differ")
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
