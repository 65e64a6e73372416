"""The other process of the gateway: the relay of its outbox, what it hears, and forgetting what is over."""

import asyncio

from services.gateway import usecases
from services.gateway.listens import SUBSCRIPTIONS
from services.gateway.settings import Settings
from services.kit import worker
from services.kit.db import Database


async def purge(db: Database) -> None:
    while True:
        await usecases.purge(db)
        await asyncio.sleep(3600)


if __name__ == "__main__":
    worker.run("gateway", Settings.read(), SUBSCRIPTIONS, background=[purge])
