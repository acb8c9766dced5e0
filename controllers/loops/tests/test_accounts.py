"""Aggregated roles, tokens in Secrets and their end, bootstrap tokens, ranges of service addresses."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from apiserver.apimachinery.clock import rfc3339, run_virtual
from apiserver.apimachinery.objects import Object
from controllers.framework import pods as pod_facts
from controllers.framework.kinds import (
    CLUSTER_ROLES,
    CONFIG_MAPS,
    IP_ADDRESSES,
    NAMESPACES,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICE_CIDRS,
)
from controllers.loops.bootstrap_tokens import signature
from controllers.loops.clusterrole_aggregation import aggregated
from controllers.loops.serviceaccount_token.cleaner import (
    INVALID_SINCE,
    LAST_USED,
    is_stale,
    may_go,
    needs_mark,
    secrets_of,
)
from controllers.loops.tests.builders import pod
from controllers.loops.tests.certificates import key
from controllers.process import selected
from controllers.tests.worlds import SETTINGS, LoopWorld, loop_world

TOKENS = "serviceaccount-token-controller"


def _role(name: str, *resources: str, **labels: str) -> Object:
    rules = [{"apiGroups": [""], "resources": [r], "verbs": ["get"]} for r in resources]
    return {"metadata": {"name": name, "labels": labels}, "rules": rules}


def _settings(directory: Path) -> dict[str, Any]:
    file = directory / "sa.key"
    file.write_bytes(key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return {"service_account_private_key_file": str(file)}


async def _make_token(w: LoopWorld, name: str, account: str = "builder", **labels: str) -> Object:
    annotations = {"kubernetes.io/service-account.name": account}
    metadata = {"name": name, "annotations": annotations, "labels": labels}
    body = {"metadata": metadata, "type": "kubernetes.io/service-account-token"}
    return await w.resource(SECRETS).create(body, "default")


def test_rules_are_gathered_by_selector_and_name_each_once() -> None:
    a, b = _role("a", "pods", to="edit"), _role("b", "pods", "nodes", to="edit")
    other = _role("c", "secrets", to="view")
    whole = {**_role("whole"), "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"to": "edit"}}]}}
    rules = aggregated(whole, [b, other, a, whole])
    assert [rule["resources"] for rule in rules] == [["pods"], ["nodes"]]


def test_an_aggregated_role_follows_what_it_is_made_of() -> None:
    async def main() -> None:
        async with loop_world("clusterrole-aggregation-controller") as w:
            roles = w.resource(CLUSTER_ROLES)
            whole = {**_role("whole"), "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"to": "whole"}}]}}
            await roles.create(whole)
            await roles.create(_role("part", "pods", to="whole"))
            await w.settle(1)
            assert [r["resources"] for r in (await roles.get("whole"))["rules"]] == [["pods"]]
            await roles.delete("part")
            await w.settle(1)
            assert not (await roles.get("whole")).get("rules")

    run_virtual(main())


def test_a_token_secret_is_filled_and_goes_with_its_account(tmp_path: Path) -> None:
    async def main() -> None:
        async with loop_world(TOKENS, settings=_settings(tmp_path)) as w:
            account = await w.resource(SERVICE_ACCOUNTS).create({"metadata": {"name": "builder"}}, "default")
            await _make_token(w, "token")
            await w.settle(1)
            secret = await w.resource(SECRETS).get("token", "default")
            data = {name: base64.b64decode(value).decode() for name, value in secret["data"].items()}
            assert data["namespace"] == "default" and data["ca.crt"] == SETTINGS["root_ca"]
            uid = account["metadata"]["uid"]
            assert secret["metadata"]["annotations"]["kubernetes.io/service-account.uid"] == uid
            claims = _verified(data["token"])
            assert claims["sub"] == "system:serviceaccount:default:builder"
            assert claims["kubernetes.io/serviceaccount/secret.name"] == "token"
            await w.resource(SERVICE_ACCOUNTS).delete("builder", "default")
            await w.settle(1)
            assert await w.find(SECRETS, "token") is None

    run_virtual(main())


def _verified(token: str) -> dict[str, Any]:
    """The claims of a token that our key signed."""
    signed, _, text = token.rpartition(".")
    raw = base64.urlsafe_b64decode(text + "==")
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    key().public_key().verify(encode_dss_signature(r, s), signed.encode(), ec.ECDSA(hashes.SHA256()))
    body: dict[str, Any] = json.loads(base64.urlsafe_b64decode(signed.partition(".")[2] + "=="))
    return body


def test_an_account_forgets_a_token_secret_that_was_deleted(tmp_path: Path) -> None:
    async def main() -> None:
        async with loop_world(TOKENS, settings=_settings(tmp_path)) as w:
            accounts = w.resource(SERVICE_ACCOUNTS)
            references = [{"name": "token"}, {"name": "other"}]
            await accounts.create({"metadata": {"name": "builder"}, "secrets": references}, "default")
            await _make_token(w, "token")
            await w.settle(1)
            await w.resource(SECRETS).delete("token", "default")
            await w.settle(1)
            assert (await accounts.get("builder", "default"))["secrets"] == [{"name": "other"}]

    run_virtual(main())


def _token(created: str, **labels: str) -> Object:
    return {"metadata": {"name": "t", "creationTimestamp": created, "labels": labels}}


def test_a_token_is_stale_when_it_is_old_and_was_not_used_since() -> None:
    limit = datetime(2026, 6, 1, 12, tzinfo=UTC)
    old, new = "2026-01-01T00:00:00Z", "2026-06-02T00:00:00Z"
    assert is_stale(_token(old), limit) and not is_stale(_token(new), limit)
    assert is_stale(_token(old, **{LAST_USED: "2026-05-31"}), limit)
    assert not is_stale(_token(old, **{LAST_USED: "2026-06-01"}), limit)
    assert not is_stale(_token(old, **{LAST_USED: "yesterday"}), limit)


def test_a_stale_token_is_declared_invalid_first_and_goes_a_period_later() -> None:
    limit = datetime(2026, 6, 1, 12, tzinfo=UTC)
    fresh, marked = _token("2026-01-01T00:00:00Z"), _token("2026-01-01T00:00:00Z", **{INVALID_SINCE: "2026-05-31"})
    assert needs_mark(fresh) and not may_go(fresh, limit)
    assert not needs_mark(marked) and may_go(marked, limit)
    assert not may_go(_token("2026-01-01T00:00:00Z", **{INVALID_SINCE: "2026-06-01"}), limit)


def test_the_secrets_a_pod_names_are_in_use() -> None:
    made = pod(
        "a",
        imagePullSecrets=[{"name": "pull"}],
        volumes=[{"name": "v", "secret": {"secretName": "mounted"}}],
    )
    made["spec"]["containers"][0]["env"] = [{"name": "E", "valueFrom": {"secretKeyRef": {"name": "env", "key": "k"}}}]
    assert {"pull", "mounted", "env"} <= set(secrets_of(made))


def test_bootstrap_loops_run_only_where_they_are_named() -> None:
    assert "token-cleaner-controller" not in selected(("*",))
    assert "token-cleaner-controller" in selected(("*", "token-cleaner-controller"))


def test_a_signature_leaves_its_content_out() -> None:
    header, content, mac = signature("kubeconfig", "abcdef", "0123456789abcdef").split(".")
    assert json.loads(base64.urlsafe_b64decode(header + "==")) == {"alg": "HS256", "kid": "abcdef"}
    assert content == "" and len(base64.urlsafe_b64decode(mac + "==")) == 32


def test_bootstrap_tokens_sign_the_cluster_info_until_they_expire() -> None:
    async def main() -> None:
        async with loop_world("bootstrap-signer-controller", "token-cleaner-controller") as w:
            if await w.find(NAMESPACES, "kube-public", "") is None:
                await w.resource(NAMESPACES).create({"metadata": {"name": "kube-public"}})
            info = {"metadata": {"name": "cluster-info"}, "data": {"kubeconfig": "content"}}
            await w.resource(CONFIG_MAPS).create(info, "kube-public")
            data = {
                "token-id": "abcdef",
                "token-secret": "0123456789abcdef",
                "usage-bootstrap-signing": "true",
                "expiration": rfc3339(w.now() + 100),
            }
            secret = {
                "metadata": {"name": "bootstrap-token-abcdef"},
                "type": "bootstrap.kubernetes.io/token",
                "stringData": data,
            }
            await w.resource(SECRETS).create(secret, "kube-system")
            await w.settle(1)
            found = await w.resource(CONFIG_MAPS).get("cluster-info", "kube-public")
            assert found["data"]["jws-kubeconfig-abcdef"] == signature("content", "abcdef", "0123456789abcdef")
            await w.settle(101)
            assert await w.find(SECRETS, "bootstrap-token-abcdef", "kube-system") is None
            found = await w.resource(CONFIG_MAPS).get("cluster-info", "kube-public")
            assert list(found["data"]) == ["kubeconfig"]

    run_virtual(main())


def test_a_range_of_service_addresses_is_ready_and_waits_for_its_addresses() -> None:
    async def main() -> None:
        async with loop_world("service-cidr-controller") as w:
            cidrs = w.resource(SERVICE_CIDRS)
            await cidrs.create({"metadata": {"name": "more"}, "spec": {"cidrs": ["10.77.0.0/24"]}})
            await w.settle(1)
            more = await cidrs.get("more")
            ready = pod_facts.condition(more, "Ready")
            assert ready is not None
            assert (ready["status"], ready["message"]) == ("True", "Kubernetes Service CIDR is ready")
            assert more["metadata"]["finalizers"] == ["networking.k8s.io/service-cidr-finalizer"]
            labels = {
                "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
                "ipaddress.kubernetes.io/ip-family": "IPv4",
            }
            parent = {"group": "", "resource": "services", "namespace": "default", "name": "x"}
            address = {"metadata": {"name": "10.77.0.9", "labels": labels}, "spec": {"parentRef": parent}}
            await w.resource(IP_ADDRESSES).create(address)
            await cidrs.delete("more")
            await w.settle(20)
            ready = pod_facts.condition(await cidrs.get("more"), "Ready")
            assert ready is not None and (ready["status"], ready["reason"]) == ("False", "Terminating")
            await w.resource(IP_ADDRESSES).delete("10.77.0.9")
            await w.settle(12)
            assert await w.find(SERVICE_CIDRS, "more", "") is None

    run_virtual(main())
