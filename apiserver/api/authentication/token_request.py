"""serviceaccounts/token: a token for a service account, bound to a pod, a node or a secret, or to nothing.

Mirrors upstream pkg/registry/core/serviceaccount/storage/token.go.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from apiserver.apimachinery.clock import rfc3339
from apiserver.apimachinery.errors import (
    FieldError,
    StatusError,
    bad_request,
    conflict,
    invalid,
    invalid_object,
)
from apiserver.apimachinery.gvk import GroupKind, GroupResource, GroupVersion
from apiserver.apimachinery.objects import Object, copy, get
from apiserver.auth.serviceaccount import BoundTo, TokenIssuer
from apiserver.registry.context import Context

if TYPE_CHECKING:
    from apiserver.registry.dependencies import Dependencies
    from apiserver.registry.store import Store

KIND = GroupKind("authentication.k8s.io", "TokenRequest")
AS_RESOURCE = GroupResource(KIND.group, KIND.kind)  # what upstream's conflicts call it
PODS, NODES, SECRETS = GroupResource("", "pods"), GroupResource("", "nodes"), GroupResource("", "secrets")
WEBHOOK_KINDS = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
WEBHOOK_GATE = "APIServerWebhookAuthenticationToken"

DEFAULT_SECONDS, MIN_SECONDS, MAX_SECONDS = 3600, 600, 1 << 32


class BoundKind(NamedTuple):
    """The kind a boundObjectRef names."""

    group: str
    version: str
    kind: str

    @classmethod
    def of(cls, ref: Object) -> BoundKind:
        api_version, kind = ref.get("apiVersion") or "", ref.get("kind") or ""
        try:
            return cls(*GroupVersion.parse(api_version), kind)
        except ValueError:
            return cls("", "", kind)

    def __str__(self) -> str:
        return f"{self.group}/{self.version}, Kind={self.kind}"


def token_rest(dependencies: Dependencies, store: Store) -> TokenREST:
    """For the Subresource of ServiceAccount; `store` is that of service accounts."""
    return TokenREST(dependencies.tokens, store, dependencies.store)


@dataclass(frozen=True)
class TokenREST:
    """Issues tokens."""

    keeps_system_fields: ClassVar[bool] = True  # metadata.uid says which account is meant

    tokens: TokenIssuer
    accounts: Store
    store: Callable[[GroupResource], Store]

    def default(self, obj: Object) -> None:
        """What is defaulted belongs to the writer, as upstream has it; hence before ownership is noted."""
        spec = obj["spec"] = obj.get("spec") or {}
        if spec.get("expirationSeconds") is None:
            spec["expirationSeconds"] = DEFAULT_SECONDS

    async def create(
        self,
        ctx: Context,
        name: str,
        obj: Object,
        options: Mapping[str, Any],
        admit: Callable[[Object], Awaitable[None]],
    ) -> Object:
        _check_names(obj.setdefault("metadata", {}), name, ctx.namespace)
        account = self.accounts.object(await self.accounts.get(ctx, name))
        self._complete(ctx, obj, account)
        if errors := list(token_request_errors(obj)):
            raise invalid_object(KIND, "", errors)
        await admit(copy(obj))
        now = self.tokens.clock.now()
        bound = await self._bound(ctx, name, obj["spec"])
        self._shorten(ctx, obj["spec"])
        spec = obj["spec"]
        seconds, warn_after = self.tokens.lifetimes(
            spec["expirationSeconds"], spec["audiences"], to_pod=bound.pod is not None
        )
        token = self.tokens.issue(account, spec["audiences"], seconds, bound, warn_after=warn_after)
        obj["status"] = {"token": token, "expirationTimestamp": rfc3339(now + spec["expirationSeconds"])}
        return obj

    def _complete(self, ctx: Context, obj: Object, account: Object) -> None:
        """What the request leaves open, in place: audiences, metadata; refuses another account's uid."""
        meta, own = obj["metadata"], account["metadata"]
        if meta.get("uid") and meta["uid"] != own["uid"]:
            raise conflict(
                AS_RESOURCE,
                own["name"],
                f"the UID in the token request ({meta['uid']}) does not match the UID of the service account "
                f"({own['uid']})",
            )
        meta.update(name=own["name"], namespace=own["namespace"], uid=own["uid"], creationTimestamp=ctx.timestamp())
        self.default(obj)
        spec = obj["spec"]
        obj["spec"] = {
            **spec,
            "audiences": spec.get("audiences") or list(self.tokens.audiences),
            "boundObjectRef": spec.get("boundObjectRef"),
        }
        obj.pop("status", None)

    async def _bound(self, ctx: Context, account: str, spec: Object) -> BoundTo:
        """The objects the token is bound to; they have to be there, and the same ones the request means."""
        ref = spec.get("boundObjectRef")
        if ref is None:
            return BoundTo()
        kind, name = BoundKind.of(ref), ref.get("name") or ""
        match kind.group, kind.kind:
            case "", "Pod":
                bound = await self._pod(ctx, account, name)
                target = bound.pod
            case "", "Node":
                target = await self._read(replace(ctx, namespace=""), NODES, name)
                bound = BoundTo(node=target)
            case "", "Secret":
                target = await self._read(ctx, SECRETS, name)
                bound = BoundTo(secret=target)
            case _:
                off = f" (feature gate {WEBHOOK_GATE} is disabled)" if _is_webhook(kind) else ""
                raise bad_request(f"cannot bind token to object of type {kind}{off}")
        uid = get(target, "metadata", "uid", default="")
        if ref.get("uid") and ref["uid"] != uid:
            raise conflict(
                GroupResource(kind.group, kind.kind),
                name,
                f"the UID in the bound object reference ({ref['uid']}) does not match the UID in record. "
                "The object might have been deleted and then recreated",
            )
        return bound

    async def _pod(self, ctx: Context, account: str, name: str) -> BoundTo:
        pod = await self._read(ctx, PODS, name)
        if get(pod, "spec", "serviceAccountName") != account:
            raise bad_request(
                f'cannot bind token for serviceaccount "{account}" to pod running with different serviceaccount name.'
            )
        node_name = get(pod, "spec", "nodeName", default="")
        return BoundTo(pod=pod, node=await self._node_of(ctx, node_name) if node_name else None)

    async def _node_of(self, ctx: Context, name: str) -> Object:
        """The pod's node; where it is not there (yet), its name is all the token says."""
        try:
            return await self._read(replace(ctx, namespace=""), NODES, name)
        except StatusError as e:
            if e.reason != "NotFound":
                raise
            return {"metadata": {"name": name}}

    async def _read(self, ctx: Context, resource: GroupResource, name: str) -> Object:
        store = self.store(resource)
        return store.object(await store.get(ctx, name))

    def _shorten(self, ctx: Context, spec: Object) -> None:
        longest = self.tokens.max_expiration
        if longest and spec["expirationSeconds"] > longest:
            ctx.warnings.append(
                f"requested expiration of {spec['expirationSeconds']} seconds shortened to {longest} seconds"
            )
            spec["expirationSeconds"] = longest


