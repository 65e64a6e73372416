"""The other process of tracking: the fold, relay, watchdog, and a rebuild when the fold has changed."""

import asyncio
from functools import partial

from services.kit import kafka, worker
from services.kit.db import Database
from services.tracking import rebuild, stream
from services.tracking.listens import SUBSCRIPTIONS
from services.tracking.settings import Settings
from services.tracking.usecases import persons, work

DEADLINES = {work.WATCHDOG: work.on_overdue}


async def sweep(db: Database) -> None:
    while True:
        async with db.transaction() as tx:
            await persons.sweep(tx)
        await asyncio.sleep(3600)


if __name__ == "__main__":
    settings = Settings.read()
    work.grace = settings.watchdog_grace
    background: list[worker.Background] = [stream.notify, sweep, partial(rebuild.when_outdated, connection=kafka.connection(settings))]
    worker.run("tracking", settings, SUBSCRIPTIONS, DEADLINES, background)
