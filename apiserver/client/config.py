"""Where the API server is and who we are to it: from a kubeconfig, or from inside a pod."""

from __future__ import annotations

import base64
import os
import ssl
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class ConfigError(Exception):
    """The configuration cannot be used; the message says why."""


@dataclass(frozen=True)
class ClientConfig:
    """PEM material is kept as bytes; `token_file` is read again when it changes (bound tokens rotate)."""

    server: str
    ca: bytes = b""
    certificate: bytes = b""
    key: bytes = b""
    token: str = ""
    token_file: str = ""
    insecure: bool = False
    server_name: str = ""
    namespace: str = "default"

    def anonymous(self) -> ClientConfig:
        """The same server, without anything that says who we are (upstream rest.AnonymousClientConfig)."""
        return replace(self, certificate=b"", key=b"", token="", token_file="")

    def ssl_context(self) -> ssl.SSLContext:
        """The client side of TLS as the config asks for it."""
        context = ssl.create_default_context(cadata=self.ca.decode() if self.ca else None)
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.certificate:
            with tempfile.NamedTemporaryFile() as pair:  # OpenSSL takes the pair only from a file
                pair.write(self.certificate + b"\n" + self.key)
                pair.flush()
                context.load_cert_chain(pair.name)
        return context


def load_kubeconfig(path: str | Path, context: str = "") -> ClientConfig:
    """Read one context (the current one by default). Raises ConfigError."""
    import yaml

    file = Path(path).expanduser()
    try:
        document = yaml.safe_load(file.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"{file}: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{file}: not a kubeconfig")
    name = context or document.get("current-context") or ""
    chosen = _named(document, "contexts", name, file)
    cluster = _named(document, "clusters", chosen.get("cluster", ""), file)
    user = _named(document, "users", chosen.get("user", ""), file)
    return ClientConfig(
        server=cluster["server"].rstrip("/"),
        ca=_material(cluster, "certificate-authority", file),
        certificate=_material(user, "client-certificate", file),
        key=_material(user, "client-key", file),
        token=user.get("token", ""),
        token_file=user.get("tokenFile", ""),
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        server_name=cluster.get("tls-server-name", ""),
        namespace=chosen.get("namespace") or "default",
    )


def _named(document: dict[str, Any], section: str, name: str, file: Path) -> dict[str, Any]:
    for item in document.get(section) or ():
        if item.get("name") == name:
            return item.get(section.removesuffix("s")) or {}
    raise ConfigError(f"{file}: no {section.removesuffix('s')} named {name!r}")


def _material(section: dict[str, Any], key: str, file: Path) -> bytes:
    data: str = section.get(f"{key}-data") or ""
    path: str = section.get(key) or ""
    if data:
        return base64.b64decode(data)
    if not path:
        return b""
    try:
        return (file.parent / path).read_bytes()
    except OSError as error:
        raise ConfigError(f"{key}: {error}") from error


def in_cluster() -> ClientConfig:
    """What a pod is given: the service's address, a projected token, the CA. Raises ConfigError outside of one."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST", ""), os.environ.get("KUBERNETES_SERVICE_PORT", "")
    if not host or not port:
        raise ConfigError("not in a cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set")
    try:
        ca = (SERVICE_ACCOUNT / "ca.crt").read_bytes()
        namespace = (SERVICE_ACCOUNT / "namespace").read_text().strip()
    except OSError as error:
        raise ConfigError(f"not in a cluster: {error}") from error
    host = f"[{host}]" if ":" in host else host
    return ClientConfig(
        server=f"https://{host}:{port}", ca=ca, token_file=str(SERVICE_ACCOUNT / "token"), namespace=namespace
    )
