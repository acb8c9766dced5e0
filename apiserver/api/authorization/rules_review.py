"""SelfSubjectRulesReview: everything the asker may do in a namespace."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from apiserver.api.authorization.access import GROUP
from apiserver.apimachinery.errors import aggregate, bad_request
from apiserver.apimachinery.objects import Object, copy, get
from apiserver.auth.authorizers.resolver import RuleResolver
from apiserver.auth.authorizers.rules import Rule
from apiserver.registry.context import Context
from apiserver.registry.resource import Resource, ServedVersion
from apiserver.registry.strategy import Strategy

if TYPE_CHECKING:
    from apiserver.registry.dependencies import Dependencies
    from apiserver.registry.store import Store


@dataclass(frozen=True)
class RulesReviewREST:
    """Lists the rules as they are written, not what they amount to."""

    rules: RuleResolver

    async def create(
        self,
        ctx: Context,
        name: str,
        obj: Object,
        options: Mapping[str, Any],
        admit: Callable[[Object], Awaitable[None]],
    ) -> Object:
        namespace = get(obj, "spec", "namespace", default="")
        if not namespace:
            raise bad_request("no namespace on request")
        await admit(copy(obj))
        found = self.rules.rules_for(ctx.user, namespace)
        status: Object = {
            "resourceRules": [_resource_rule(rule) for rule in found.rules if rule.resources],
            "nonResourceRules": [_path_rule(rule) for rule in found.rules if rule.urls],
            "incomplete": found.incomplete,
        }
        if found.errors:
            status["evaluationError"] = aggregate(found.errors)
        return {
            "kind": "SelfSubjectRulesReview",
            "apiVersion": f"{GROUP}/{ctx.version}",
            "metadata": {},
            "spec": {},
            "status": status,
        }


def _resource_rule(rule: Rule) -> Object:
    return rule._replace(urls=()).object()


def _path_rule(rule: Rule) -> Object:
    return Rule(rule.verbs, urls=rule.urls).object()


def _rest(dependencies: Dependencies, store: Store | None) -> RulesReviewREST:
    return RulesReviewREST(dependencies.rules)


RESOURCE = Resource(
    group=GROUP,
    plural="selfsubjectrulesreviews",
    kind="SelfSubjectRulesReview",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=Strategy(),
    namespaced=False,
    verbs=("create",),
    rest=_rest,
)
