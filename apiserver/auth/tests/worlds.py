"""Small worlds for tests of auth: listers over plain objects, keys, certificates."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID, ObjectIdentifier

from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object, name_of, namespace_of

RBAC = "rbac.authorization.k8s.io"


class FixedClock:
    """Time stands still until it is moved."""

    def __init__(self, now: float = 1_767_225_600.0) -> None:
        self.time = now

    def now(self) -> float:
        return self.time


class TableLister:
    """A Lister over a dict."""

    def __init__(self) -> None:
        self._objects: dict[tuple[str, str], Object] = {}
        self._callbacks: list[Callable[[Object | None, Object | None], None]] = []

    def get(self, namespace: str, name: str) -> Object | None:
        return self._objects.get((namespace, name))

    def list(self, namespace: str = "") -> Sequence[Object]:
        return [obj for (ns, _), obj in self._objects.items() if not namespace or ns == namespace]

    def on_change(self, callback: Callable[[Object | None, Object | None], None]) -> None:
        self._callbacks.append(callback)

    def put(self, obj: Object) -> None:
        key = (namespace_of(obj), name_of(obj))
        old = self._objects.get(key)
        self._objects[key] = obj
        for callback in self._callbacks:
            callback(old, obj)

    def remove(self, namespace: str, name: str) -> None:
        old = self._objects.pop((namespace, name))
        for callback in self._callbacks:
            callback(old, None)


class World:
    """Listers by resource, and short ways to fill them. A resource of `absent` is not served."""

    def __init__(self, absent: tuple[GroupResource, ...] = ()) -> None:
        self._tables: dict[GroupResource, TableLister] = {}
        self._absent = absent

    def __call__(self, group_resource: GroupResource) -> TableLister:
        if group_resource in self._absent:
            raise KeyError(group_resource)
        return self._tables.setdefault(group_resource, TableLister())

    def add(self, resource: str, obj: Object, group: str = "") -> None:
        self(GroupResource(group, resource)).put(obj)

    def remove(self, resource: str, namespace: str, name: str, group: str = "") -> None:
        self(GroupResource(group, resource)).remove(namespace, name)

    def role(self, name: str, *rules: Object, namespace: str = "") -> None:
        resource = "roles" if namespace else "clusterroles"
        self.add(resource, {"metadata": meta(name, namespace), "rules": list(rules)}, RBAC)

    def bind(self, name: str, role: str, *subjects: Object, namespace: str = "", kind: str = "ClusterRole") -> None:
        resource = "rolebindings" if namespace else "clusterrolebindings"
        ref = {"apiGroup": RBAC, "kind": kind, "name": role}
        self.add(resource, {"metadata": meta(name, namespace), "roleRef": ref, "subjects": list(subjects)}, RBAC)

    async def read(self, resource: GroupResource, namespace: str, name: str) -> Object | None:
        return self(resource).get(namespace, name)


def meta(name: str, namespace: str = "", **more: Any) -> Object:
    return {"name": name, **({"namespace": namespace} if namespace else {}), **more}


def rule(verbs: str, resources: str, groups: str = "", names: str = "") -> Object:
    """`rule("get,list", "pods")`: comma-separated lists; the empty group is the core."""
    found: Object = {"verbs": verbs.split(","), "apiGroups": groups.split(","), "resources": resources.split(",")}
    if names:
        found["resourceNames"] = names.split(",")
    return found


def user(name: str) -> Object:
    return {"kind": "User", "apiGroup": RBAC, "name": name}


def group(name: str) -> Object:
    return {"kind": "Group", "apiGroup": RBAC, "name": name}


def account(name: str, namespace: str = "") -> Object:
    found = {"kind": "ServiceAccount", "name": name}
    return {**found, "namespace": namespace} if namespace else found


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def ec_pem() -> bytes:
    return pem(ec.generate_private_key(ec.SECP256R1()))


class Authority:
    """A certificate authority."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._certificate = _builder(self._name, self._name, self._key).sign(self._key, hashes.SHA256())
        self.pem = self._certificate.public_bytes(Encoding.PEM)

    def issue(
        self,
        name: str,
        *organizations: str,
        uids: tuple[str, ...] = (),
        until: datetime.datetime = datetime.datetime(2100, 1, 1),  # a constant
    ) -> bytes:
        """A client certificate, DER."""
        attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, o) for o in organizations]
        if name:
            attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, name))
        attributes += [x509.NameAttribute(ObjectIdentifier("1.3.6.1.4.1.57683.2"), uid) for uid in uids]
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(x509.Name(attributes), self._name, key, until)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.DER)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    until: datetime.datetime = datetime.datetime(2100, 1, 1),  # a constant
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime(2020, 1, 1))
        .not_valid_after(until)
    )
