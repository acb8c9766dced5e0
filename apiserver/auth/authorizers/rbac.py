"""The RBAC authorizer: decisions from the policy index, remembered until the policy changes.

A decision is remembered per (user, verb, resource, namespace), not per object name: rules that name objects stay in the
memo as conditions, so that reading ten thousand pods by name fills one entry.
"""

from __future__ import annotations

from typing import NamedTuple

from apiserver.apimachinery.errors import aggregate
from apiserver.apimachinery.http import UserInfo
from apiserver.auth.authorizers.policy import Policy, RoleNotFound
from apiserver.auth.authorizers.resolver import Rules
from apiserver.auth.authorizers.rules import Rule
from apiserver.auth.interface import ALLOW, NO_OPINION, AuthorizerAttributes, Decision
from apiserver.registry.listers import Listers

MAX_REMEMBERED = 20_000


class Answer(NamedTuple):
    """What to say for a request: the first of `named` that has the object's name, else `otherwise`."""

    named: tuple[tuple[tuple[str, ...], Decision], ...]
    otherwise: Decision

    def decide(self, name: str) -> Decision:
        for names, decision in self.named:
            if name in names:
                return decision
        return self.otherwise


class RBACAuthorizer:
    """Allows what some role bound to the user allows; has no opinion on the rest."""

    def __init__(self, listers: Listers) -> None:
        self.policy = Policy(listers, self._forget)
        self._memo: dict[tuple[object, ...], Answer] = {}

    def _forget(self) -> None:
        if self._memo:
            self._memo.clear()

    async def authorize(self, attributes: AuthorizerAttributes) -> Decision:
        user, verb = attributes.user, attributes.verb
        key: tuple[object, ...]
        if attributes.is_resource:
            # group, version, resource, subresource and namespace, and who asks: their groups, not what else they carry
            key = (user.name, user.groups, verb, attributes[4], attributes[6], attributes[7], attributes[8])
        else:
            key = (user.name, user.groups, verb, attributes.path)
        answer = self._memo.get(key)
        if answer is None:
            answer = self._answer(attributes)
            if len(self._memo) >= MAX_REMEMBERED:
                self._memo.clear()
            self._memo[key] = answer
        return answer.decide(attributes.name) if answer.named else answer.otherwise

    def rules_for(self, user: UserInfo, namespace: str) -> Rules:
        rules, errors = self.policy.rules_for(user, namespace)
        return Rules(rules, False, errors)

    def _answer(self, attributes: AuthorizerAttributes) -> Answer:
        self.policy.start()
        named: list[tuple[tuple[str, ...], Decision]] = []
        errors: list[str] = []
        for grant in self.policy.grants(attributes.user, attributes.namespace):
            try:
                rules = self.policy.rules(grant.binding)
            except RoleNotFound as e:
                errors.append(str(e))
                continue
            for rule in rules:
                if not _allows(rule, attributes):
                    continue
                allowed = Decision(ALLOW, f"RBAC: allowed by {grant.binding.describe(grant.subject)}")
                if not rule.names or not attributes.is_resource:
                    return Answer(tuple(named), allowed)
                named.append((rule.names, allowed))
        reason = f"RBAC: {aggregate(errors)}" if errors else ""
        return Answer(tuple(named), Decision(NO_OPINION, reason))


def _allows(rule: Rule, attributes: AuthorizerAttributes) -> bool:
    if attributes.is_resource:
        return rule.allows_resource(attributes.verb, attributes.group, attributes.resource, attributes.subresource)
    return rule.allows_path(attributes.verb, attributes.path)
