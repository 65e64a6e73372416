"""Yardstick `raw`: the hop tuned by hand on asyncpg and aiokafka, with no layer between.

One relay keeps id order, so order per key. Batches of 500 both ways: the relay reads, sends pipelined and deletes what Kafka
confirmed; the consumer writes inbox, effects and next outbox rows in one statement, which is one transaction. Wake-up is one
NOTIFY after the commit. Tried without gain: batches of 1,000, and record batches built by hand in place of `send`.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from tests.bench import hop
from tests.bench.engines import Engines, Scratch, ready, scratch_given, serve
from tests.bench.hop import Event, Latency, Version, Write, following

BATCH = 500
POLL_S = 0.5
COMMIT_EVERY_S = 0.2
TABLES = """
CREATE TABLE outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key text NOT NULL, body bytea NOT NULL);
CREATE TABLE next_outbox (LIKE outbox INCLUDING ALL);
"""
INSERT = "INSERT INTO outbox (key, body) SELECT * FROM unnest($1::text[], $2::bytea[])"
READ = "SELECT id, key, body FROM outbox ORDER BY id LIMIT $1"
DELETE = "DELETE FROM outbox WHERE id = ANY($1::bigint[])"
TAKE_EFFECT = """
WITH arrived AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::int[], $4::bigint[], $5::bytea[])
        WITH ORDINALITY AS a (event_id, case_id, seq, amount_cents, next, n)),
fresh AS (INSERT INTO inbox SELECT event_id FROM arrived ON CONFLICT DO NOTHING RETURNING event_id),
effects AS (
    INSERT INTO effect (event_id, case_id, seq, amount_cents)
        SELECT event_id, case_id, seq, amount_cents FROM arrived JOIN fresh USING (event_id) ORDER BY n)
INSERT INTO next_outbox (key, body) SELECT case_id, next FROM arrived JOIN fresh USING (event_id) ORDER BY n
"""


async def create(place: Scratch) -> None:
    db = await place.connect()
    await db.execute(TABLES)
    await db.close()


async def backlog(place: Scratch, events: list[Event]) -> float:
    db = await place.connect()
    async with db.transaction():
        await db.execute(INSERT, [e.case_id for e in events], [e.body for e in events])
        committing = time.time()
    await db.execute("SELECT pg_notify($1, '')", place.schema)
    await db.close()
    return committing


@asynccontextmanager
async def writer(place: Scratch) -> AsyncIterator[Write]:
    db = await place.connect()

    async def write(event: Event) -> float:
        async with db.transaction():
            await db.execute(INSERT, [event.case_id], [event.body])
            committing = time.time()
        await db.execute("SELECT pg_notify($1, '')", place.schema)
        return committing

    yield write
    await db.close()


async def relay(place: Scratch) -> None:
    db = await place.connect()
    woken = asyncio.Event()
    await db.add_listener(place.schema, lambda *_: woken.set())
    producer = AIOKafkaProducer(**place.engines.aiokafka(), acks="all", enable_idempotence=True, max_batch_size=131_072)
    await producer.start()
    await producer.partitions_for(place.topic)
    ready()
    try:
        while True:
            woken.clear()
            rows = await db.fetch(READ, BATCH)
            if rows:
                sends = [await producer.send(place.topic, row["body"], row["key"].encode()) for row in rows]
                await asyncio.gather(*sends)
                await db.execute(DELETE, [row["id"] for row in rows])
            else:
                with suppress(TimeoutError):
                    await asyncio.wait_for(woken.wait(), POLL_S)
    finally:
        await producer.stop()
        await db.close()


async def consumer(place: Scratch) -> None:
    db = await place.connect()
    kafka = AIOKafkaConsumer(
        place.topic,
        **place.engines.aiokafka(),
        group_id=place.topic,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        fetch_max_wait_ms=100,
        max_poll_records=BATCH,
    )
    await kafka.start()
    for partition in kafka.assignment():
        await kafka.position(partition)
    ready()
    done: dict[TopicPartition, int] = {}
    committed = time.monotonic()
    try:
        while True:
            polled = await kafka.getmany(timeout_ms=1000, max_records=BATCH)
            events = (orjson.loads(record.value) for records in polled.values() for record in records)
            outcomes = {event["id"]: outcome(event) for event in events}
            if outcomes:
                await db.execute(TAKE_EFFECT, *map(list, zip(*outcomes.values(), strict=True)))
            done |= {partition: records[-1].offset + 1 for partition, records in polled.items()}
            if done and time.monotonic() - committed > COMMIT_EVERY_S:
                await kafka.commit(done)
                done, committed = {}, time.monotonic()
    finally:
        await kafka.stop()
        await db.close()


def outcome(event: dict[str, Any]) -> tuple[str, str, int, int, bytes]:
    return event["id"], event["key"], event["seq"], event["data"]["amount_cents"], orjson.dumps(following(event))


RAW = Version("raw", "tests.bench.raw", create, backlog, writer)


async def drain(engines: Engines, n: int = 20_000) -> float:
    return await hop.drain(engines, RAW, n)


async def light(engines: Engines, rate: float = 20, n: int = 200) -> Latency:
    return await hop.light(engines, RAW, rate, n)


if __name__ == "__main__":
    serve({"relay": relay, "consumer": consumer}[sys.argv[1]](scratch_given()))
