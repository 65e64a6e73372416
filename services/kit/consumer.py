"""From the log to the handlers: one task per topic, and per partition one that applies batches, each in one transaction, effects once.

The position of each partition is a row of the same transaction, and on assignment the consumer seeks to it; Kafka's committed
offset only feeds lag metrics. A batch that fails is halved, down to one record; a record that still fails is parked.
Failures of infrastructure are retried for ever and never parked.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Iterable, Sequence
from datetime import datetime
from typing import Any

import asyncpg
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from services.kit import failpoints, marks, metrics, parking, pausing
from services.kit.clock import Clock
from services.kit.db import Connection, Database
from services.kit.delivery import Batch, Item
from services.kit.holding import Holding
from services.kit.subscriptions import PATIENT_S, Table

BATCH = 1_000
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
        self._slots = asyncio.Semaphore(PARTITIONS_AT_ONCE)
        self._room = asyncio.Event()
        self._clock = Clock()
        self._careful: set[int] = set()  # partitions of which the next batch asks before it applies
        self._next: dict[int, int | None] = {}  # partition -> stored position; what comes from any other partition is read again
        self._held: dict[TopicPartition, Holding] = {}
        self._working: dict[TopicPartition, asyncio.Task[None]] = {}
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
            for task in self._working.values():
                task.cancel()
            await self._rest()
            with contextlib.suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(5):
                    await self._kafka.stop()

    async def _turn(self) -> None:
        if time.monotonic() - self._looked_at > LOOK_S:
            async with self._db.connection() as conn:
                paused, stored = await pausing.is_paused(conn, self._topic), await marks.positions(conn, self._topic)
                await self._clock.ask(conn)
            if paused:
                self._next.clear()
                self.progressed_at = time.monotonic()  # it does what it should
                await asyncio.sleep(LOOK_S)
                return
            self._notice_moves(stored)
            self._looked_at = time.monotonic()
        lost = [partition for partition in self._kafka.assignment() - self._working.keys() if partition.partition not in self._next]
        if lost:
            await self._seek(lost)
        room = AHEAD - sum(map(len, self._held.values()))
        if room > 0:
            for partition, records in (await self._kafka.getmany(timeout_ms=POLL_MS, max_records=room)).items():
                self._held.setdefault(partition, Holding(self._patience, BATCH)).add(records)
        else:
            self._room.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_MS / 1000):
                    await self._room.wait()
        self._set_to_work()
        self._note_progress()
        await self._commit()

    def _patience(self, record: ConsumerRecord) -> float:
        return 0 if self._unhurried else self._table.patience(self._topic, record.headers)

    def _set_to_work(self) -> None:
        """Raises what a task raised that has ended."""
        for partition in [partition for partition, task in self._working.items() if task.done()]:
            self._working.pop(partition).result()
        for partition, holding in self._held.items():
            if holding and partition.partition in self._next and partition not in self._working:
                self._working[partition] = asyncio.create_task(self._work(partition, holding))

    async def _work(self, partition: TopicPartition, holding: Holding) -> None:
        """Batch after batch, until nothing is held, or the partition is no longer ours."""
        while await holding.due() and partition.partition in self._next:
            async with self._slots:
                if holding and partition.partition in self._next:
                    await self._apply(partition, [Item.of(record) for record in holding.take()])
            self._room.set()

    async def _rest(self) -> None:
        """Waits for the batches in hand."""
        if self._working:
            await asyncio.wait(self._working.values())

    def _notice_moves(self, stored: dict[int, int]) -> None:
        """Positions that an operator set back: also where no record comes any more. A batch in hand finds out by itself."""
        busy = {partition.partition for partition in self._working}
        for partition, expected in list(self._next.items()):
            if partition not in busy and stored.get(partition) != expected:
                self._next.pop(partition, None)

    async def _apply(self, partition: TopicPartition, items: Sequence[Item]) -> None:
        """Where part of the batch has to be read again, the partition is no longer in `_next`."""
        if partition.partition not in self._careful:
            try:
                await self._transact(partition.partition, items, trusting=True)
                return
            except Exception as failure:  # noqa: BLE001 - whatever it was shows again when the batch has asked
                log.info("batch asks first", topic=self._topic, failure=type(failure).__name__)
                self._careful.add(partition.partition)
        try:
            await self._transact(partition.partition, items)
        except marks.Overtaken:
            self._next.pop(partition.partition, None)
        except Exception as failure:  # noqa: BLE001 - the batch is tried again in halves; what a handler raises is its own
            if len(items) == 1:
                await self._alone(partition, items[0])
                return
            if not infrastructure(failure):
                log.info("batch failed, tried in halves", topic=self._topic, failure=type(failure).__name__)
            middle = len(items) // 2
            for half in (items[:middle], items[middle:]):
                if partition.partition in self._next:
                    await self._apply(partition, half)

    async def _alone(self, partition: TopicPartition, item: Item) -> None:
        tries, refused, wait = 0, None, 0.05
        while partition.partition in self._next:
            try:
                await self._transact(partition.partition, [item], refused)
                return
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

    async def _transact(self, partition: int, items: Sequence[Item], refused: str | None = None, *, trusting: bool = False) -> None:
        expected = self._next[partition]
        items = [item for item in items if expected is None or item.raw.offset >= expected]
        if not items:
            return
        following, paused = items[-1].raw.offset + 1, False
        batch = Batch(self._table, self._topic, items)

        def enter(conn: Connection, _: object) -> Awaitable[datetime]:
            return batch.trust(self._clock) if trusting else batch.ask(conn)

        async with asyncio.timeout(HANDLER_S), self._db.transaction(enter=enter) as tx:
            if await batch.apply(tx, refused) and await parking.too_many(tx.conn, self._topic):
                paused = True
                await pausing.pause(tx, self._topic)
            await tx.flush(batch.leaving(partition, expected, following))
            failpoints.hit("consumer.before_commit")
        if partition in self._next:  # not while it is taken away
            self._next[partition] = following
        self.progressed_at = time.monotonic()
        if batch.usual:
            self._careful.discard(partition)
        if paused:
            self._next.clear()
            self._looked_at = 0.0
        failpoints.hit("consumer.after_commit")

    async def assigned(self, partitions: Iterable[TopicPartition]) -> None:
        await self.revoked()
        await self._seek(partitions)

    async def revoked(self) -> None:
        """Begins no batch any more, and waits for those in hand."""
        self._next.clear()
        for holding in self._held.values():
            holding.clear()
        await self._rest()

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
            self._careful.add(partition.partition)

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
