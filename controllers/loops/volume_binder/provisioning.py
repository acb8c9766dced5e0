"""Volumes are made for claims and deleted after them: by external drivers, which see an annotation, or by the one plugin here.

Mirrors upstream provisionClaim, deleteVolumeOperation and modifyDeletionFinalizers of pv_controller.go.
"""

from __future__ import annotations

from apiserver.apimachinery import objects
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from controllers.framework.claims import class_of
from controllers.framework.context import Context
from controllers.framework.kinds import NODES
from controllers.loops.volume_binder import host_path
from controllers.loops.volume_binder.host_path import HostPath, PluginError
from controllers.loops.volume_binder.matching import BOUND_BY_CONTROLLER, SELECTED_NODE
from controllers.loops.volume_binder.store import Newest

PROVISIONERS = ("volume.beta.kubernetes.io/storage-provisioner", "volume.kubernetes.io/storage-provisioner")
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
IN_TREE = "kubernetes.io/"
IN_TREE_FINALIZER = "kubernetes.io/pv-controller"
EXTERNAL_FINALIZER = "external-provisioner.volume.kubernetes.io/finalizer"
# Plugins that CSI drivers took over (k8s.io/csi-translation-lib).
MIGRATED = {
    "kubernetes.io/aws-ebs": "ebs.csi.aws.com",
    "kubernetes.io/azure-disk": "disk.csi.azure.com",
    "kubernetes.io/azure-file": "file.csi.azure.com",
    "kubernetes.io/cinder": "cinder.csi.openstack.org",
    "kubernetes.io/gce-pd": "pd.csi.storage.gke.io",
    "kubernetes.io/portworx-volume": "pxd.portworx.com",
    "kubernetes.io/vsphere-volume": "csi.vsphere.vmware.com",
}
WAITING = (
    "Waiting for a volume to be created either by the external provisioner '{}' or manually by the system "
    "administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered."
)


def due_finalizers(volume: Object) -> list[str]:
    """The finalizers of a volume: one that a plugin of ours made is kept until it is deleted, if it is to be."""
    found: list[str] = list(volume["metadata"].get("finalizers") or ())
    maker = objects.annotations_of(volume).get(PROVISIONED_BY, "")
    if maker in MIGRATED:
        return [f for f in found if f != IN_TREE_FINALIZER]
    if not maker.startswith(IN_TREE):
        return found
    deleting = volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete"
    kept = [f for f in found if f != EXTERNAL_FINALIZER and (deleting or f != IN_TREE_FINALIZER)]
    return [*kept, IN_TREE_FINALIZER] if deleting and IN_TREE_FINALIZER not in kept else kept