def _check_names(meta: Object, name: str, namespace: str) -> None:
    """What the body says about itself has to be what the path says."""
    for field, wanted in (("name", name), ("namespace", namespace)):
        if meta.get(field) and meta[field] != wanted:
            detail = f"must match the service account {field} if specified"
            raise invalid_object(KIND, name, [invalid(f"metadata.{field}", meta[field], detail)])


def _is_webhook(kind: BoundKind) -> bool:
    return (kind.group, kind.version) == ("admissionregistration.k8s.io", "v1") and kind.kind in WEBHOOK_KINDS


def token_request_errors(obj: Object) -> Iterator[FieldError]:
    """Upstream pkg/apis/authentication/validation."""
    spec = obj["spec"]
    seconds, attestations = spec["expirationSeconds"], spec.get("attestations")
    webhook = get(spec, "boundObjectRef", "kind") in WEBHOOK_KINDS
    if not webhook and attestations:
        yield invalid(
            "spec.attestations",
            attestations,
            "attestations may only be specified with a webhook bound object reference",
        )
        return
    if seconds < MIN_SECONDS:
        yield invalid("spec.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")
    if seconds > MAX_SECONDS:
        yield invalid("spec.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds")
    if webhook and len(spec["audiences"]) != 1:
        yield invalid("spec.audiences", spec["audiences"], "must be length 1 when bound to a webhook config")
    if webhook and len(attestations or ()) != 1:
        yield invalid(
            "spec.attestations",
            attestations,
            "webhook bound requests require exactly one admissionReviewAPIGroups attestation",
        )
