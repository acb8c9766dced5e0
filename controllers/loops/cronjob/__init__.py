"""CronJobs: when a schedule is due (pure), what was missed (pure), and the controller that makes and clears jobs."""

from __future__ import annotations

from apiserver.apimachinery.cron import CronError
from apiserver.apimachinery.objects import Object
from apiserver.client.informer import Handler
from controllers.framework.context import Context
from controllers.framework.controller import Controller, request_of
from controllers.framework.kinds import CRON_JOBS, JOBS
from controllers.framework.manager import Loop
from controllers.framework.ownership import owner_requests
from controllers.loops.cronjob import facts
from controllers.loops.cronjob.controller import COMPONENT, CronJobs

WORKERS = 5


def build(context: Context) -> Loop:
    reconciler = CronJobs(context)
    controller = Controller(COMPONENT, reconciler, workers=WORKERS)

    def updated(old: Object, new: Object) -> None:
        """A new schedule is looked at when it is due, all else at once."""
        if all(old["spec"].get(field) == new["spec"].get(field) for field in ("schedule", "timeZone")):
            controller.queue.add(request_of(new))
            return
        try:
            schedule = reconciler.schedule_of(new)
        except CronError:
            about = {"apiVersion": facts.API_VERSION, "kind": facts.KIND, **new}
            message = f"unparseable schedule for cronjob: {new['spec']['schedule']}"
            reconciler.recorder.event(about, "Warning", "UnParseableCronJobSchedule", message)
            return
        controller.queue.add_after(request_of(new), facts.wait(new, schedule, context.clock.now()))

    informer = context.informer(CRON_JOBS)
    informer.add_handler(
        Handler(
            added=lambda new: controller.queue.add(request_of(new)),
            updated=updated,
            deleted=lambda gone: controller.queue.add(request_of(gone)),
        )
    )
    controller.needs(informer)
    controller.watch(context.informer(JOBS), owner_requests("CronJob", "batch"))
    return controller
