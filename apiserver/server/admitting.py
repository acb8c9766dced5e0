"""The admission chain of a server: its plugins read the listers and write as the server itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from apiserver.admission.chain import AdmissionChain, build_chain
from apiserver.admission.interface import AdmissionDependencies
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object
from apiserver.bootstrap.objects import Objects

if TYPE_CHECKING:
    from apiserver.server.security import Security
    from apiserver.server.server import APIServer


def admission_chain(server: APIServer, security: Security) -> AdmissionChain:
    options = server.options
    objects = Objects(server.clock, server.rand, server.store)

    async def create(group_resource: GroupResource, namespace: str, obj: Object) -> Object:
        return await objects.create(group_resource, obj)

    async def update_status(
        group_resource: GroupResource, namespace: str, name: str, change: Callable[[Object], Object | None]
    ) -> Object:
        return await objects.update(group_resource, namespace, name, change, "status")

    dependencies = AdmissionDependencies(
        listers=server.listers,
        clock=server.clock,
        rand=server.rand,
        read=server.read,
        create=create,
        update_status=update_status,
        authorizer=security.authorization.authorizer,
        options=vars(options),
    )
    return build_chain(dependencies, options.enable_admission_plugins, options.disable_admission_plugins)
