"""ServiceAccount: every pod runs as one, with its token mounted and its pull secrets.

Mirrors upstream plugin/pkg/admission/serviceaccount.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from apiserver.admission import lookups
from apiserver.admission.interface import CREATE, UPDATE, AdmissionPlugin, Attributes
from apiserver.admission.pods import PODS, is_mirror, projections, secret_names, spec_of, volumes
from apiserver.admission.refusals import forbidden, unexpected
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object, annotations_of, name_of

SERVICE_ACCOUNTS = GroupResource("", "serviceaccounts")
DEFAULT = "default"
ENFORCE_ANNOTATION = "kubernetes.io/enforce-mountable-secrets"
VOLUME_PREFIX = "kube-api-access-"
MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
TOKEN_SECONDS = 3607  # upstream serviceaccount.WarnOnlyBoundTokenExpirationSeconds
DEFAULT_TRIES = 10  # for the account that a controller makes in every namespace
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})


class ServiceAccount(AdmissionPlugin):
    name = "ServiceAccount"
    operations = frozenset({CREATE, UPDATE})
    resources = frozenset({PODS})

    async def admit(self, attributes: Attributes) -> None:
        pod = attributes.obj
        if attributes.operation != CREATE or attributes.subresource or pod is None:
            return None
        if is_mirror(pod):
            return _check_mirror(attributes, pod)
        spec = spec_of(pod)
        if not spec.get("serviceAccountName"):
            spec["serviceAccountName"] = spec["serviceAccount"] = DEFAULT
        account = await self._account(attributes, spec["serviceAccountName"])
        if _automounts(account, spec):
            self._mount_token(spec)
        if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
            spec["imagePullSecrets"] = [{"name": secret.get("name") or ""} for secret in account["imagePullSecrets"]]
        return _check_references(attributes, account, pod)

    async def validate(self, attributes: Attributes) -> None:
        pod = attributes.obj
        if pod is None or attributes.subresource not in ("", "ephemeralcontainers"):
            return None
        ephemeral = attributes.operation == UPDATE and attributes.subresource == "ephemeralcontainers"
        if not ephemeral and attributes.operation != CREATE:
            return None
        if not ephemeral and is_mirror(pod):
            return _check_mirror(attributes, pod)
        name = spec_of(pod).get("serviceAccountName")
        if not name:
            raise forbidden(attributes, f"no service account specified for pod {attributes.namespace}/{name_of(pod)}")
        account = await self._account(attributes, name)
        if ephemeral:
            return _check_ephemeral(account, pod)
        return _check_references(attributes, account, pod)

    async def _account(self, attributes: Attributes, name: str) -> Object:
        namespace = attributes.namespace
        found = lookups.cached(self.dependencies, SERVICE_ACCOUNTS, namespace, name)
        if found is not None:
            return found
        where = f"error looking up service account {namespace}/{name}"
        if why := lookups.unaskable(name):
            raise forbidden(attributes, f"{where}: {why}")
        pause = self.dependencies.rand.uniform(0.1, 0.2)
        for i in range(DEFAULT_TRIES if name == DEFAULT else 1):
            if i:
                await asyncio.sleep(pause)
            stored: Object | None = await self.dependencies.read(SERVICE_ACCOUNTS, namespace, name)
            if stored is not None:
                return stored
        raise forbidden(attributes, f"{where}: {lookups.unknown(SERVICE_ACCOUNTS, name).message}")

    def _mount_token(self, spec: dict[str, Any]) -> None:
        """Mount the token where a container has nothing at its path; one volume serves all."""
        existing = next((v["name"] for v in spec.get("volumes") or () if v["name"].startswith(VOLUME_PREFIX)), None)
        name = existing or VOLUME_PREFIX + self.dependencies.rand.suffix()
        needed = False
        for field in ("initContainers", "containers"):
            for container in spec.get(field) or ():
                mounts = container.get("volumeMounts") or []
                if any(mount.get("mountPath") == MOUNT_PATH for mount in mounts):
                    continue
                mount = {"name": name, "readOnly": True, "mountPath": MOUNT_PATH}
                container["volumeMounts"] = [*mounts, mount]
                needed = True
        if needed and existing is None:
            spec["volumes"] = [*(spec.get("volumes") or ()), token_volume(name)]


def token_volume(name: str) -> dict[str, Any]:
    """Token, CA and namespace in one place."""
    token = {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}}
    ca = {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}
    field = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    namespace = {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": field}]}}
    return {"name": name, "projected": {"sources": [token, ca, namespace], "defaultMode": 420}}


def _automounts(account: Object, spec: dict[str, Any]) -> bool:
    """The pod's word counts before the account's."""
    for source in (spec, account):
        if source.get("automountServiceAccountToken") is not None:
            return bool(source["automountServiceAccountToken"])
    return True


def _check_mirror(attributes: Attributes, pod: Object) -> None:
    if spec_of(pod).get("serviceAccountName"):
        raise forbidden(attributes, "a mirror pod may not reference service accounts")
    if next(secret_names(pod), None) is not None:
        raise forbidden(attributes, "a mirror pod may not reference secrets")
    if any(source.get("serviceAccountToken") is not None for source in projections(pod)):
        raise forbidden(attributes, "a mirror pod may not use ServiceAccountToken volume projections")


def _enforces(account: Object) -> bool:
    return annotations_of(account).get(ENFORCE_ANNOTATION) in _TRUE


def _check_references(attributes: Attributes, account: Object, pod: Object) -> None:
    """Where the account asks for it: a pod may only use secrets that the account names."""
    if _enforces(account) and (why := next(_bad_references(account, pod), None)):
        raise forbidden(attributes, why)


def _check_ephemeral(account: Object, pod: Object) -> None:
    if not _enforces(account):
        return
    why = next(_bad_env(account, spec_of(pod).get("ephemeralContainers") or (), "ephemeral container"), None)
    if why:
        raise unexpected(why)


def _bad_references(account: Object, pod: Object) -> Iterator[str]:
    spec = spec_of(pod)
    allowed, suffix = _allowed(account, "secrets"), _reason(account, "secret")
    for volume in volumes(pod):
        if volume.get("secret") is not None:
            secret = volume["secret"].get("secretName") or ""
            if secret not in allowed:
                yield f'volume with secret.secretName="{secret}" {suffix}'
    yield from _bad_env(account, spec.get("initContainers") or (), "init container")
    yield from _bad_env(account, spec.get("containers") or (), "container")
    allowed, suffix = _allowed(account, "imagePullSecrets"), _reason(account, "imagePullSecret")
    for i, reference in enumerate(spec.get("imagePullSecrets") or ()):
        if (name := reference.get("name") or "") not in allowed:
            yield f'imagePullSecrets[{i}].name="{name}" {suffix}'


def _bad_env(account: Object, containers: Any, what: str) -> Iterator[str]:
    allowed, suffix = _allowed(account, "secrets"), _reason(account, "secret")
    for container in containers:
        who = f"{what} {container.get('name') or ''}"
        for variable in container.get("env") or ():
            reference = (variable.get("valueFrom") or {}).get("secretKeyRef")
            if reference is not None and (name := reference.get("name") or "") not in allowed:
                yield f'{who} with envVar {variable.get("name") or ""} referencing secret.secretName="{name}" {suffix}'
        for source in container.get("envFrom") or ():
            reference = source.get("secretRef")
            if reference is not None and (name := reference.get("name") or "") not in allowed:
                yield f'{who} with envFrom referencing secret.secretName="{name}" {suffix}'


def _allowed(account: Object, field: str) -> set[str]:
    return {reference.get("name") or "" for reference in account.get(field) or ()}


def _reason(account: Object, what: str) -> str:
    return f"is not allowed because service account {name_of(account)} does not reference that {what}"