class Provisioning:
    """The binder's arm towards storage."""

    def __init__(self, context: Context, claims: Newest, volumes: Newest, component: str) -> None:
        self._claims, self._volumes = claims, volumes
        self._nodes = context.informer(NODES).lister
        self._recorder = context.recorder(component)
        enabled = bool(context.options.get("enable_hostpath_provisioner"))
        directory = str(context.options.get("hostpath_directory") or "")
        self._host_path = HostPath(context.rand, enabled=enabled, directory=directory)

    async def provision(self, claim: Object, storage_class: Object | None) -> None:
        """Have the class's driver make a volume, or make one here; what is wrong becomes an event."""
        if storage_class is None:
            self._failed(claim, f'storageclass.storage.k8s.io "{class_of(claim)}" not found')
            return
        maker: str = storage_class["provisioner"]
        if maker == host_path.NAME:
            await self._make(claim, storage_class)
        elif maker.startswith(IN_TREE) and maker not in MIGRATED:
            self._failed(claim, "no volume plugin matched")
        else:
            driver = MIGRATED.get(maker, maker)
            await self._annotate(claim, driver)
            self._recorder.event(claim, "Normal", "ExternalProvisioning", WAITING.format(driver))

    async def delete(self, volume: Object) -> None:
        """Delete a released volume, unless that is a driver's part. Raises PluginError."""
        maker = objects.annotations_of(volume).get(PROVISIONED_BY, "")
        if maker in MIGRATED or (maker and not maker.startswith(IN_TREE)):
            return
        if maker not in ("", host_path.NAME):
            raise PluginError("no volume plugin matched")
        name, path = volume["metadata"]["name"], objects.get(volume, "spec", "hostPath", "path")
        if volume["spec"].get("csi"):
            return
        if path is None:
            why = f'error getting deleter volume plugin for volume "{name}": no deletable volume plugin matched'
            raise PluginError(why)
        await self._host_path.delete(path)
        await self._forget(name)

    async def _annotate(self, claim: Object, maker: str) -> Object:
        if objects.annotations_of(claim).get(PROVISIONERS[1]) == maker:
            return claim
        annotations = objects.annotations_of(claim) | dict.fromkeys(PROVISIONERS, maker)
        try:
            return await self._claims.update({**claim, "metadata": {**claim["metadata"], "annotations": annotations}})
        except StatusError as error:
            self._failed(claim, f"Error saving claim: {error.message}")
            raise

    async def _make(self, claim: Object, storage_class: Object) -> None:
        if claim["spec"].get("dataSource"):
            why = "is not a CSI plugin. Only CSI plugin can provision a claim with a datasource"
            self._failed(claim, f'plugin "{host_path.NAME}" {why}')
            return
        claim = await self._annotate(claim, host_path.NAME)
        name = f"pvc-{claim['metadata']['uid']}"
        if self._volumes.get("", name) is not None:
            return
        if why := self._unfit(claim, storage_class):
            self._failed(claim, why)
            return
        try:
            volume = self._host_path.make(claim, name, storage_class.get("reclaimPolicy") or "Delete")
        except PluginError as e:
            self._failed(claim, f'Failed to provision volume with StorageClass "{class_of(claim)}": {e}')
            await self._reschedule(claim)
            return
        await self._save(claim, volume)

    def _unfit(self, claim: Object, storage_class: Object) -> str:
        """Why no volume is made; empty when one is."""
        if options := storage_class.get("mountOptions"):
            words = f'but StorageClass "{class_of(claim)}" has mount options [{" ".join(options)}]'
            return f"Mount options are not supported by the provisioner {words}"
        try:
            self._host_path.check_enabled()
        except PluginError as e:
            return f"Failed to create provisioner: {e}"
        node = objects.annotations_of(claim).get(SELECTED_NODE)
        if node is not None and self._nodes.get("", node) is None:
            return f'Failed to get target node: node "{node}" not found'
        return ""

    async def _save(self, claim: Object, volume: Object) -> None:
        meta, annotations = claim["metadata"], volume["metadata"]["annotations"]
        annotations |= {BOUND_BY_CONTROLLER: "yes", PROVISIONED_BY: host_path.NAME}
        reference = {"kind": "PersistentVolumeClaim", "apiVersion": "v1"}
        reference |= {key: meta[key] for key in ("namespace", "name", "uid", "resourceVersion")}
        volume["spec"] |= {"claimRef": reference, "storageClassName": class_of(claim)}
        volume["metadata"]["finalizers"] = due_finalizers(volume)
        try:
            await self._volumes.create(volume)
        except StatusError as error:
            await self._host_path.delete(volume["spec"]["hostPath"]["path"])
            if error.reason == "AlreadyExists":
                return
            whole = f"{meta['namespace']}/{meta['name']}"
            why = f"Error creating provisioned PV object for claim {whole}: {error.message}. Deleting the volume."
            self._failed(claim, why)
            raise
        message = f"Successfully provisioned volume {volume['metadata']['name']} using {host_path.NAME}"
        self._recorder.event(claim, "Normal", "ProvisioningSucceeded", message)

    async def _reschedule(self, claim: Object) -> None:
        """The scheduler chose a node in vain: let it choose again."""
        annotations = objects.annotations_of(claim)
        if SELECTED_NODE in annotations:
            left = {key: value for key, value in annotations.items() if key != SELECTED_NODE}
            await self._claims.update({**claim, "metadata": {**claim["metadata"], "annotations": left}})

    async def _forget(self, name: str) -> None:
        """Take the object away that stood for a volume."""
        try:
            volume = await self._volumes.client.get(name)
            finalizers = volume["metadata"].get("finalizers") or []
            if IN_TREE_FINALIZER in finalizers:
                left = [f for f in finalizers if f != IN_TREE_FINALIZER]
                await self._volumes.update({**volume, "metadata": {**volume["metadata"], "finalizers": left}})
            await self._volumes.client.delete(name)
        except StatusError as error:
            if error.code != 404:
                raise

    def _failed(self, claim: Object, why: str) -> None:
        self._recorder.event(claim, "Warning", "ProvisioningFailed", why)
