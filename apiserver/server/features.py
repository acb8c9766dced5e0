"""Feature gates: upstream's names and defaults, what the command line says, and which of them this server looks at.

A gate that names something this server does not have yet may be set, and changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import NamedTuple


class Gate(NamedTuple):
    stage: str  # ALPHA, BETA, GA, DEPRECATED
    default: bool


@cache
def gates() -> Mapping[str, Gate]:
    """Every gate of the Kubernetes version spoken on the wire."""
    text = files("apiserver.generated").joinpath("feature_gates.json").read_text()
    return {name: Gate(stage, default) for name, (stage, default) in json.loads(text).items()}


class FeatureGates:
    """What is on. `AllAlpha` and `AllBeta` set a whole stage; a name of its own wins over them."""

    def __init__(self, given: Iterable[tuple[str, bool]] = ()) -> None:
        self._given = dict(given)

    def enabled(self, name: str) -> bool:
        """Raises KeyError for a name that is no gate."""
        if name in self._given:
            return self._given[name]
        gate = gates()[name]
        whole = {"ALPHA": "AllAlpha", "BETA": "AllBeta"}.get(gate.stage)
        if whole is not None and whole in self._given:
            return self._given[whole]
        return gate.default
