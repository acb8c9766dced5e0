"""All that a user may do in a namespace, for SelfSubjectRulesReview (upstream authorization/union RulesFor)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol, runtime_checkable

from apiserver.apimachinery.http import UserInfo
from apiserver.auth.authorizers.rules import Rule
from apiserver.auth.interface import Authorizer


class Rules(NamedTuple):
    """`incomplete`: there may be more, as the errors say."""

    rules: list[Rule]
    incomplete: bool
    errors: list[str]


@runtime_checkable
class TellsRules(Protocol):
    """An authorizer that can say what a user may do; not every one can."""

    def rules_for(self, user: UserInfo, namespace: str) -> Rules: ...


class RuleResolver:
    """Asks each authorizer that can tell, in their order."""

    def __init__(self, authorizers: Iterable[Authorizer]) -> None:
        self._members = [each for each in authorizers if isinstance(each, TellsRules)]

    def rules_for(self, user: UserInfo, namespace: str) -> Rules:
        told = [member.rules_for(user, namespace) for member in self._members]
        rules = [rule for one in told for rule in one.rules]
        return Rules(rules, any(one.incomplete for one in told), [error for one in told for error in one.errors])
