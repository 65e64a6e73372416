"""Before a service starts: does the log hold something this service said that its database does not know?

Then the database was restored from a backup older than its own last events, and going on would use seq numbers twice.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.errors import KafkaError

from contracts import cards, registry
from contracts.envelope import Envelope, Undecodable
from services.kit.db import Database


class LogIsAhead(SystemExit):
    """The process ends with this message: what is wrong and what to type."""


def topics_of(service: str) -> set[str]:
    """The topics a service writes."""
    owned = {event.EVENT.topic for event in registry.load().values() if event.EVENT.owner == service}
    return owned | {"cases", "tasks", cards.TOPIC}


async def check(db: Database, connection: dict[str, Any]) -> None:
    """Raises `LogIsAhead`. Reads only what lies behind the last record the relay knows to be its own."""
    kafka = await _connected(topics_of(db.service), connection)
    try:
        partitions = kafka.assignment()
        ends, starts = await kafka.end_offsets(partitions), await kafka.beginning_offsets(partitions)
        async with db.connection() as conn:  # after the ends: another process of this service may be emitting
            known = {
                (row["topic"], row["partition"]): row["last_offset"]
                for row in await conn.fetch("select topic, partition, last_offset from kit.published")
            }
            last_row = await conn.fetchval("select greatest((select max(id) from kit.outbox), (select max(last_row) from kit.published), 0)")
        froms = {tp: max(known.get((tp.topic, tp.partition), -1) + 1, starts[tp]) for tp in partitions}
        for tp in partitions:
            kafka.seek(tp, min(froms[tp], ends[tp]))
        unread = {tp for tp in partitions if froms[tp] < ends[tp]}
        while unread:
            for tp, records in (await kafka.getmany(timeout_ms=200, max_records=1000)).items():
                await _refuse_unknown(db, last_row, tp.topic, [record for record in records if record.offset < ends[tp]])
            for tp in list(unread):
                if await kafka.position(tp) >= ends[tp]:
                    unread.discard(tp)
    finally:
        await kafka.stop()


async def _connected(topics: set[str], connection: dict[str, Any]) -> AIOKafkaConsumer:
    """Waits half a minute for a broker that is still starting; then the connection's own error."""
    patience = asyncio.get_running_loop().time() + 30
    while True:
        kafka = AIOKafkaConsumer(*topics, **connection, enable_auto_commit=False)
        try:
            await kafka.start()
            return kafka
        except KafkaError:
            await kafka.stop()
            if asyncio.get_running_loop().time() > patience:
                raise
            await asyncio.sleep(0.5)


async def _refuse_unknown(db: Database, last_row: int, topic: str, records: Sequence[ConsumerRecord]) -> None:
    """`records` lie before the end that was read before `last_row` was: what another process says meanwhile lies behind both.

    A row that committed late may be missing below the last one: the counters tell.
    """
    ours = [(record, envelope) for record in records if (envelope := _envelope(record)) and envelope.source == db.service]
    async with db.connection() as conn:
        counters = await conn.fetch(
            "select key, last from kit.counter where topic = $1 and key = any($2::text[])", topic, [envelope.key for _, envelope in ours]
        )
    last = {row["key"]: row["last"] for row in counters}
    for record, envelope in ours:
        if envelope.row > last_row or (topic != cards.TOPIC and envelope.seq > last.get(envelope.key, 0)):
            raise LogIsAhead(
                f"{db.service}: the log holds {envelope.type} (row {envelope.row}, {record.topic}-{record.partition} at {record.offset}), which the"
                f" database, ending at row {last_row}, lacks: it was restored from a backup older than its own events. Restore a later backup or"
                f" replay its archived WAL to the end, then start again. `entraide status` shows each service's last row."
            )


def _envelope(record: ConsumerRecord) -> Envelope | None:
    try:
        return Envelope.from_headers(record.headers)
    except Undecodable:
        return None
