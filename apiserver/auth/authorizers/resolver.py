"""All that a user may do in a namespace, for SelfSubjectRulesReview (upstream authorization/union RulesFor)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from apiserver.apimachinery.http import UserInfo
from apiserver.auth.authorizers.node import node_name
from apiserver.auth.authorizers.policy import Policy
from apiserver.auth.authorizers.rules import ALL, Rule

EVERYTHING = (Rule((ALL,), groups=(ALL,), resources=(ALL,)), Rule((ALL,), urls=(ALL,)))


class Rules(NamedTuple):
    rules: list[Rule]
    incomplete: bool
    errors: list[str]


class RuleResolver:
    """Asks each mode; not every mode can tell."""

    def __init__(self, modes: Sequence[str], policy: Policy) -> None:
        self._modes = tuple(modes)
        self._policy = policy

    def rules_for(self, user: UserInfo, namespace: str) -> Rules:
        found = Rules([], False, [])
        for mode in self._modes:
            if mode == "AlwaysAllow":
                found.rules.extend(EVERYTHING)
            elif mode == "RBAC":
                rules, errors = self._policy.rules_for(user, namespace)
                found.rules.extend(rules)
                found.errors.extend(errors)
            elif mode == "Node" and node_name(user) is not None:
                found = found._replace(incomplete=True)
                found.errors.append("node authorizer does not support user rule resolution")
        return found
