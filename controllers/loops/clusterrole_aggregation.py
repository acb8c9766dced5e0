"""Cluster roles that are made of others have their rules (upstream pkg/controller/clusterroleaggregation)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apiserver.apimachinery import labels
from apiserver.apimachinery.objects import Object
from controllers.framework.context import Context
from controllers.framework.controller import Controller, Request
from controllers.framework.kinds import CLUSTER_ROLES
from controllers.framework.manager import Loop

NAME = "clusterrole-aggregation-controller"
WORKERS = 5


def aggregated(role: Object, others: Iterable[Object]) -> list[dict[str, Any]]:
    """The rules of the roles that a role selects, each once: by selector, then by role name."""
    rules: list[dict[str, Any]] = []
    by_name = sorted(others, key=lambda other: str(other["metadata"]["name"]))
    for selector in (role.get("aggregationRule") or {}).get("clusterRoleSelectors") or ():
        chosen = labels.from_label_selector(selector)
        for other in by_name:
            if other["metadata"]["name"] == role["metadata"]["name"]:
                continue
            if chosen.matches(other["metadata"].get("labels") or {}):
                rules += [rule for rule in other.get("rules") or () if rule not in rules]
    return rules


class Aggregation:
    """Requests are cluster roles."""

    def __init__(self, context: Context) -> None:
        self.roles = context.resource(CLUSTER_ROLES)
        self.known = context.informer(CLUSTER_ROLES).lister

    async def reconcile(self, request: Request) -> None:
        role = self.known.get(*request)
        if role is None or not role.get("aggregationRule"):
            return
        rules = aggregated(role, self.known.list())
        if rules == (role.get("rules") or []):
            return
        wanted = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": request.name},
            "rules": rules,
        }
        await self.roles.apply(wanted, field_manager=NAME, force=True)

    def all_aggregated(self, changed: Object) -> Iterable[Request]:
        """Nobody knows which role depends on which; they are few."""
        return [Request("", role["metadata"]["name"]) for role in self.known.list() if role.get("aggregationRule")]


def build(context: Context) -> Loop:
    reconciler = Aggregation(context)
    controller = Controller(NAME, reconciler, workers=WORKERS)
    controller.watch(context.informer(CLUSTER_ROLES), reconciler.all_aggregated)
    return controller
