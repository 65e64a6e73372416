"""From the log to the handlers: one task per topic, a batch per partition in one transaction, effects once.

The position of each partition is a row of the same transaction, and on assignment the consumer seeks to it; Kafka's committed
offset only feeds lag metrics. A batch that fails falls back to one record at a time; a record that still fails is parked.
Failures of infrastructure are retried for ever and never parked.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from services.kit import failpoints, marks, metrics, parking, pausing
from services.kit.db import Database
from services.kit.delivery import Batch, Item
from services.kit.marks import Leaving
from services.kit.parking import Raw
from services.kit.subscriptions import PATIENT_S, UNHANDLED_S, Table

BATCH = 500
AHEAD = 10_000  # what the client holds, it asks for no more of: its other partitions then wait at the broker, and that one waits for them
COMPANY_BYTES = 65_536
POLL_MS = 500  # records that are there come at once
PARTITIONS_AT_ONCE = 4  # each holds a connection
LOOK_S = 2  # between two looks at what an operator may have changed
COMMIT_S = 5  # Kafka's own offset, which only lag metrics read
TRIES = 3
HANDLER_S = 30

log = structlog.get_logger()


def infrastructure(failure: BaseException) -> bool:
    """True for what passes by itself: connections, deadlocks, time-outs, a full disk, a restart."""
    if isinstance(failure, asyncpg.InFailedSQLTransactionError):
        return False  # a handler went on after a failed statement
    if isinstance(failure, asyncpg.PostgresError):
        return (failure.sqlstate or "")[:2] in ("08", "40", "53", "55", "57", "58", "25") or isinstance(failure, asyncpg.InvalidCachedStatementError)
    if isinstance(failure, asyncpg.InterfaceError):  # the others are wrong uses of ours
        return any(word in str(failure) for word in ("is closed", "is closing", "released back"))
    return isinstance(failure, OSError | TimeoutError | KafkaError | asyncpg.InternalClientError)  # the last: cut off in the middle of a word


class Consumer:
    def __init__(self, db: Database, connection: dict[str, Any], topic: str, table: Table) -> None:
        self._db = db
        self._topic = topic
        self._table = table
        self._unhurried = table.unhurried(topic)  # then records wait for company at the broker, which spares a fetch each as well
        self._busy = asyncio.Lock()  # held while records are applied, never while polling
        self._slots = asyncio.Semaphore(PARTITIONS_AT_ONCE)
        self._next: dict[int, int | None] = {}  # partition -> stored position; what comes from any other partition is read again
        self._held: dict[TopicPartition, tuple[float, list[ConsumerRecord]]] = {}  # until when, and what nobody waits for
        self._committed: dict[int, int | None] = {}
        self._committed_at = self._looked_at = 0.0
        self.progressed_at = time.monotonic()
        self._kafka = AIOKafkaConsumer(
            **connection,
            group_id=f"{db.service}.{topic}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=10_000,
            heartbeat_interval_ms=3_000,
            fetch_min_bytes=COMPANY_BYTES if self._unhurried else 1,
            fetch_max_wait_ms=int(PATIENT_S * 1000) if self._unhurried else 500,  # otherwise a record that comes is answered at once
            max_partition_fetch_bytes=1_048_576,
        )

    async def run(self) -> None:
        """For ever; ends by cancellation, or by an error that only a restart mends."""
        self._kafka.subscribe([self._topic], listener=_Rebalance(self))
        try:
            await self._kafka.start()
            while True:
                try:
                    await self._turn()
                except Exception as failure:
                    if not infrastructure(failure):
                        raise
                    log.info("trying again", topic=self._topic, failure=type(failure).__name__)
                    self._next.clear()
                    await asyncio.sleep(0.5)
        finally:
            with contextlib.suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(5):
                    await self._kafka.stop()

    async def _turn(self) -> None:
        if time.monotonic() - self._looked_at > LOOK_S:
            async with self._db.connection() as conn:
                paused, stored = await pausing.is_paused(conn, self._topic), await marks.positions(conn, self._topic)
            if paused:
                self.progressed_at = time.monotonic()  # it does what it should
                await asyncio.sleep(LOOK_S)
                return
            self._notice_moves(stored)
            self._looked_at = time.monotonic()
        lost = [partition for partition in self._kafka.assignment() if partition.partition not in self._next]
        if lost:
            await self._seek(lost)
        room = AHEAD - sum(len(records) for _, records in self._held.values())
        polled = await self._kafka.getmany(timeout_ms=self._poll_ms(), max_records=room) if room > 0 else {}
        async with self._busy:
            await asyncio.gather(*(self._apply_in_turn(partition, records) for partition, records in self._due(polled).items()))
        self._note_progress()
        await self._commit()

    def _due(self, polled: dict[TopicPartition, list[ConsumerRecord]]) -> dict[TopicPartition, list[ConsumerRecord]]:
        """What to apply now, of each partition a batch. Records that nobody waits for are held until one comes that somebody does, or their
        patience ends."""
        now = time.monotonic()
        due = {}
        for partition in polled.keys() | self._held.keys():
            until, held = self._held.pop(partition, (now if self._unhurried else now + UNHANDLED_S, []))
            for record in polled.get(partition, []):
                if until > now:
                    until = min(until, now + self._table.patience(self._topic, record.headers))
                held.append(record)
            if until <= now or len(held) >= BATCH:
                due[partition], held = held[:BATCH], held[BATCH:]
            if held:
                self._held[partition] = until, held
        return due

    def _poll_ms(self) -> int:
        """Until a record comes; what is held shortens it."""
        if not self._held:
            return POLL_MS
        ends = min(until for until, _ in self._held.values())
        return max(1, min(POLL_MS, math.ceil((ends - time.monotonic()) * 1000)))

    def _notice_moves(self, stored: dict[int, int]) -> None:
        """Positions that an operator set back: also where no record comes any more."""
        for partition, expected in list(self._next.items()):
            if stored.get(partition) != expected:
                self._next.pop(partition, None)

    async def _apply_in_turn(self, partition: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
        async with self._slots:
            if partition.partition in self._next:
                await self._apply(partition, records)

    async def _apply(self, partition: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
        """Where part of the batch has to be read again, the partition is no longer in `_next`."""
        items = [Item.of(_raw(record)) for record in records]
        try:
            await self._transact(partition.partition, items)
        except marks.Overtaken:
            self._next.pop(partition.partition, None)
        except Exception as failure:  # noqa: BLE001 - the batch is tried again one by one; what a handler raises is its own
            if not infrastructure(failure):
                log.info("batch failed, one by one", topic=self._topic, failure=type(failure).__name__)
            await self._one_by_one(partition, items)

    async def _one_by_one(self, partition: TopicPartition, items: Sequence[Item]) -> None:
        for item in items:
            tries, refused, wait = 0, None, 0.05
            while partition.partition in self._next:
                try:
                    await self._transact(partition.partition, [item], refused)
                    break
                except marks.Overtaken:
                    self._next.pop(partition.partition, None)
                except Exception as failure:  # noqa: BLE001 - whatever a handler raises ends in the parking
                    if infrastructure(failure):
                        if partition not in self._kafka.assignment():
                            self._next.pop(partition.partition, None)
                        wait = min(wait * 2, 5)
                    else:
                        tries += 1
                        if tries >= TRIES:
                            refused = parking.cause_of(failure)
                await asyncio.sleep(wait)
            else:
                return

    async def _transact(self, partition: int, items: Sequence[Item], refused: str | None = None) -> None:
        expected = self._next[partition]
        items = [item for item in items if expected is None or item.raw.offset >= expected]
        if not items:
            return
        following, paused = items[-1].raw.offset + 1, False
        batch = Batch(self._table, self._topic, items)
        async with asyncio.timeout(HANDLER_S), self._db.transaction(enter=batch.enter) as tx:
            if await batch.apply(tx, refused) and await parking.too_many(tx.conn, self._topic):
                paused = True
                await pausing.pause(tx, self._topic)
            await tx.flush(Leaving(self._topic, batch.raised, partition, expected, following))
            failpoints.hit("consumer.before_commit")
        self._next[partition] = following
        self.progressed_at = time.monotonic()
        if paused:
            self._next.clear()
            self._looked_at = 0.0
        failpoints.hit("consumer.after_commit")

    async def assigned(self, partitions: Iterable[TopicPartition]) -> None:
        self._next.clear()
        await self._seek(partitions)

    async def revoked(self) -> None:
        """Waits for the batch in hand."""
        async with self._busy:
            self._next.clear()

    async def _seek(self, partitions: Iterable[TopicPartition]) -> None:
        async with self._db.connection() as conn:
            stored = await marks.positions(conn, self._topic)
        for partition in set(partitions) & self._kafka.assignment():
            self._held.pop(partition, None)
            position = stored.get(partition.partition)
            if position is not None:
                self._kafka.seek(partition, position)
            elif not await self._kafka.seek_to_beginning(partition):
                continue  # taken away meanwhile
            self._next[partition.partition] = position

    def _note_progress(self) -> None:
        behind = 0
        for partition in self._kafka.assignment():
            end = self._kafka.highwater(partition)
            if end is not None and partition.partition in self._next:
                behind += max(0, end - (self._next[partition.partition] or 0))
        metrics.lag.labels(self._db.service, self._topic).set(behind)
        if behind == 0:
            self.progressed_at = time.monotonic()

    async def _commit(self) -> None:
        if time.monotonic() - self._committed_at < COMMIT_S:
            return
        self._committed_at = time.monotonic()
        mine = self._kafka.assignment()
        moved = {tp: offset for tp in mine if (offset := self._next.get(tp.partition)) not in (None, self._committed.get(tp.partition))}
        if moved:
            with contextlib.suppress(KafkaError):
                await self._kafka.commit(moved)
                self._committed.update({tp.partition: offset for tp, offset in moved.items()})


class _Rebalance(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: list[TopicPartition]) -> None:
        await self._consumer.revoked()

    async def on_partitions_assigned(self, assigned: list[TopicPartition]) -> None:
        await self._consumer.assigned(assigned)


def _raw(record: ConsumerRecord) -> Raw:
    return Raw(record.topic, record.partition, record.offset, record.key, tuple(record.headers), record.value)
