"""Builds the folded cases again from the log, beside those in use, and swaps them: `python -m services.tracking.rebuild`.

The live fold goes on meanwhile and stops only for the swap, which folds what came since and renames, in one transaction. It
leaves the same rows that the live fold made: a record that had waited for a missing one waits here too. Work is not rebuilt.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic import ValidationError

from contracts import registry
from contracts.case_state import FOLD_VERSION
from contracts.envelope import Envelope, Undecodable
from services.kit import kafka, marks
from services.kit.db import Connection, Database
from services.kit.subscriptions import Received
from services.tracking.settings import Settings
from services.tracking.store import changes, rebuilding, views
from services.tracking.usecases.fold import fold

TOPIC = "cases"
BATCH = 1000
CLOSE = 2000  # records behind the live fold at which it is made to wait for the swap
log = structlog.get_logger()

Offsets = dict[int, int]


@dataclass(slots=True)
class InOrder:
    """Lets records through in the order in which the live fold applied them: one that came too early waits, and all of its key behind it."""

    _seen: dict[tuple[str, str], int] = field(default_factory=dict)
    _waiting: dict[str, list[Received]] = field(default_factory=dict)

    def let_through(self, received: Received) -> list[Received]:
        key = received.envelope.key
        queue = self._waiting.get(key, [])
        ahead = self._ahead(received)
        if ahead < 0:
            return []
        if ahead > 0 or (queue and not self._fills(received, queue)):
            self._waiting.setdefault(key, []).append(received)
            return []
        passed = [self._pass(received)]
        while queue and self._ahead(queue[0]) <= 0:
            first = queue.pop(0)
            if self._ahead(first) == 0:
                passed.append(self._pass(first))
        if not queue:
            self._waiting.pop(key, None)
        return passed

    def _fills(self, received: Received, queue: list[Received]) -> bool:
        """True for what the key has waited for: of a source whose later records stand in the queue."""
        return any(one.envelope.source == received.envelope.source for one in queue)

    def _ahead(self, received: Received) -> int:
        """How many before it are missing; below 0 for a duplicate."""
        return received.envelope.seq - 1 - self._seen.get((received.envelope.source, received.envelope.key), 0)

    def _pass(self, received: Received) -> Received:
        self._seen[received.envelope.source, received.envelope.key] = received.envelope.seq
        return received


async def rebuild(db: Database, connection: dict[str, Any]) -> int:
    """Returns how many records it read; 0 when another process is at it."""
    async with db.connection() as guard:
        if not await rebuilding.claim(guard):
            return 0
        reader = AIOKafkaConsumer(**connection, enable_auto_commit=False, max_partition_fetch_bytes=4_194_304)
        await reader.start()
        try:
            await rebuilding.begin(guard)
            return await _Rebuild(db, reader).run()
        finally:
            await reader.stop()
            await rebuilding.give_up(guard)


class _Rebuild:
    def __init__(self, db: Database, reader: AIOKafkaConsumer) -> None:
        self._db = db
        self._reader = reader
        self._order = InOrder()
        self._events = registry.load()
        self._at: Offsets = {}

    async def run(self) -> int:
        while await self._behind() > CLOSE:
            async with self._db.transaction() as tx:
                await self._read_up_to(tx.conn, await marks.positions(tx.conn, TOPIC), BATCH * 5)
        async with self._db.transaction() as tx:
            await rebuilding.stop_the_fold(tx.conn)
            await self._read_up_to(tx.conn, await marks.positions(tx.conn, TOPIC), None)
            await rebuilding.swap(tx.conn)
            await changes.note(tx.conn, await changes.all_cases(tx.conn))
            await changes.tell(tx.conn)
        return sum(self._at.values())

    async def _behind(self) -> int:
        async with self._db.connection() as conn:
            positions = await marks.positions(conn, TOPIC)
        return sum(position - self._at.get(partition, 0) for partition, position in positions.items())

    async def _read_up_to(self, conn: Connection, positions: Offsets, most: int | None) -> None:
        """Folds what lies before the positions of the live fold, `most` records of it at most."""
        wanted = {TopicPartition(TOPIC, partition): end for partition, end in positions.items() if self._at.get(partition, 0) < end}
        if not wanted:
            return
        self._reader.assign(list(wanted))
        for partition in wanted:
            self._reader.seek(partition, self._at.get(partition.partition, 0))
        left = most
        while wanted and (left is None or left > 0):
            polled = await self._reader.getmany(timeout_ms=200, max_records=BATCH)
            for partition, records in polled.items():
                before = [record for record in records if partition in wanted and record.offset < wanted[partition]]
                await self._fold(conn, before)
                left = None if left is None else left - len(before)
            for partition in list(wanted):
                reached = min(await self._reader.position(partition), wanted[partition])
                self._at[partition.partition] = reached
                if reached == wanted[partition]:
                    del wanted[partition]

    async def _fold(self, conn: Connection, records: Iterable[Any]) -> None:
        let_through = [one for record in records if (received := self._received(record)) for one in self._order.let_through(received)]
        if let_through:
            _, change = await fold(conn, "view_next", let_through)
            if change:
                await views.save_beside(conn, change)

    def _received(self, record: Any) -> Received | None:
        """None for what the live fold parks for ever: undecodable, or of a source that does not own the type."""
        try:
            envelope = Envelope.from_headers(record.headers)
        except Undecodable:
            return None
        if not registry.owns(envelope.source, envelope.type) or record.value is None:
            return None
        model = self._events.get(envelope.type)
        try:
            return Received(envelope, model.model_validate_json(record.value) if model else None)
        except ValidationError:
            return None


async def when_outdated(db: Database, connection: dict[str, Any]) -> None:
    """In the worker: rebuilds once after an upgrade of the fold, then rests for ever."""
    async with db.connection() as conn:
        outdated = await rebuilding.oldest_fold(conn) < FOLD_VERSION
    if outdated:
        log.info("the fold has changed: rebuilding", version=FOLD_VERSION)
        log.info("rebuilt", records=await rebuild(db, connection))
    await asyncio.Event().wait()


async def _main() -> None:
    settings = Settings.read()
    db = await Database.connect("tracking", settings.database_url.get_secret_value(), size=3)
    try:
        log.info("rebuilt", records=await rebuild(db, kafka.connection(settings)))
    finally:
        await db.close()


if __name__ == "__main__":
    asyncio.run(_main())
