"""What the two FastStream yardsticks share."""

import asyncio
from typing import Any

import sqlalchemy as sa
from faststream.kafka import KafkaBroker
from faststream.security import SASLScram512
from faststream_outbox import OutboxBroker
from sqlalchemy.dialects.postgresql import UUID
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tests.bench.engines import Scratch, ready

inbox = sa.table("inbox", sa.column("event_id", UUID(as_uuid=False)))
effect = sa.table("effect", sa.column("event_id", UUID(as_uuid=False)), *map(sa.column, ("case_id", "seq", "amount_cents")))


def effect_row(event: dict[str, Any]) -> dict[str, Any]:
    return {"event_id": event["id"], "case_id": event["key"], "seq": event["seq"], "amount_cents": event["data"]["amount_cents"]}


def database(place: Scratch) -> AsyncEngine:
    url = place.engines.dsn.replace("postgresql://", "postgresql+asyncpg://", 1)
    return create_async_engine(url, connect_args={"server_settings": place.settings})


def kafka(place: Scratch, **settings: Any) -> KafkaBroker:
    """No log line per message, which the defaults would write."""
    return KafkaBroker(
        place.engines.kafka,
        security=SASLScram512(place.engines.user, place.engines.password),
        acks="all",
        enable_idempotence=True,
        allow_auto_create_topics=False,
        logger=None,
        **settings,
    )


async def create(place: Scratch, tables: sa.MetaData) -> None:
    engine = database(place)
    async with engine.begin() as db:
        await db.run_sync(tables.create_all)
    await engine.dispose()


async def run(engine: AsyncEngine, first: OutboxBroker | KafkaBroker, *others: KafkaBroker) -> None:
    """Starts the first broker, and stops them all when cancelled."""
    await first.start()
    ready()
    try:
        await asyncio.Event().wait()
    finally:
        for broker in (first, *others):
            await broker.stop()
        await engine.dispose()
