"""CSIDriver: what a storage driver can do, and what it needs to be told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from apiserver.api.columns import AGE, NAME
from apiserver.api.storage.parameters import GROUP
from apiserver.api.strategy import KindStrategy, metadata_update_errors
from apiserver.apimachinery.errors import FieldError, duplicate, invalid, not_supported
from apiserver.apimachinery.object_meta import immutable
from apiserver.apimachinery.objects import Object, get
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion

GROUP_POLICIES = ("File", "None", "ReadWriteOnceWithFSType")
MODES = ("Persistent", "Ephemeral")
MIN_TOKEN_SECONDS, MAX_TOKEN_SECONDS = 600, 1 << 32
MIN_UPDATE_SECONDS = 10
TOKENS_IN_CONTEXT = (
    "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible logging of "
    "tokens in volume attributes"
)
DEFAULTS: Object = {
    "attachRequired": True,
    "podInfoOnMount": False,
    "storageCapacity": False,
    "fsGroupPolicy": "ReadWriteOnceWithFSType",
    "requiresRepublish": False,
    "seLinuxMount": False,
    "preventPodSchedulingIfMissing": False,
}


class DriverStrategy(KindStrategy):
    """Mirrors upstream registry/storage/csidriver, its defaults and its validation."""

    namespaced = False
    allow_unconditional_update = False
    return_deleted_object = True

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        for field, value in DEFAULTS.items():
            if spec.get(field) is None:
                spec[field] = value
        if not spec.get("volumeLifecycleModes"):
            spec["volumeLifecycleModes"] = [MODES[0]]

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        """The generation follows the spec, though a new driver has none."""
        if obj.get("spec") != old.get("spec"):
            obj["metadata"]["generation"] = (old["metadata"].get("generation") or 0) + 1

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        return _spec_errors(obj.get("spec") or {})

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from metadata_update_errors(obj, old)
        spec, before = obj.get("spec") or {}, old.get("spec") or {}
        yield from _spec_errors(spec)
        yield from immutable(spec.get("attachRequired"), before.get("attachRequired"), "spec.attachedRequired")
        modes = "volumeLifecycleModes"
        yield from immutable(spec.get(modes), before.get(modes), f"spec.{modes}")

    def warnings_on_create(self, ctx: Context, obj: Object) -> Iterable[str]:
        spec = obj.get("spec") or {}
        if spec.get("tokenRequests") and spec.get("serviceAccountTokenInSecrets") is None:
            yield TOKENS_IN_CONTEXT

    def warnings_on_update(self, ctx: Context, obj: Object, old: Object) -> Iterable[str]:
        same = get(obj, "spec", "tokenRequests") == get(old, "spec", "tokenRequests")
        return () if same else self.warnings_on_create(ctx, obj)


def _spec_errors(spec: Object) -> Iterator[FieldError]:
    policy, requests = spec.get("fsGroupPolicy"), spec.get("tokenRequests") or ()
    if policy is not None and policy not in GROUP_POLICIES:
        yield not_supported("spec.fsGroupPolicy", policy, GROUP_POLICIES)
    yield from _token_errors(requests, "spec.tokenRequests")
    for mode in spec.get("volumeLifecycleModes") or ():
        if mode not in MODES:
            yield not_supported("spec.volumeLifecycleModes", mode, MODES)
    seconds = spec.get("nodeAllocatableUpdatePeriodSeconds")
    if seconds is not None and seconds < MIN_UPDATE_SECONDS:
        detail = "must be greater than or equal to 10 seconds"
        yield invalid("spec.nodeAllocatableUpdatePeriodSeconds", seconds, detail)
    in_secrets = spec.get("serviceAccountTokenInSecrets")
    if in_secrets is not None and not requests:
        detail = "serviceAccountTokenInSecrets is set but no tokenRequests are specified"
        yield invalid("spec.serviceAccountTokenInSecrets", in_secrets, detail)


def _token_errors(requests: Sequence[Object], path: str) -> Iterator[FieldError]:
    seen: set[str] = set()
    for i, request in enumerate(requests):
        here, audience = f"{path}[{i}]", request.get("audience") or ""
        if audience in seen:
            yield duplicate(f"{here}.audience", audience)
            continue
        seen.add(audience)
        seconds = request.get("expirationSeconds")
        if seconds is not None and seconds < MIN_TOKEN_SECONDS:
            yield invalid(f"{here}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")
        if seconds is not None and seconds > MAX_TOKEN_SECONDS:
            detail = "may not specify a duration larger than 2^32 seconds"
            yield invalid(f"{here}.expirationSeconds", seconds, detail)


def _flag(field: str) -> Any:
    return lambda obj, now: bool(get(obj, "spec", field, default=DEFAULTS[field]))


def _audiences_cell(obj: Object, now: float) -> str:
    requests = get(obj, "spec", "tokenRequests")
    return "<unset>" if requests is None else ",".join(request.get("audience") or "" for request in requests)


RESOURCE = Resource(
    group=GROUP,
    plural="csidrivers",
    kind="CSIDriver",
    namespaced=False,
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=DriverStrategy(),
    empty={"spec": {}},
    columns=(
        NAME,
        Column(
            "AttachRequired",
            _flag("attachRequired"),
            type="boolean",
            description="attachRequired indicates this CSI volume driver requires an attach operation (because it implements the "
            "CSI ControllerPublishVolume() method), and that the Kubernetes attach detach controller should call the "
            "attach volume interface which checks the volumeattachment status and waits until the volume is attached "
            "before proceeding to mounting. The CSI external-attacher coordinates with CSI volume driver and updates "
            "the volumeattachment status when the attach operation is complete. If the value is specified to false, "
            "the attach operation will be skipped. Otherwise the attach operation will be called.\n\nThis field is "
            "immutable.",
        ),
        Column(
            "PodInfoOnMount",
            _flag("podInfoOnMount"),
            type="boolean",
            description="podInfoOnMount indicates this CSI volume driver requires additional pod information (like podName, "
            "podUID, etc.) during mount operations, if set to true. If set to false, pod information will not be "
            "passed on mount. Default is false.\n\nThe CSI driver specifies podInfoOnMount as part of driver "
            "deployment. If true, Kubelet will pass pod information as VolumeContext in the CSI NodePublishVolume() "
            "calls. The CSI driver is responsible for parsing and validating the information passed in as "
            "VolumeContext.\n\nThe following VolumeContext will be passed if podInfoOnMount is set to true. This "
            'list might grow, but the prefix will be used. "csi.storage.k8s.io/pod.name": pod.Name '
            '"csi.storage.k8s.io/pod.namespace": pod.Namespace "csi.storage.k8s.io/pod.uid": string(pod.UID) '
            '"csi.storage.k8s.io/ephemeral": "true" if the volume is an ephemeral inline '
            'volume\n                                defined by a CSIVolumeSource, otherwise "false"\n\n'
            '"csi.storage.k8s.io/ephemeral" is a new feature in Kubernetes 1.16. It is only required for drivers '
            'which support both the "Persistent" and "Ephemeral" VolumeLifecycleMode. Other drivers can leave pod '
            "info disabled and/or ignore this field. As Kubernetes 1.15 doesn't support this field, drivers can only "
            "support one mode when deployed on such a cluster and the deployment determines which mode that is, for "
            "example via a command line parameter of the driver.\n\nThis field was immutable in Kubernetes < 1.29 "
            "and now is mutable.",
        ),
        Column(
            "StorageCapacity",
            _flag("storageCapacity"),
            type="boolean",
            description="storageCapacity indicates that the CSI volume driver wants pod scheduling to consider the storage "
            "capacity that the driver deployment will report by creating CSIStorageCapacity objects with capacity "
            "information, if set to true.\n\nThe check can be enabled immediately when deploying a driver. In that "
            "case, provisioning new volumes with late binding will pause until the driver deployment has published "
            "some suitable CSIStorageCapacity object.\n\nAlternatively, the driver can be deployed with the field "
            "unset or false and it can be flipped later when storage capacity information has been published.\n\n"
            "This field was immutable in Kubernetes <= 1.22 and now is mutable.",
        ),
        Column(
            "TokenRequests",
            _audiences_cell,
            description="tokenRequests indicates the CSI driver needs pods' service account tokens it is mounting volume for to "
            "do necessary authentication. Kubelet will pass the tokens in VolumeContext in the CSI NodePublishVolume "
            "calls. The CSI driver should parse and validate the following VolumeContext: "
            '"csi.storage.k8s.io/serviceAccount.tokens": {\n  "<audience>": {\n    "token": <token>,\n    '
            '"expirationTimestamp": <expiration timestamp in RFC3339>,\n  },\n  ...\n}\n\nNote: Audience in each '
            "TokenRequest should be different and at most one token is empty string. To receive a new token after "
            "expiry, RequiresRepublish can be used to trigger NodePublishVolume periodically.",
        ),
        Column(
            "RequiresRepublish",
            _flag("requiresRepublish"),
            type="boolean",
            description="requiresRepublish indicates the CSI driver wants `NodePublishVolume` being periodically called to "
            "reflect any possible change in the mounted volume. This field defaults to false.\n\nNote: After a "
            "successful initial NodePublishVolume call, subsequent calls to NodePublishVolume should only update the "
            "contents of the volume. New mount points will not be seen by a running container.",
        ),
        Column(
            "Modes",
            lambda obj, now: ",".join(get(obj, "spec", "volumeLifecycleModes") or ()) or "<none>",
            description="volumeLifecycleModes defines what kind of volumes this CSI volume driver supports. The default if the "
            'list is empty is "Persistent", which is the usage defined by the CSI specification and implemented in '
            'Kubernetes via the usual PV/PVC mechanism.\n\nThe other mode is "Ephemeral". In this mode, volumes are '
            "defined inline inside the pod spec with CSIVolumeSource and their lifecycle is tied to the lifecycle of "
            "that pod. A driver has to be aware of this because it is only going to get a NodePublishVolume call for "
            "such a volume.\n\nFor more information about implementing this mode, see "
            "https://kubernetes-csi.github.io/docs/ephemeral-local-volumes.html A driver can support one or more of "
            "these modes and more modes may be added in the future.\n\nThis field is beta. This field is immutable.",
        ),
        AGE,
    ),
)
