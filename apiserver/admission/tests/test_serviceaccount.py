"""ServiceAccount; what it adds and how it refuses as a real kube-apiserver v1.37 does."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.admission.interface import UPDATE
from apiserver.admission.plugins.serviceaccount import ServiceAccount
from apiserver.admission.tests.worlds import World, attributes, pod
from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object

MIRROR = {"kubernetes.io/config.mirror": "x"}


@pytest.fixture
def world() -> World:
    world = World()
    world.add("serviceaccounts", "default", "default")
    world.add(
        "serviceaccounts",
        "strict",
        "default",
        metadata={"annotations": {"kubernetes.io/enforce-mountable-secrets": "true"}},
        secrets=[{"name": "ok"}],
        imagePullSecrets=[{"name": "pull"}],
    )
    return world


async def admitted(world: World, obj: Object) -> Any:
    await world.plugin(ServiceAccount).admit(attributes("pods", obj))
    return obj["spec"]


async def refusal(world: World, obj: Object) -> str:
    with pytest.raises(StatusError) as caught:
        await admitted(world, obj)
    assert (caught.value.code, caught.value.reason) == (403, "Forbidden")
    return caught.value.message.removeprefix('pods "x" is forbidden: ')


async def test_a_pod_gets_the_default_account_and_its_token(world: World) -> None:
    spec = await admitted(world, pod())
    assert spec["serviceAccountName"] == spec["serviceAccount"] == "default"
    [volume] = spec["volumes"]
    assert volume["name"].startswith("kube-api-access-")
    assert len(volume["name"]) == len("kube-api-access-") + 5
    assert volume["projected"] == {
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {
                "downwardAPI": {
                    "items": [
                        {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
                    ]
                }
            },
        ],
        "defaultMode": 420,
    }
    assert spec["containers"][0]["volumeMounts"] == [
        {"name": volume["name"], "readOnly": True, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}
    ]


async def test_a_volume_of_that_name_is_used_and_a_mount_at_that_path_left_alone(world: World) -> None:
    spec = await admitted(world, pod({"volumes": [{"name": "kube-api-access-mine", "emptyDir": {}}]}))
    assert [volume["name"] for volume in spec["volumes"]] == ["kube-api-access-mine"]
    assert spec["containers"][0]["volumeMounts"][0]["name"] == "kube-api-access-mine"
    mounted = {"volumeMounts": [{"name": "v", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}]}
    spec = await admitted(world, pod({}, mounted))
    assert "volumes" not in spec
    assert spec["containers"][0]["volumeMounts"] == mounted["volumeMounts"]


async def test_pod_and_account_may_say_no_to_the_token(world: World) -> None:
    assert "volumes" not in await admitted(world, pod({"automountServiceAccountToken": False}))
    world.add("serviceaccounts", "default", "default", automountServiceAccountToken=False)
    assert "volumes" not in await admitted(world, pod())
    assert "volumes" in await admitted(world, pod({"automountServiceAccountToken": True}))


async def test_pull_secrets_come_from_the_account_unless_the_pod_has_some(world: World) -> None:
    spec = await admitted(world, pod({"serviceAccountName": "strict"}))
    assert spec["imagePullSecrets"] == [{"name": "pull"}]


async def test_an_account_that_is_not_there(world: World) -> None:
    message = await refusal(world, pod({"serviceAccountName": "nope"}))
    assert message == 'error looking up service account default/nope: serviceaccount "nope" not found'


def test_the_default_account_is_waited_for_a_while() -> None:
    async def scenario() -> str:
        return await refusal(World(), pod())

    assert run_virtual(scenario()) == (
        'error looking up service account default/default: serviceaccount "default" not found'
    )


@pytest.mark.parametrize(
    ("spec", "container", "text"),
    [
        ({"volumes": [{"name": "v", "secret": {"secretName": "bad"}}]}, {}, 'volume with secret.secretName="bad"'),
        (
            {},
            {"env": [{"name": "E", "valueFrom": {"secretKeyRef": {"name": "bad", "key": "k"}}}]},
            'container c with envVar E referencing secret.secretName="bad"',
        ),
        (
            {},
            {"envFrom": [{"secretRef": {"name": "bad"}}]},
            'container c with envFrom referencing secret.secretName="bad"',
        ),
        (
            {"initContainers": [{"name": "q", "envFrom": [{"secretRef": {"name": "bad"}}]}]},
            {},
            'init container q with envFrom referencing secret.secretName="bad"',
        ),
    ],
)
async def test_an_account_may_limit_its_pods_to_its_secrets(world: World, spec: Any, container: Any, text: str) -> None:
    message = await refusal(world, pod({"serviceAccountName": "strict", **spec}, container))
    assert message == f"{text} is not allowed because service account strict does not reference that secret"


async def test_and_to_its_pull_secrets(world: World) -> None:
    message = await refusal(world, pod({"serviceAccountName": "strict", "imagePullSecrets": [{"name": "bad"}]}))
    assert message == (
        'imagePullSecrets[0].name="bad" is not allowed because service account strict does not reference that imagePullSecret'
    )


async def test_mirror_pods_are_not_touched_and_refer_to_nothing(world: World) -> None:
    assert "serviceAccountName" not in await admitted(world, pod(annotations=MIRROR))
    for spec, message in (
        ({"serviceAccountName": "default"}, "a mirror pod may not reference service accounts"),
        ({"imagePullSecrets": [{"name": "x"}]}, "a mirror pod may not reference secrets"),
        (
            {"volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]},
            "a mirror pod may not use ServiceAccountToken volume projections",
        ),
    ):
        assert await refusal(world, pod(spec, annotations=MIRROR)) == message


async def test_validation_wants_an_account_that_is_there(world: World) -> None:
    plugin = world.plugin(ServiceAccount)
    with pytest.raises(StatusError) as caught:
        await plugin.validate(attributes("pods", pod()))
    assert caught.value.message == 'pods "x" is forbidden: no service account specified for pod default/x'
    await plugin.validate(attributes("pods", pod({"serviceAccountName": "default"})))


async def test_updates_and_subresources_are_left_alone_but_for_ephemeral_containers(world: World) -> None:
    plugin = world.plugin(ServiceAccount)
    await plugin.admit(attributes("pods", pod(), operation=UPDATE))
    await plugin.validate(attributes("pods", pod(), operation=UPDATE))
    debug = {"name": "d", "env": [{"name": "E", "valueFrom": {"secretKeyRef": {"name": "bad", "key": "k"}}}]}
    obj = pod({"serviceAccountName": "strict", "ephemeralContainers": [debug]})
    with pytest.raises(StatusError) as caught:
        await plugin.validate(attributes("pods", obj, operation=UPDATE, subresource="ephemeralcontainers"))
    assert (caught.value.code, caught.value.message) == (
        500,
        'ephemeral container d with envVar E referencing secret.secretName="bad" is not allowed because '
        "service account strict does not reference that secret",
    )
