"""Every namespace has its `default` service account and the cluster's root certificate, again when they are deleted."""

from __future__ import annotations

from apiserver.apimachinery.clock import run_virtual
from controllers.framework.kinds import CONFIG_MAPS, NAMESPACES, SERVICE_ACCOUNTS
from controllers.tests.worlds import SETTINGS, loop_world

LOOPS = ("serviceaccount-controller", "root-ca-certificate-publisher-controller")


def test_a_new_namespace_gets_its_account_and_its_root_certificate_and_keeps_them() -> None:
    async def main() -> None:
        async with loop_world(*LOOPS) as w:
            await w.resource(NAMESPACES).create({"metadata": {"name": "one"}})
            await w.settle()
            for resource, name in ((SERVICE_ACCOUNTS, "default"), (CONFIG_MAPS, "kube-root-ca.crt")):
                first = await w.find(resource, name, "one")
                assert first is not None, name
                await w.resource(resource).delete(name, "one")
                await w.settle()
                again = await w.find(resource, name, "one")
                assert again is not None and again["metadata"]["uid"] != first["metadata"]["uid"]
            published = await w.find(CONFIG_MAPS, "kube-root-ca.crt", "one")
            assert published is not None and published["data"]["ca.crt"] == SETTINGS["root_ca"]

    run_virtual(main())


def test_what_somebody_changed_in_the_root_certificate_is_put_back() -> None:
    async def main() -> None:
        async with loop_world(*LOOPS) as w:
            await w.settle()
            config_maps = w.resource(CONFIG_MAPS)
            changed = {"data": {"ca.crt": "mine", "more": "x"}, "metadata": {"annotations": None}}
            await config_maps.patch("kube-root-ca.crt", "default", changed)
            await w.settle()
            published = await config_maps.get("kube-root-ca.crt", "default")
            assert published["data"] == {"ca.crt": SETTINGS["root_ca"]}
            assert published["metadata"]["annotations"]["kubernetes.io/description"].startswith("Contains a CA bundle")

    run_virtual(main())


def test_a_namespace_that_is_going_gets_nothing_more() -> None:
    async def main() -> None:
        async with loop_world(*LOOPS) as w:
            await w.resource(NAMESPACES).create({"metadata": {"name": "one"}})
            await w.settle()
            await w.resource(NAMESPACES).delete("one")
            await w.resource(SERVICE_ACCOUNTS).delete("default", "one")
            await w.resource(CONFIG_MAPS).delete("kube-root-ca.crt", "one")
            await w.settle()
            assert await w.find(SERVICE_ACCOUNTS, "default", "one") is None
            assert await w.find(CONFIG_MAPS, "kube-root-ca.crt", "one") is None

    run_virtual(main())
