"""The other process of reference: relay, consumers, deadlines, and the events of what files have changed."""

import asyncio

import asyncpg

from services.kit import notify, worker
from services.kit.consumer import infrastructure
from services.kit.db import Database
from services.kit.tickets import TicketSigner
from services.reference.listens import SUBSCRIPTIONS
from services.reference.settings import Settings
from services.reference.usecases import coverage, heartbeat, joining, saving, telling, webhooks

DEADLINES = {coverage.RESERVATION: coverage.expire, saving.GUARANTEE_STARTS: telling.restate}
LOOK_S = 0.5
DAY_S = 86_400


async def tell(db: Database) -> None:
    while True:
        told = 0
        try:
            told = await telling.some(db)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError) as failure:
            if not infrastructure(failure):
                raise
        if not told:
            await asyncio.sleep(LOOK_S)


async def beat(db: Database) -> None:
    while True:
        await asyncio.sleep(DAY_S)
        async with db.transaction() as tx:
            await heartbeat.beat(tx)


if __name__ == "__main__":
    settings = Settings.read()
    coverage.hold = settings.hold
    if settings.webhooks_file:
        webhooks.targets = webhooks.read(settings.webhooks_file)
    deadlines = DEADLINES | ({joining.CODE: joining.sending(TicketSigner(settings.ticket_keys_file))} if settings.ticket_keys_file else {})
    worker.run("reference", settings, SUBSCRIPTIONS, deadlines, [tell, beat, webhooks.run, notify.sending(settings)])
