"""Every active namespace has its `default` service account (upstream pkg/controller/serviceaccount)."""

from __future__ import annotations

from apiserver.apimachinery.errors import StatusError
from controllers.framework.context import Context
from controllers.framework.controller import Controller, Request
from controllers.framework.errors import namespace_terminating
from controllers.framework.kinds import NAMESPACES, SERVICE_ACCOUNTS
from controllers.framework.manager import Loop

NAME = "default"


class ServiceAccounts:
    """Requests are namespaces."""

    def __init__(self, context: Context) -> None:
        self.accounts = context.resource(SERVICE_ACCOUNTS)
        self.known = context.informer(SERVICE_ACCOUNTS).lister
        self.namespaces = context.informer(NAMESPACES).lister

    async def reconcile(self, request: Request) -> None:
        namespace = self.namespaces.get("", request.name)
        if namespace is None or (namespace.get("status") or {}).get("phase") != "Active":
            return
        if self.known.get(request.name, NAME) is not None:
            return
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": NAME}}
        try:
            await self.accounts.create(account, request.name)
        except StatusError as error:
            if error.reason != "AlreadyExists" and not namespace_terminating(error):
                raise


def build(context: Context) -> Loop:
    controller = Controller("serviceaccount-controller", ServiceAccounts(context))
    controller.watch(context.informer(NAMESPACES))
    controller.watch(
        context.informer(SERVICE_ACCOUNTS),
        lambda account: (Request("", account["metadata"]["namespace"]),),
        when=lambda old, new: False,  # only deletions matter: what is there is there
    )
    return controller
