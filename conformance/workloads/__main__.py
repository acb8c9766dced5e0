"""`python -m conformance.workloads [--on real|ours] [--only NAME…]`: the same scenes under the real kube-controller-manager and
under ours, each over a fresh server, and what differs at the end: objects with their statuses, revisions, events.

Prints a report, notes it in conformance/ledger.yaml, exits 1 when anything differs. About three minutes.
Needs kube-apiserver, kube-controller-manager and etcd of hack/build-peer.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from pathlib import Path
from typing import Any

import yaml

from conformance import ledger, peer
from conformance.ours import pocketkube_server
from conformance.target import Target
from conformance.workloads.api import MERGE, Api
from conformance.workloads.outcome import Outcome, differences, gather
from conformance.workloads.player import Player
from conformance.workloads.programs import OURS, THEIRS, missing, running

SCENES = Path(__file__).parent / "scenes.yaml"
NODES = {"node-1": {"disk": "ssd"}, "node-2": {"disk": "hdd"}}
ACCOUNT_WITHIN = 30.0
AFTER_MINUTE = 8.0  # seconds past a full minute in which cron jobs have made what they make
QUIET = 12.0  # seconds after the last step until the end counts
Scene = dict[str, Any]


def scenes() -> list[Scene]:
    found: list[Scene] = yaml.safe_load(SCENES.read_text())["scenes"]
    return found


def _prepare(api: Api, namespaces: list[str]) -> None:
    """Nodes that are ready, and namespaces whose service account is there."""
    for name, labels in NODES.items():
        api.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}, "")
        api.send("PATCH", f"/api/v1/nodes/{name}", {"spec": {"taints": None}}, MERGE)
    for name in namespaces:
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, "")
    end = time.monotonic() + ACCOUNT_WITHIN
    for name in namespaces:
        while api.send("GET", f"/api/v1/namespaces/{name}/serviceaccounts/default").status != 200:
            if time.monotonic() > end:
                raise RuntimeError(f"no service account in {name} after {ACCOUNT_WITHIN:.0f} s")
            time.sleep(0.1)


def _step(api: Api, step: Scene, namespace: str) -> str:
    """Do one step; what was refused, as text."""
    [(verb, what)] = step.items()
    if verb == "wait":
        time.sleep(what)
        return ""
    if verb == "create":
        answer = api.create(what, namespace)
    elif verb == "patch":
        answer = api.send("PATCH", api.where(what["path"], namespace), what["merge"], MERGE)
    elif verb == "delete":
        options = {"propagationPolicy": what["propagation"]} if "propagation" in what else {}
        answer = api.send("DELETE", api.where(what["path"], namespace), options)
    else:
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": what}}
        answer = api.send("POST", f"/api/v1/namespaces/{namespace}/pods/{what}/eviction", body)
    return "" if answer.status < 300 else f"{namespace}: {verb}: {answer.status} {answer.body}"


def _perform(target: Target, scene: Scene, refused: list[str]) -> None:
    api = Api(target)
    try:
        refused += filter(None, (_step(api, step, scene["name"]) for step in scene["steps"]))
    finally:
        api.close()


def run(program: str, target: Target, chosen: list[Scene]) -> tuple[Outcome, list[str]]:
    """All scenes at once under one program; the end, and what was refused."""
    by_namespace = {scene["name"]: scene for scene in chosen}
    api, refused = Api(target), list[str]()
    with running(program, target):
        _prepare(api, list(by_namespace))
        # Both begin two seconds past a full minute: what the clock brings about is the same for both then.
        time.sleep((62 - time.time() % 60) % 60)
        player = Player(target, by_namespace)
        player.start()
        try:
            threads = [threading.Thread(target=_perform, args=(target, scene, refused)) for scene in chosen]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            time.sleep(QUIET)
            if any(scene["name"].startswith("cronjob") for scene in chosen):
                time.sleep(max(0.0, 60 - time.time() % 60) + AFTER_MINUTE)
        finally:
            player.stop()
        outcome = gather(api, frozenset(by_namespace))
    api.close()
    return outcome, refused


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m conformance.workloads")
    parser.add_argument("--on", choices=("real", "ours"), default="real", help="whose API server")
    parser.add_argument("--only", nargs="*", default=[], help="scenes by name")
    arguments = parser.parse_args()
    if why := missing() or peer.missing():
        print(why, file=sys.stderr)
        return 2
    chosen = [scene for scene in scenes() if not arguments.only or scene["name"] in arguments.only]
    server = peer.real_server if arguments.on == "real" else pocketkube_server
    outcomes, problems = {}, list[str]()
    for program in (THEIRS, OURS):
        with server() as target:
            outcomes[program], refused = run(program, target, chosen)
        problems += [f"{program}: {line}" for line in refused]
    found = [*problems, *differences(outcomes[THEIRS], outcomes[OURS])]
    objects = sum(len(lines) for key, lines in outcomes[THEIRS].items() if not key.endswith(" events"))
    events = sum(len(lines) for key, lines in outcomes[THEIRS].items() if key.endswith(" events"))
    print(
        f"{len(chosen)} scenes on the {arguments.on} server: {objects} objects, {events} events, {len(found)} differences"
    )
    for line in found:
        print(f"  ! {line}")
    if not arguments.only:
        counted = {"scenes": len(chosen), "objects": objects, "events": events, "differences": found[:40]}
        ledger.note("workloads", {"server": arguments.on, **counted})
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
