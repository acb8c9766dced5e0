"""What is not wrong with a JobSpec, but worth a warning (upstream pkg/api/job/warnings.go)."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.api.validation.pod.warnings import template_warnings
from apiserver.apimachinery.objects import Object

MANY_COMPLETIONS = 100_000
MANY_AT_ONCE = 10_000


def job_spec_warnings(spec: Object, path: str) -> Iterator[str]:
    if (
        spec.get("completionMode") == "Indexed"
        and (spec.get("completions") or 0) > MANY_COMPLETIONS
        and (spec.get("parallelism") or 0) > MANY_AT_ONCE
    ):
        yield (
            f"{path}: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, "
            "Kubernetes might not be able to track completedIndexes when a big number of indexes fail"
        )
    yield from template_warnings(spec["template"], f"{path}.template")
