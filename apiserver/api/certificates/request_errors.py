"""What is wrong with a CertificateSigningRequest, or with a change of one (upstream pkg/apis/certificates/validation).

What is stored already, and would not pass as new, passes an update: `Allowances` says what.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from apiserver.api.strategy import metadata_update_errors
from apiserver.api.validation.signers import signer_name_errors
from apiserver.apimachinery.errors import FieldError, duplicate, field_forbidden, invalid, not_supported, required
from apiserver.apimachinery.objects import Object, get

LEGACY_SIGNER = "kubernetes.io/legacy-unknown"
APPROVED, DENIED, FAILED = "Approved", "Denied", "Failed"
DECISIONS = (APPROVED, DENIED, FAILED)
USAGES = (
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
)
MIN_SECONDS = 600
DECIDED = tuple(f'conditions[{{"type": "{kind}"}}]' for kind in (APPROVED, DENIED))


class Allowances(NamedTuple):
    """What an update may bring along because it is stored already."""

    both_decisions: bool = False
    legacy_signer: bool = False
    duplicate_types: bool = False
    empty_type: bool = False
    any_certificate: bool = False
    unknown_usages: bool = False
    duplicate_usages: bool = False


def conditions_of(csr: Object) -> Sequence[Object]:
    found: Sequence[Object] = get(csr, "status", "conditions", default=())
    return found


def _types(csr: Object) -> list[str]:
    return [condition.get("type") or "" for condition in conditions_of(csr)]


def _usages(csr: Object) -> list[str]:
    return get(csr, "spec", "usages", default=[])  # type: ignore[no-any-return]


def _has_duplicates(values: Sequence[str]) -> bool:
    return len(set(values)) < len(values)


def allowances(csr: Object, old: Object) -> Allowances:
    types, usages = _types(old), _usages(old)
    certificate, stored = (get(obj, "status", "certificate") or "" for obj in (csr, old))
    return Allowances(
        both_decisions=APPROVED in types and DENIED in types,
        legacy_signer=get(old, "spec", "signerName") == LEGACY_SIGNER,
        duplicate_types=_has_duplicates(types),
        empty_type="" in types,
        any_certificate=certificate == stored or bool(_certificate_problem(stored)),
        unknown_usages=any(usage not in USAGES for usage in usages),
        duplicate_usages=_has_duplicates(usages),
    )


def _certificate_problem(text: str) -> str:
    if not text:
        return ""
    from apiserver.auth.certificate_pem import certificate_problem, decoded

    return certificate_problem(decoded(text))


def request_errors(csr: Object, allowed: Allowances) -> Iterator[FieldError]:
    """The whole, metadata aside."""
    from apiserver.auth.certificate_pem import decoded, request_problem

    spec = csr.get("spec") or {}
    if problem := request_problem(decoded(spec.get("request"))):
        yield invalid("spec.request", spec.get("request"), problem)
    yield from _usages_errors(_usages(csr), allowed)
    signer = spec.get("signerName") or ""
    if signer == LEGACY_SIGNER and not allowed.legacy_signer:
        yield invalid("spec.signerName", signer, "the legacy signerName is not allowed via this API version")
    else:
        yield from signer_name_errors(signer, "spec.signerName")
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < MIN_SECONDS:
        yield invalid(
            "spec.expirationSeconds", seconds, "may not specify a duration less than 600 seconds (10 minutes)"
        )
    yield from _conditions_errors(conditions_of(csr), "status.conditions", allowed)
    if not allowed.any_certificate and (problem := _certificate_problem(get(csr, "status", "certificate") or "")):
        yield invalid("status.certificate", "<certificate data>", problem)


def _usages_errors(usages: Sequence[str], allowed: Allowances) -> Iterator[FieldError]:
    if not usages:
        yield required("spec.usages")
    for i, usage in enumerate(usages if not allowed.unknown_usages else ()):
        if usage not in USAGES:
            yield not_supported(f"spec.usages[{i}]", usage, USAGES)
    for i, usage in enumerate(usages if not allowed.duplicate_usages else ()):
        if usage in usages[:i]:
            yield duplicate(f"spec.usages[{i}]", usage)


def _conditions_errors(conditions: Sequence[Object], path: str, allowed: Allowances) -> Iterator[FieldError]:
    seen: list[str] = []
    for i, condition in enumerate(conditions):
        here, kind, status = f"{path}[{i}]", condition.get("type") or "", condition.get("status") or ""
        if not kind and not allowed.empty_type:
            yield required(f"{here}.type")
        statuses = ("True",) if kind in DECISIONS else ("False", "True", "Unknown")
        if not status:
            yield required(f"{here}.status")
        elif status not in statuses:
            yield not_supported(f"{here}.status", status, statuses)
        if kind in seen and not allowed.duplicate_types:
            yield duplicate(f"{here}.type", kind)
        seen.append(kind)


def exclusive_errors(csr: Object, allowed: Allowances) -> Iterator[FieldError]:
    """Approved or denied, not both: told last, by declaration."""
    types = _types(csr)
    if APPROVED in types and DENIED in types and not allowed.both_decisions:
        choice = ", ".join(f"`{decision}`" for decision in DECIDED)
        yield invalid("status.conditions", f"{{{', '.join(DECIDED)}}}", f"must specify at most one of: {choice}")


def update_errors(
    csr: Object,
    old: Object,
    metadata_errors: Iterator[FieldError],
    *,
    may_decide: bool = False,
    may_issue: bool = False,
) -> Iterator[FieldError]:
    """`may_decide`: through /approval; `may_issue`: through /status. `metadata_errors` are those of a new object."""
    yield from metadata_errors
    yield from request_errors(csr, allowances(csr, old))
    for kind in DECISIONS:
        if len(_of(csr, kind)) < len(_of(old, kind)):
            yield field_forbidden("status.conditions", f'updates may not remove a condition of type "{kind}"')
    if not may_decide:
        yield from _decision_errors(csr, old)
    certificate, stored = (get(obj, "status", "certificate") or "" for obj in (csr, old))
    if certificate != stored and not may_issue:
        yield field_forbidden("status.certificate", "updates may not set certificate content")
    elif certificate != stored and stored:
        yield field_forbidden("status.certificate", "updates may not modify existing certificate content")
    yield from metadata_update_errors(csr, old)
    yield from exclusive_errors(csr, allowances(csr, old))


def _of(csr: Object, kind: str) -> list[Object]:
    return [condition for condition in conditions_of(csr) if condition.get("type") == kind]


def _decision_errors(csr: Object, old: Object) -> Iterator[FieldError]:
    """That a decision is not changed here needs no check: strategies take it from the stored object."""
    for kind in (APPROVED, DENIED):
        if len(_of(csr, kind)) > len(_of(old, kind)):
            yield field_forbidden("status.conditions", f'updates may not add a condition of type "{kind}"')
