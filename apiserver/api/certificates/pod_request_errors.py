"""What is wrong with a PodCertificateRequest, and with the answer to one (upstream pkg/apis/certificates/validation)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from apiserver.api.validation.conditions import conditions_errors
from apiserver.api.validation.signers import is_kubernetes_signer, signer_name_errors
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError, invalid, invalid_omitted, not_supported, required, too_long
from apiserver.apimachinery.objects import Object, get

ISSUED, DENIED, FAILED = "Issued", "Denied", "Failed"
ANSWERS = (ISSUED, DENIED, FAILED)
MIN_SECONDS, MAX_SECONDS, MAX_KUBERNETES_SECONDS = 60 * 60, 91 * 24 * 60 * 60, 24 * 60 * 60
MAX_UID = 128
MAX_REQUEST, MAX_CHAIN = 10 * 1024, 100 * 1024
MAX_ANNOTATIONS = 256 * 1024  # bytes of all keys and values
CHAIN, REQUEST = "status.certificateChain", "spec.stubPKCS10Request"
REFRESH_MARGIN, CLOCK_SKEW, MIN_LIFE = timedelta(minutes=10), timedelta(minutes=5), timedelta(hours=1)
ONE_REQUEST = "exactly one of (stubPKCS10Request) or (pkixPublicKey, proofOfPossession) must be set"
ONE_ANSWER = 'There may be at most one condition with type "Issued", "Denied", or "Failed"'
FIXED = "immutable after PodCertificateRequest is issued, denied, or failed"
NOTHING_ELSE = "non-condition status fields must be empty when denying or failing the PodCertificateRequest"
NO_ANSWER = 'status is immutable unless transitioning to "Issued", "Denied", or "Failed"'


def spec_errors(spec: Object) -> Iterator[FieldError]:
    """Upstream ValidatePodCertificateRequestCreate, metadata aside."""
    from apiserver.auth.certificate_pem import decoded
    from apiserver.auth.pod_certificates import request_problem

    signer, seconds = spec.get("signerName") or "", spec.get("maxExpirationSeconds")
    yield from signer_name_errors(signer, "spec.signerName")
    yield from _annotations_errors(spec.get("unverifiedUserAnnotations") or {}, "spec.unverifiedUserAnnotations")
    for who in ("pod", "serviceAccount", "node"):
        yield from _who_errors(spec, who)
    if seconds is None:
        yield required("spec.maxExpirationSeconds", "must be set")
        return
    longest = MAX_KUBERNETES_SECONDS if is_kubernetes_signer(signer) else MAX_SECONDS
    if not MIN_SECONDS <= seconds <= longest:
        yield invalid("spec.maxExpirationSeconds", seconds, f"must be in the range [{MIN_SECONDS}, {longest}]")
    request = decoded(spec.get("stubPKCS10Request"))
    if not request:
        yield invalid_omitted("spec", ONE_REQUEST)
    elif len(request) > MAX_REQUEST:
        yield too_long(REQUEST, MAX_REQUEST)
    elif problem := request_problem(request):
        shown = problem.value
        yield invalid_omitted(REQUEST, problem.detail) if shown is None else invalid(REQUEST, shown, problem.detail)


def _who_errors(spec: Object, who: str) -> Iterator[FieldError]:
    name, uid = spec.get(f"{who}Name") or "", spec.get(f"{who}UID") or ""
    for message in formats.dns1123_subdomain(name):
        yield invalid(f"spec.{who}Name", name, message)
    if not uid:
        yield invalid(f"spec.{who}UID", uid, "must not be empty")
    if formats.byte_length(uid) > MAX_UID:
        yield too_long(f"spec.{who}UID", MAX_UID)


def _annotations_errors(annotations: Object, path: str) -> Iterator[FieldError]:
    for key in sorted(annotations):
        yield from _annotation_key_errors(key.lower(), path)
    size = sum(formats.byte_length(key) + formats.byte_length(value) for key, value in annotations.items())
    if size > MAX_ANNOTATIONS:
        yield too_long(path, MAX_ANNOTATIONS)


def _annotation_key_errors(key: str, path: str) -> Iterator[FieldError]:
    """Upstream IsDomainPrefixedKey."""
    if not key:
        yield required(path)
        return
    messages = formats.qualified_name(key)
    for message in messages:
        yield invalid(path, key, message)
    if not messages and "/" not in key:
        yield invalid(path, key, 'must be a domain-prefixed key (such as "acme.io/foo")')


def conditions_of(request: Object) -> Sequence[Object]:
    return get(request, "status", "conditions", default=())  # type: ignore[no-any-return]


def answer_of(request: Object) -> str:
    """Issued, Denied or Failed; "" as long as nobody answered."""
    given = [c.get("type") or "" for c in conditions_of(request) if c.get("status") == "True"]
    return next((kind for kind in given if kind in ANSWERS), "")


def status_errors(request: Object, old: Object, now: float) -> Iterator[FieldError]:
    """Upstream ValidatePodCertificateRequestStatusUpdate, metadata aside: one answer, once."""
    found = list(_conditions_errors(conditions_of(request)))
    found.extend(conditions_errors(conditions_of(request), "status.conditions"))
    yield from found
    if found:
        return
    status, before = request.get("status") or {}, old.get("status") or {}
    answer = answer_of(request)
    if answer_of(old):
        if status != before:
            yield invalid_omitted("status", FIXED)
    elif answer in (DENIED, FAILED):
        if any(value for field, value in status.items() if field != "conditions"):
            yield invalid_omitted("status", NOTHING_ELSE)
    elif answer == ISSUED:
        yield from _issued_errors(request, old, now)
    elif status != before:
        yield invalid_omitted("status", NO_ANSWER)


def _conditions_errors(conditions: Sequence[Object]) -> Iterator[FieldError]:
    answers = 0
    for i, condition in enumerate(conditions):
        kind, status, path = condition.get("type") or "", condition.get("status") or "", f"status.conditions.[{i}]"
        if kind not in ANSWERS:
            yield not_supported(f"{path}.type", kind, ANSWERS)
            continue
        answers += 1
        if answers > 1:
            yield invalid(f"{path}.type", kind, ONE_ANSWER)
        if status != "True":
            yield not_supported(f"{path}.status", status, ("True",))


def _issued_errors(request: Object, old: Object, now: float) -> Iterator[FieldError]:
    from apiserver.auth.certificate_pem import decoded
    from apiserver.auth.pod_certificates import leaf_of, rest_problem

    status, spec = request["status"], old.get("spec") or {}
    chain = status.get("certificateChain") or ""
    if formats.byte_length(chain) > MAX_CHAIN:
        yield too_long(CHAIN, MAX_CHAIN)
        return
    leaf, problems = leaf_of(chain, decoded(spec.get("stubPKCS10Request")))
    for problem in problems:
        yield invalid(CHAIN, problem.value, problem.detail)
    if leaf is None:
        return
    wrong = list(_times_missing(status))
    if not wrong and not problems:
        wrong = list(_times_errors(status, leaf.not_before, leaf.not_after, spec, now))[:1]
    yield from wrong
    if not wrong and not problems and (problem_of_rest := rest_problem(chain)):
        yield invalid(CHAIN, problem_of_rest.value, problem_of_rest.detail)


def _times_missing(status: Object) -> Iterator[FieldError]:
    for field in ("notBefore", "notAfter"):
        if not status.get(field):
            yield required(f"status.{field}", "must be present and consistent with the issued certificate")
    if not status.get("beginRefreshAt"):
        yield required("status.beginRefreshAt", "must be present and in the range [notbefore+10min, notafter-10min]")


def _times_errors(status: Object, start: datetime, end: datetime, spec: Object, now: float) -> Iterator[FieldError]:
    """In upstream's order; only the first is told."""
    from apiserver.auth.pod_certificates import time_of

    not_before, not_after, refresh = (time_of(status[f]) for f in ("notBefore", "notAfter", "beginRefreshAt"))
    if not_before != start:
        yield _time_error("notBefore", status, "must be set to the NotBefore time encoded in the leaf certificate")
    if abs(not_before.timestamp() - now) >= CLOCK_SKEW.total_seconds():
        yield _time_error("notBefore", status, "must be set to within 5 minutes of kube-apiserver's current time")
    if not_after != end:
        yield _time_error("notAfter", status, "must be set to the NotAfter time encoded in the leaf certificate")
    life, longest = end - start, spec.get("maxExpirationSeconds") or 0
    if life < MIN_LIFE:
        yield invalid(CHAIN, _nanoseconds(life), "leaf certificate lifetime must be >= 1 hour")
    if life > timedelta(seconds=longest):
        detail = f"leaf certificate lifetime must be <= spec.maxExpirationSeconds ({longest})"
        yield invalid(CHAIN, _nanoseconds(life), detail)
    if refresh < not_before + REFRESH_MARGIN:
        yield _time_error("beginRefreshAt", status, "must be at least 10 minutes after status.notBefore")
    if refresh > not_after - REFRESH_MARGIN:
        yield _time_error("beginRefreshAt", status, "must be at least 10 minutes before status.notAfter")


def _nanoseconds(span: timedelta) -> int:
    """A Go duration as errors show it."""
    return int(span.total_seconds()) * 10**9


def _time_error(field: str, status: Object, detail: str) -> FieldError:
    return invalid(f"status.{field}", status[field], detail)
