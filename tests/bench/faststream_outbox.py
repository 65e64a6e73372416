"""Yardstick `faststream_outbox`: the hop on FastStream with faststream-outbox, as its documentation writes it.

Every setting of the subscriber and the table is the package's default; the outbox row is published within the session's
transaction, and one decorated function relays it. Added to the documented lines: the message key (order per case), acks=all,
idempotence, and no log line per message.
"""

import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import sqlalchemy as sa
from faststream import AckPolicy
from faststream.kafka import KafkaResponse
from faststream_outbox import OutboxBroker, make_outbox_table
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import async_sessionmaker

from tests.bench import hop
from tests.bench.engines import Engines, Scratch, scratch_given, serve
from tests.bench.faststream_parts import create, database, effect, effect_row, inbox, kafka, run
from tests.bench.hop import Event, Latency, Version, Write, following

QUEUE = "events"

metadata = sa.MetaData()
outbox_table = make_outbox_table(metadata, table_name="outbox")
next_outbox_table = make_outbox_table(metadata, table_name="next_outbox")


async def backlog(place: Scratch, events: list[Event]) -> float:
    engine = database(place)
    broker = OutboxBroker(engine, outbox_table=outbox_table, logger=None)
    async with async_sessionmaker(engine)() as session, session.begin():
        await broker.publish_batch(*(e.content for e in events), queue=QUEUE, session=session)
        committing = time.time()
    await engine.dispose()
    return committing


@asynccontextmanager
async def writer(place: Scratch) -> AsyncIterator[Write]:
    engine = database(place)
    broker = OutboxBroker(engine, outbox_table=outbox_table, logger=None)
    sessions = async_sessionmaker(engine)

    async def write(event: Event) -> float:
        async with sessions() as session, session.begin():
            await broker.publish(event.content, queue=QUEUE, session=session)
            return time.time()

    yield write
    await engine.dispose()


async def relay(place: Scratch) -> None:
    engine, broker_kafka = database(place), kafka(place)
    broker_outbox = OutboxBroker(engine, outbox_table=outbox_table, logger=None)

    @broker_kafka.publisher(place.topic)
    @broker_outbox.subscriber(QUEUE)
    async def relay_event(body: dict[str, Any]) -> KafkaResponse:
        return KafkaResponse(body, key=body["key"].encode())

    await broker_kafka.connect()
    await run(engine, broker_outbox, broker_kafka)


async def consumer(place: Scratch) -> None:
    engine, broker = database(place), kafka(place)
    sessions = async_sessionmaker(engine)
    next_outbox = OutboxBroker(engine, outbox_table=next_outbox_table, logger=None)

    @broker.subscriber(place.topic, group_id=place.topic, auto_offset_reset="earliest", ack_policy=AckPolicy.NACK_ON_ERROR)
    async def take_effect(event: dict[str, Any]) -> None:
        async with sessions() as session, session.begin():
            unseen = insert(inbox).values(event_id=event["id"]).on_conflict_do_nothing().returning(inbox.c.event_id)
            if await session.scalar(unseen) is None:
                return
            await session.execute(sa.insert(effect), effect_row(event))
            await next_outbox.publish(following(event), queue=QUEUE, session=session)

    await run(engine, broker)


OUTBOX = Version("faststream_outbox", "tests.bench.faststream_outbox", partial(create, tables=metadata), backlog, writer)


async def drain(engines: Engines, n: int = 2_000) -> float:
    return await hop.drain(engines, OUTBOX, n)


async def light(engines: Engines, rate: float = 20, n: int = 200) -> Latency:
    return await hop.light(engines, OUTBOX, rate, n)


if __name__ == "__main__":
    serve({"relay": relay, "consumer": consumer}[sys.argv[1]](scratch_given()))
