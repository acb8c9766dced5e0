"""HorizontalPodAutoscalers: metrics, what follows from them (pure), behaviour (pure), and the controller around them."""

from __future__ import annotations

from apiserver.apimachinery.objects import Object
from apiserver.client.informer import Handler
from controllers.framework.context import Context
from controllers.framework.controller import Controller, request_of
from controllers.framework.kinds import HORIZONTAL_POD_AUTOSCALERS, PODS
from controllers.framework.manager import Loop
from controllers.loops.horizontalpodautoscaler.controller import PERIOD, Autoscalers

WORKERS = 5


def build(context: Context) -> Loop:
    autoscalers = Autoscalers(context)
    controller = Controller("horizontal-pod-autoscaler-controller", autoscalers, workers=WORKERS)

    def updated(old: Object, new: Object) -> None:
        """A changed spec is looked at once, a changed status (mostly our own) when the next look is due anyway."""
        if old["metadata"].get("generation") != new["metadata"].get("generation"):
            controller.queue.add(request_of(new))
        else:
            controller.queue.add_after(request_of(new), PERIOD)

    def deleted(gone: Object) -> None:
        autoscalers.forget(request_of(gone))

    informer = context.informer(HORIZONTAL_POD_AUTOSCALERS)
    informer.add_handler(Handler(lambda new: controller.queue.add(request_of(new)), updated, deleted))
    controller.needs(informer)
    controller.needs(context.informer(PODS))
    return controller
