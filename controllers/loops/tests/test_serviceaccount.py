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
