"""What a pod refers to and is not there: it waits, and says for what."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.objects import Object
from kubelet.tests.test_restarts import shown
from kubelet.tests.worlds import container, node_world, pod_of, simulated

CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"colour": "red"}}
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


def waits_for(reason: str, name: str = "c") -> Callable[[Object | None], bool]:
    return lambda pod: (shown(pod, name)["state"].get("waiting") or {}).get("reason") == reason


def test_a_missing_config_map_in_the_environment_is_waited_for() -> None:
    async def main() -> None:
        async with node_world() as nodes:
            source = {"configMapKeyRef": {"name": "settings", "key": "colour"}}
            asks = container("test $COLOUR = red", env=[{"name": "COLOUR", "valueFrom": source}])
            await nodes.create(pod_of(asks, restartPolicy="Never"))
            pod = await nodes.wait(waits_for("CreateContainerConfigError"), timeout=5)
            assert shown(pod)["state"]["waiting"]["message"] == 'configmap "settings" not found'
            assert ("Warning", "Failed", 'Error: configmap "settings" not found') in await nodes.events()
            await nodes.ask("POST", CONFIG_MAPS, CONFIG)
            await nodes.wait_phase("Succeeded", timeout=60)

    run_virtual(main())


def test_a_missing_volume_holds_the_pod_and_is_told() -> None:
    async def main() -> None:
        async with node_world() as nodes:
            await nodes.create(pod_of(volumes=[{"name": "v", "configMap": {"name": "settings"}}]))
            pod = await nodes.wait(waits_for("ContainerCreating"), timeout=5)
            message = 'MountVolume.SetUp failed for volume "v" : configmap "settings" not found'
            await nodes.wait(lambda _: True, timeout=5)
            assert pod["status"]["phase"] == "Pending"
            await nodes.ask("POST", CONFIG_MAPS, CONFIG)
            await nodes.wait_phase("Running", timeout=60)
            assert ("Warning", "FailedMount", message) in await nodes.events()

    run_virtual(main())


def test_a_pod_that_waits_for_its_volumes_can_be_deleted() -> None:
    async def main() -> None:
        async with node_world() as nodes:
            await nodes.create(pod_of(volumes=[{"name": "v", "secret": {"secretName": "none"}}]))
            await nodes.wait(waits_for("ContainerCreating"), timeout=5)
            await nodes.delete()
            await nodes.wait_gone(timeout=5)

    run_virtual(main())


SIGNER = "example.com/signer"
# Of nobody, for a hundred years.
CERTIFICATE = (
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBdTCCARugAwIBAgIUUvxUZFvz2LMOwuCIoIGSaqNVygMwCgYIKoZIzj0EAwIw\n"
    "DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjYwODU3MzlaGA8yMTI2MTEwMjA4NTcz\n"
    "OVowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABMZL\n"
    "xSI5qhBTgV6x9TBNZnq1ebL1+P+3kOv8MvLl59tAxNi6E7TTu6tXSoI7/WtP9Bry\n"
    "TGIODzKT4D7xmWEKp66jUzBRMB0GA1UdDgQWBBQA7lFvsWh4SPl7HU+Y57prXzCG\n"
    "qjAfBgNVHSMEGDAWgBQA7lFvsWh4SPl7HU+Y57prXzCGqjAPBgNVHRMBAf8EBTAD\n"
    "AQH/MAoGCCqGSM49BAMCA0gAMEUCID08dQ4CZOwCq2M8JlyFpdSKBbqZhzeIQyhj\n"
    "WoYHgFR1AiEAndIUy+oBiY2TAa2J7D3tas+cTGw+wf7aAOvqYrH9A/E=\n"
    "-----END CERTIFICATE-----\n"
)
BUNDLE = {
    "apiVersion": "certificates.k8s.io/v1",
    "kind": "ClusterTrustBundle",
    "metadata": {"name": "example.com:signer:a", "labels": {"alive": "true"}},
    "spec": {"signerName": SIGNER, "trustBundle": CERTIFICATE},
}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            {"name": "example.com:signer:a"},
            'while getting ClusterTrustBundle: clustertrustbundle.certificates.k8s.io "example.com:signer:a" not found',
        ),
        (
            {"signerName": SIGNER, "labelSelector": {"matchLabels": {"alive": "true"}}},
            "combination of signerName and labelSelector matched zero ClusterTrustBundles",
        ),
    ],
)
def test_a_missing_trust_bundle_holds_the_pod_until_it_is_there(source: dict[str, object], message: str) -> None:
    async def main() -> None:
        async with node_world() as nodes:
            projection = {"sources": [{"clusterTrustBundle": {"path": "ca.pem", **source}}]}
            await nodes.create(pod_of(volumes=[{"name": "v", "projected": projection}]))
            await nodes.wait(waits_for("ContainerCreating"), timeout=5)
            told = ("Warning", "FailedMount", f'MountVolume.SetUp failed for volume "v" : {message}')
            assert told in await nodes.events()
            await nodes.ask("POST", "/apis/certificates.k8s.io/v1/clustertrustbundles", BUNDLE)
            await nodes.wait_phase("Running", timeout=60)

    run_virtual(main())


def test_no_labels_select_no_trust_bundle_and_an_optional_one_is_not_waited_for() -> None:
    async def main() -> None:
        async with node_world() as nodes:
            await nodes.ask("POST", "/apis/certificates.k8s.io/v1/clustertrustbundles", BUNDLE)
            source = {"path": "ca.pem", "signerName": SIGNER}
            for name, more in (("waits", {}), ("runs", {"optional": True})):
                projection = {"sources": [{"clusterTrustBundle": {**source, **more}}]}
                pod = pod_of(name=name, volumes=[{"name": "v", "projected": projection}])
                await nodes.create(pod)
            await nodes.wait_phase("Running", name="runs", timeout=60)
            assert (await nodes.status("waits"))["phase"] == "Pending"

    run_virtual(main())


def test_an_image_that_cannot_be_pulled_is_tried_again_later() -> None:
    async def main() -> None:
        async with node_world() as nodes:
            await nodes.create(pod_of(annotations=simulated(pull_error="not today")))
            pod = await nodes.wait(waits_for("ImagePullBackOff"), timeout=60)
            message = 'Back-off pulling image "nginx:1.27": ErrImagePull: not today'
            assert shown(pod)["state"]["waiting"]["message"] == message
            assert pod["status"]["phase"] == "Pending"
            assert ("Warning", "Failed", "Error: ErrImagePull") in await nodes.events()

    run_virtual(main())


def test_an_image_that_must_be_there_and_is_not() -> None:
    async def main() -> None:
        async with node_world() as nodes:
            await nodes.create(pod_of(container(imagePullPolicy="Never")))
            pod = await nodes.wait(waits_for("ErrImageNeverPull"), timeout=5)
            message = 'Container image "nginx:1.27" is not present with pull policy of Never'
            assert shown(pod)["state"]["waiting"]["message"] == message

    run_virtual(main())


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("..", "unable to provision SubPath `..`: must not contain '..'"),
        ("/tmp", "error SubPath `/tmp` must not be an absolute path"),
        ("", "missing value for WHERE"),
    ],
)
def test_a_sub_path_must_stay_within_its_volume(value: str, message: str) -> None:
    async def main() -> None:
        async with node_world() as nodes:
            mounts = [{"name": "v", "mountPath": "/v", "subPathExpr": "$(WHERE)"}]
            mounted = container(volumeMounts=mounts, env=[{"name": "WHERE", "value": value}])
            await nodes.create(pod_of(mounted, volumes=[{"name": "v", "emptyDir": {}}]))
            pod = await nodes.wait(waits_for("CreateContainerConfigError"), timeout=5)
            assert shown(pod)["state"]["waiting"]["message"] == message

    run_virtual(main())
