"""For which certificates a node may ask: those of its own pods, for the signers they mount or that it is allowed.

Mirrors upstream plugin/pkg/admission/noderestriction admitPodCertificateRequest. What memory may only lag behind of is no 403:
trying again may succeed.
"""

from __future__ import annotations

from typing import Any

from apiserver.admission import lookups
from apiserver.admission.interface import CREATE, AdmissionDependencies, Attributes
from apiserver.admission.pods import is_mirror, projections, spec_of
from apiserver.admission.refusals import forbidden, unexpected
from apiserver.apimachinery.errors import go_quote as q
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object
from apiserver.auth.interface import ALLOW, AuthorizerAttributes

NODES, PODS = GroupResource("", "nodes"), GroupResource("", "pods")
SERVICE_ACCOUNTS = GroupResource("", "serviceaccounts")
VERB = "request-serviceaccounts-podcertificate-signer"


async def check_request(dependencies: AdmissionDependencies, node: str, attributes: Attributes) -> None:
    """Raise a StatusError unless the node may ask for what the request asks."""
    if attributes.operation != CREATE:
        raise forbidden(attributes, f"unexpected operation {attributes.operation}")
    if attributes.subresource:
        raise forbidden(attributes, f"unexpected subresource {attributes.subresource}")
    spec = spec_of(attributes.obj or {})
    _check_node(dependencies, node, attributes, spec)
    pod = _pod_of(dependencies, attributes, spec)
    _check_account(dependencies, attributes, spec, pod)
    signer = spec.get("signerName") or ""
    mounted = ((source.get("podCertificate") or {}).get("signerName") for source in projections(pod))
    if signer not in mounted and not await _may_ask(dependencies, attributes, signer, spec):
        what = f"does not mount a podCertificate projected volume for signer {q(signer)}"
        raise forbidden(attributes, f"pod {_pod_name(attributes, spec)} {what}")


def _pod_name(attributes: Attributes, spec: dict[str, Any]) -> str:
    return q(f"{attributes.namespace}/{spec.get('podName') or ''}")


def _named(
    dependencies: AdmissionDependencies, resource: GroupResource, namespace: str, name: str, what: str
) -> Object:
    found = lookups.cached(dependencies, resource, namespace, name)
    if found is None:
        shown = q(f"{namespace}/{name}" if namespace else name)
        why = lookups.unknown(resource, name).message
        raise unexpected(f"while retrieving {what} {shown} named in the PodCertificateRequest: {why}")
    return found


def _uid(obj: Object) -> str:
    return obj["metadata"].get("uid") or ""


def _check_node(dependencies: AdmissionDependencies, node: str, attributes: Attributes, spec: dict[str, Any]) -> None:
    name, uid = spec.get("nodeName") or "", spec.get("nodeUID") or ""
    if name != node:
        why = f"PodCertificateRequest.Spec.NodeName={q(name)}, which is not the requesting node {q(node)}"
        raise forbidden(attributes, why)
    found = _named(dependencies, NODES, "", name, "node")
    if _uid(found) != uid:
        pod = _pod_name(attributes, spec)
        what = f"names node UID {q(uid)}, inconsistent with the running node ({q(_uid(found))})"
        raise unexpected(f"PodCertificateRequest for pod {pod} {what}")


def _pod_of(dependencies: AdmissionDependencies, attributes: Attributes, spec: dict[str, Any]) -> Object:
    name, uid, shown = spec.get("podName") or "", spec.get("podUID") or "", _pod_name(attributes, spec)
    pod = _named(dependencies, PODS, attributes.namespace, name, "pod")
    if _uid(pod) != uid:
        what = f"contains pod UID ({q(uid)}) which differs from running pod {q(_uid(pod))}"
        raise unexpected(f"PodCertificateRequest for pod {shown} {what}")
    node = spec.get("nodeName") or ""
    if spec_of(pod).get("nodeName") != node:
        why = f"pod {shown} is not running on node {q(node)} named in the PodCertificateRequest"
        raise forbidden(attributes, why)
    if is_mirror(pod):
        raise forbidden(attributes, f"pod {shown} is a mirror pod")
    return pod


def _check_account(
    dependencies: AdmissionDependencies, attributes: Attributes, spec: dict[str, Any], pod: Object
) -> None:
    name, uid, shown = (
        spec.get("serviceAccountName") or "",
        spec.get("serviceAccountUID") or "",
        _pod_name(attributes, spec),
    )
    running = spec_of(pod).get("serviceAccountName") or ""
    if name != running:
        what = f"contains serviceAccountName ({q(name)}) that differs from running pod ({q(running)})"
        raise forbidden(attributes, f"PodCertificateRequest for pod {shown} {what}")
    account = _named(dependencies, SERVICE_ACCOUNTS, attributes.namespace, name, "service account")
    if _uid(account) != uid:
        what = (
            f"names service account UID {q(uid)}, which differs from the running service account ({q(_uid(account))})"
        )
        raise unexpected(f"PodCertificateRequest for pod {shown} {what}")


async def _may_ask(
    dependencies: AdmissionDependencies, attributes: Attributes, signer: str, spec: dict[str, Any]
) -> bool:
    if dependencies.authorizer is None:
        return False
    asked = AuthorizerAttributes(
        user=attributes.user,
        verb=VERB,
        is_resource=True,
        group=attributes.resource.group,
        version=attributes.resource.version,
        resource=signer.replace("/", ":"),  # RBAC knows no resources with slashes
        namespace=attributes.namespace,
        name=spec.get("serviceAccountName") or "",
    )
    return bool((await dependencies.authorizer.authorize(asked)).verdict == ALLOW)
