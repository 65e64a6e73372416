"""Before a service starts: does the log hold something this service said that its database does not know?

Then the database was restored from a backup older than its own last events, and going on would use seq numbers twice.
"""

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer
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
    async with db.connection() as conn:
        known = {
            (row["topic"], row["partition"]): row["last_offset"]
            for row in await conn.fetch("select topic, partition, last_offset from kit.published")
        }
        last_row = await conn.fetchval("select greatest((select max(id) from kit.outbox), (select max(last_row) from kit.published), 0)")
    kafka = await _connected(topics_of(db.service), connection)
    try:
        partitions = kafka.assignment()
        ends, starts = await kafka.end_offsets(partitions), await kafka.beginning_offsets(partitions)
        froms = {tp: max(known.get((tp.topic, tp.partition), -1) + 1, starts[tp]) for tp in partitions}
        for tp in partitions:
            kafka.seek(tp, min(froms[tp], ends[tp]))
        unread = {tp for tp in partitions if froms[tp] < ends[tp]}
        while unread:
            for records in (await kafka.getmany(timeout_ms=200, max_records=1000)).values():
                for record in records:
                    _refuse_unknown(db.service, last_row, record)
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


def _refuse_unknown(service: str, last_row: int, record: Any) -> None:
    try:
        envelope = Envelope.from_headers(record.headers)
    except Undecodable:
        return
    if envelope.source == service and envelope.row > last_row:
        raise LogIsAhead(
            f"{service}: the log holds {envelope.type} (row {envelope.row}, {record.topic}-{record.partition} at {record.offset}), but the database"
            f" ends at row {last_row}: it was restored from a backup older than its own events. Restore a later backup or replay its archived WAL"
            f" to the end, then start again. `entraide status` shows each service's last row."
        )
