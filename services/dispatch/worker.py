"""The other process of dispatch: relay, consumers, deadlines, and the end of old feeds."""

import asyncio

from services.dispatch.listens import SUBSCRIPTIONS
from services.dispatch.settings import Settings
from services.dispatch.usecases import answers, cards, desk, missions
from services.kit import worker
from services.kit.db import Database

DEADLINES = {"offer_expires": desk.expire, "amendment_unanswered": desk.unanswered, "answer_given": answers.follow_up}


async def purge(db: Database) -> None:
    while True:
        async with db.transaction() as tx:
            await cards.purge(tx)
        await asyncio.sleep(3600)


if __name__ == "__main__":
    settings = Settings.read()
    missions.rules = settings.rules
    worker.run("dispatch", settings, SUBSCRIPTIONS, DEADLINES, [purge])
