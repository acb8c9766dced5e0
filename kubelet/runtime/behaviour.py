"""How a simulated container behaves: from its pod's annotations, else from its command (docs/simulated-runtime.md).

An annotation is `simulated.pocketkube.dev/<key>` for every container of the pod, or `….dev/<key>.<container>` for one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

PREFIX = "simulated.pocketkube.dev/"
# What a pod can say; a word that is not here is refused, not overheard. `pressure` is a Node's.
KEYS = (
    *("run-seconds", "exit-code", "stop-seconds", "termination-message", "create-error", "start-error"),
    *("ready", "ready-after", "ready-until", "live", "live-after", "live-until"),
    *("started", "started-after", "started-until", "pull-seconds", "pull-error", "sandbox-error", "sandbox-seconds"),
)
NEVER = float("inf")
DEFAULT_MESSAGE_LIMIT = 4096


@dataclass(frozen=True)
class Behaviour:
    """Seconds count from the container's start. `run_seconds` and `exit_codes` go by run; the last one repeats."""

    run_seconds: tuple[float, ...] = ()
    exit_codes: tuple[int, ...] = ()
    create_error: str = ""
    start_error: str = ""
    stop_seconds: float | None = None
    message: str = ""
    answers: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # by purpose: from, until

    @property
    def is_given(self) -> bool:
        """Whether the annotations say how the container ends."""
        return bool(self.run_seconds or self.exit_codes)

    def run_of(self, attempt: int) -> tuple[float, int]:
        """(seconds, exit code) of the given run."""
        seconds = self.run_seconds[min(attempt, len(self.run_seconds) - 1)] if self.run_seconds else 0.0
        code = self.exit_codes[min(attempt, len(self.exit_codes) - 1)] if self.exit_codes else 0
        return seconds, code

    def answers_well(self, purpose: str, age: float) -> bool | None:
        """Whether a probe of a container of that age succeeds; None when nothing is said about it."""
        window = self.answers.get(purpose)
        return None if window is None else window[0] <= age < window[1]


def unknown_keys(annotations: Mapping[str, str]) -> str:
    """A sentence about annotations that mean nothing; empty where there are none."""
    given = (key.removeprefix(PREFIX) for key in annotations if key.startswith(PREFIX))
    unknown = sorted(key for key in given if key.partition(".")[0] not in KEYS)
    if not unknown:
        return ""
    return f"the simulator does not know {', '.join(PREFIX + key for key in unknown)}; it knows {', '.join(KEYS)}"


def _setting(annotations: Mapping[str, str], key: str, container: str) -> str | None:
    assert key in KEYS, key
    return annotations.get(f"{PREFIX}{key}.{container}", annotations.get(PREFIX + key))


def setting(annotations: Mapping[str, str], key: str, container: str = "") -> str:
    """One setting as written; empty when it is not given."""
    return _setting(annotations, key, container) or ""


def seconds(text: str | None) -> float | None:
    """A number of seconds, or `never`. What is neither counts as not given."""
    if not text:
        return None
    if text == "never":
        return NEVER
    try:
        return float(text)
    except ValueError:
        return None


def _numbers(text: str | None) -> tuple[float, ...]:
    found = (seconds(part.strip()) for part in (text or "").split(","))
    return tuple(number for number in found if number is not None)


def behaviour_of(annotations: Mapping[str, str], container: str) -> Behaviour:
    """What the annotations say about one container."""
    if not any(key.startswith(PREFIX) for key in annotations):
        return DEFAULT

    def get(key: str) -> str | None:
        return _setting(annotations, key, container)

    answers: dict[str, tuple[float, float]] = {}
    for purpose, word in (("readiness", "ready"), ("liveness", "live"), ("startup", "started")):
        begins, ends = seconds(get(f"{word}-after")), seconds(get(f"{word}-until"))
        if (flat := get(word)) in ("true", "false"):
            answers[purpose] = (0.0, NEVER if flat == "true" else 0.0)
        elif begins is not None or ends is not None:
            answers[purpose] = (begins or 0.0, NEVER if ends is None else ends)
    return Behaviour(
        run_seconds=_numbers(get("run-seconds")),
        exit_codes=tuple(int(code) for code in _numbers(get("exit-code")) if code != NEVER),
        create_error=get("create-error") or "",
        start_error=get("start-error") or "",
        stop_seconds=seconds(get("stop-seconds")),
        message=(get("termination-message") or "")[:DEFAULT_MESSAGE_LIMIT],
        answers=answers,
    )


DEFAULT = Behaviour()
