"""The chain: order, who is asked about what, and the table of plugins behind the flags."""

from __future__ import annotations

import pytest

from apiserver.admission import plugins
from apiserver.admission.chain import AdmissionChain, build_chain
from apiserver.admission.interface import CREATE, DELETE, UPDATE, AdmissionDependencies, AdmissionPlugin, Attributes
from apiserver.admission.plugins import DEFAULT_ORDER, enabled_plugins, problems
from apiserver.admission.tests.worlds import World, attributes, pod
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.rand import Random

BUILT_IN_DEFAULT = [
    "NamespaceLifecycle",
    "LimitRanger",
    "ServiceAccount",
    "TaintNodesByCondition",
    "PodSecurity",
    "Priority",
    "DefaultTolerationSeconds",
    "DefaultStorageClass",
    "StorageObjectInUseProtection",
    "PersistentVolumeClaimResize",
    "RuntimeClass",
    "CertificateApproval",
    "CertificateSigning",
    "ClusterTrustBundleAttest",
    "CertificateSubjectRestriction",
    "DefaultIngressClass",
    "PodTopologyLabels",
    "PodResizeValidator",
    "ResourceQuota",
]


def dependencies(world: World) -> AdmissionDependencies:
    return AdmissionDependencies(world.lister, world, Random(1), world.read, world.create, world.update_status)


class Noting(AdmissionPlugin):
    """Writes down when it was asked."""

    log: list[str]

    async def admit(self, attributes: Attributes) -> None:
        self.log.append(f"{self.name} admits")

    async def validate(self, attributes: Attributes) -> None:
        self.log.append(f"{self.name} validates")


def noting(name: str, log: list[str], **facts: object) -> AdmissionPlugin:
    plugin: AdmissionPlugin = type(name, (Noting,), {"name": name, "log": log, **facts})(dependencies(World()))
    return plugin


async def test_plugins_are_asked_in_order_about_what_they_look_at() -> None:
    log: list[str] = []
    chain = AdmissionChain(
        [
            noting("first", log),
            noting("deletes", log, operations=frozenset({DELETE})),
            noting("services", log, resources=frozenset({GroupResource("", "services")})),
            noting("quiet", log, admit=AdmissionPlugin.admit),
            noting("last", log, validate=AdmissionPlugin.validate, operations=frozenset({CREATE, UPDATE})),
        ]
    )
    seen = attributes("pods", pod())
    await chain.admit(seen)
    assert log == ["first admits", "last admits"]
    await chain.validate(seen)
    assert log[2:] == ["first validates", "quiet validates"]


async def test_the_first_refusal_ends_it() -> None:
    world = World()
    world.add("namespaces", "default")
    chain = build_chain(dependencies(world), enable=["AlwaysDeny"], disable=["ServiceAccount"])
    with pytest.raises(StatusError) as caught:
        await chain.admit(attributes("pods", pod()))
    assert caught.value.message == 'pods "x" is forbidden: admission control is denying all modifications'


def test_the_default_chain() -> None:
    assert [plugin.name for plugin in enabled_plugins()] == BUILT_IN_DEFAULT


def test_flags_add_and_take_away() -> None:
    chosen = enabled_plugins(["NodeRestriction", "PodTolerationRestriction"], ["Priority", "LimitRanger"])
    assert [plugin.name for plugin in chosen] == [
        "NamespaceLifecycle",
        "ServiceAccount",
        "NodeRestriction",
        "TaintNodesByCondition",
        "PodSecurity",
        "DefaultTolerationSeconds",
        "PodTolerationRestriction",
        *BUILT_IN_DEFAULT[7:],
    ]


def test_rows_name_their_plugins() -> None:
    off = [row.name for row in DEFAULT_ORDER if not row.default and row.path]
    names = {plugin.name for plugin in enabled_plugins(off)}
    assert names == {row.name for row in DEFAULT_ORDER if row.path}


@pytest.mark.parametrize(
    ("enable", "disable", "text"),
    [
        (["Foo"], [], 'enable-admission-plugins plugin "Foo" is unknown'),
        ([], ["Foo"], 'disable-admission-plugins plugin "Foo" is unknown'),
        (
            ["Priority"],
            ["Priority"],
            "[Priority] in enable-admission-plugins and disable-admission-plugins overlapped",
        ),
        (["EventRateLimit"], [], 'enable-admission-plugins plugin "EventRateLimit" is not built yet'),
    ],
)
def test_what_is_wrong_with_the_flags(enable: list[str], disable: list[str], text: str) -> None:
    assert problems(enable, disable) == [text]
    with pytest.raises(ValueError, match="admission-plugins"):
        enabled_plugins(enable, disable)


def test_default_plugins_that_are_not_built_may_be_named() -> None:
    assert problems(["ResourceQuota"], ["MutatingAdmissionWebhook"]) == []


def test_a_row_whose_class_has_another_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    row = plugins.Row("AlwaysPullImage", "alwayspullimages:AlwaysPullImages", True)
    monkeypatch.setattr(plugins, "DEFAULT_ORDER", (row,))
    message = 'admission plugin "AlwaysPullImage": alwayspullimages:AlwaysPullImages calls itself "AlwaysPullImages"'
    with pytest.raises(ValueError, match=message):
        enabled_plugins()
