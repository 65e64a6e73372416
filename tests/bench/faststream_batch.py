"""Yardstick `faststream_batch`: the hop on FastStream with batches (`publish_batch`, `batch=True`) and SQLAlchemy Core.

`publish_batch` puts a batch on one partition whatever its keys, so the order per case is lost here, and only here.
"""

import asyncio
import sys
import time
from functools import partial
from typing import Any

import orjson
import sqlalchemy as sa
from faststream import AckPolicy
from sqlalchemy.dialects.postgresql import BYTEA, insert

from tests.bench import hop
from tests.bench.engines import Engines, Scratch, ready, scratch_given, serve
from tests.bench.faststream_parts import create, database, effect, effect_row, inbox, kafka, run
from tests.bench.hop import Event, Version, following

BATCH = 500
POLL_S = 0.02
MAX_BATCH_BYTES = 1_000_000  # the default 16 KiB raises BatchBufferOverflowException at the 19th event

metadata = sa.MetaData()
outbox, next_outbox = (
    sa.Table(
        name,
        metadata,
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("body", BYTEA, nullable=False),
    )
    for name in ("outbox", "next_outbox")
)


async def backlog(place: Scratch, events: list[Event]) -> float:
    engine = database(place)
    async with engine.begin() as db:
        await db.execute(sa.insert(outbox), [{"key": e.case_id, "body": e.body} for e in events])
        committing = time.time()
    await engine.dispose()
    return committing


async def relay(place: Scratch) -> None:
    engine, broker = database(place), kafka(place, max_batch_size=MAX_BATCH_BYTES)
    await broker.connect()
    ready()
    oldest = sa.select(outbox.c.id).order_by(outbox.c.id).limit(BATCH).with_for_update(skip_locked=True)
    take = sa.delete(outbox).where(outbox.c.id.in_(oldest)).returning(outbox.c.body)
    try:
        while True:
            async with engine.begin() as db:
                bodies = (await db.execute(take)).scalars().all()
                if bodies:
                    await broker.publish_batch(*bodies, topic=place.topic)
            if not bodies:
                await asyncio.sleep(POLL_S)
    finally:
        await broker.stop()
        await engine.dispose()


async def consumer(place: Scratch) -> None:
    engine, broker = database(place), kafka(place)

    @broker.subscriber(
        place.topic,
        batch=True,
        group_id=place.topic,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.NACK_ON_ERROR,
        max_records=BATCH,
        batch_timeout_ms=20,
        fetch_max_wait_ms=100,
    )
    async def take_effect(events: list[dict[str, Any]]) -> None:
        async with engine.begin() as db:
            arrived = {e["id"]: e for e in events}
            unseen = insert(inbox).on_conflict_do_nothing().returning(inbox.c.event_id)
            fresh = set((await db.execute(unseen, [{"event_id": event_id} for event_id in arrived])).scalars())
            new = [event for event_id, event in arrived.items() if event_id in fresh]
            if new:
                await db.execute(sa.insert(effect), [effect_row(e) for e in new])
                await db.execute(sa.insert(next_outbox), [{"key": e["key"], "body": orjson.dumps(following(e))} for e in new])

    await run(engine, broker)


BATCHED = Version("faststream_batch", "tests.bench.faststream_batch", partial(create, tables=metadata), backlog, keeps_order=False)


async def drain(engines: Engines, n: int = 20_000) -> float:
    return await hop.drain(engines, BATCHED, n)


if __name__ == "__main__":
    serve({"relay": relay, "consumer": consumer}[sys.argv[1]](scratch_given()))
