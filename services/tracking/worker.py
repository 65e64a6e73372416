"""The other process of tracking: the fold, relay, watchdog, and a rebuild when the fold has changed."""

from functools import partial

from services.kit import kafka, worker
from services.tracking import rebuild, stream
from services.tracking.listens import SUBSCRIPTIONS
from services.tracking.settings import Settings
from services.tracking.usecases import work

DEADLINES = {work.WATCHDOG: work.on_overdue}

if __name__ == "__main__":
    settings = Settings.read()
    work.grace = settings.watchdog_grace
    background: list[worker.Background] = [stream.notify, partial(rebuild.when_outdated, connection=kafka.connection(settings))]
    worker.run("tracking", settings, SUBSCRIPTIONS, DEADLINES, background)
