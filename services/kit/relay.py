"""From the outbox to the log: one loop per lane, under a lease, at least once, in row order.

Takes unpublished rows in id order (never "id > last seen": ids commit late), sends them pipelined, marks what the broker
confirmed. After any failed send the producer is thrown away and the loop starts again at the first unmarked row; a relay
that lost its lease marks nothing, and what it still sends late is a duplicate that every consumer drops by its seq.
"""

import asyncio
import contextlib
import time
from typing import Any

import asyncpg
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from services.kit import failpoints, metrics
from services.kit.arrays import plain
from services.kit.clock import new_id
from services.kit.db import Database
from services.kit.outbox import Lane, envelope

LEASE_S = 5
BATCH = {Lane.LIVE: 1000, Lane.BULK: 200}
BULK_ROWS_PER_S = 2_000
SEND_TIMEOUT_S = 20
KEPT_DAYS = 7

log = structlog.get_logger()


class Relay:
    def __init__(self, db: Database, connection: dict[str, Any], lane: Lane, wake: asyncio.Event) -> None:
        self._db = db
        self._connection = connection
        self._lane = lane
        self._wake = wake
        self._token = new_id()
        self._renew_at = 0.0
        self._producer: AIOKafkaProducer | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._name = f"relay-{lane.name.lower()}"

    async def run(self) -> None:
        """For ever; ends only by cancellation."""
        try:
            while True:
                try:
                    sent = await self._turn()
                except (KafkaError, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as failure:
                    log.warning("relay stumbled", lane=self._name, failure=type(failure).__name__)
                    await self._discard()
                    self._renew_at = 0.0
                    await asyncio.sleep(0.5)
                    continue
                if sent == 0:
                    await self._idle()
        finally:
            await self._discard()
            await self._hand_over()

    async def _turn(self) -> int:
        """Sends one batch; the number of rows sent, 0 when there are none or the lease is another's."""
        rows = await self._take()
        if not rows:
            return 0
        failpoints.hit("relay.before_send")
        confirmed = await self._send(rows)
        failpoints.hit("relay.before_mark")
        await self._mark(confirmed)
        metrics.published.labels(self._db.service, self._lane.name.lower()).inc(len(rows))
        if len(confirmed) < len(rows):
            raise TimeoutError("some sends failed")
        if self._lane is Lane.BULK:
            await asyncio.sleep(len(rows) / BULK_ROWS_PER_S)
        return len(rows)

    async def _take(self) -> list[asyncpg.Record]:
        """The next rows in order; none while the lease is another's. Renewing costs a durable commit, so it is done now and then."""
        async with self._db.connection() as conn:
            if time.monotonic() > self._renew_at:
                began = time.monotonic()
                if not await conn.fetchval(_RENEW, self._name, self._token, LEASE_S):
                    return []
                self._renew_at = began + LEASE_S / 3
            rows: list[asyncpg.Record] = await conn.fetch(_TAKE, self._name, self._token, int(self._lane), BATCH[self._lane])
        return rows

    async def _send(self, rows: list[asyncpg.Record]) -> list[tuple[int, str, int, int]]:
        """(row, topic, partition, offset) of each row that the broker confirmed."""
        if self._producer is None:
            self._producer = AIOKafkaProducer(
                **self._connection, enable_idempotence=True, acks="all", linger_ms=0, max_batch_size=131_072, request_timeout_ms=10_000
            )
            await self._producer.start()
        async with asyncio.timeout(SEND_TIMEOUT_S):
            sends = []
            for row in rows:
                made = envelope(self._db.service, row)
                sends.append(
                    await self._producer.send(row["aggregatetype"], row["payload"], key=row["aggregateid"].encode(), headers=made.to_headers())
                )
            outcomes = await asyncio.gather(*sends, return_exceptions=True)
        return [
            (row["id"], row["aggregatetype"], outcome.partition, outcome.offset)
            for row, outcome in zip(rows, outcomes, strict=True)
            if not isinstance(outcome, BaseException)
        ]

    async def _mark(self, confirmed: list[tuple[int, str, int, int]]) -> None:
        ends: dict[tuple[str, int], tuple[int, int]] = {}
        for row, topic, partition, offset in confirmed:
            last_offset, last_row = ends.get((topic, partition), (-1, -1))
            ends[topic, partition] = (max(offset, last_offset), max(row, last_row))
        async with self._db.connection() as conn:
            await conn.execute(
                _MARK,
                self._name,
                self._token,
                plain(row for row, *_ in confirmed),
                [topic for topic, _ in ends],
                [partition for _, partition in ends],
                [offset for offset, _ in ends.values()],
                [row for _, row in ends.values()],
            )

    async def _discard(self) -> None:
        """Waits five seconds; a producer that holds more ends by itself, when the broker has taken it or it has expired."""
        producer, self._producer = self._producer, None
        if producer is not None:
            ending = asyncio.create_task(_end(producer))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
            await asyncio.wait([ending], timeout=5)

    async def _hand_over(self) -> None:
        """Nobody has to wait until the lease runs out."""
        with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            async with self._db.connection() as conn:
                await conn.execute("delete from kit.lease where name = $1 and token = $2", self._name, self._token)

    async def _idle(self) -> None:
        """Until somebody commits, half a second at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await self._wake.wait()
        self._wake.clear()


async def _end(producer: AIOKafkaProducer) -> None:
    with contextlib.suppress(KafkaError, OSError):
        await producer.stop()


async def purge(db: Database) -> int:
    """Drops rows published longer ago than they are kept, a few at a time; returns how many."""
    async with db.transaction() as tx:
        status: str = await tx.conn.execute(
            "delete from kit.outbox where id in (select id from kit.outbox where at < now() - make_interval(days => $1)"
            " and published_at is not null limit 5000)",
            KEPT_DAYS,
        )
    return int(status.rpartition(" ")[2])


async def republish(db: Database, since: str) -> int:
    """Marks everything emitted since an instant as unpublished again; consumers drop what they have by its seq."""
    async with db.transaction() as tx:
        status: str = await tx.conn.execute(
            "update kit.outbox set published_at = null where at >= $1::text::timestamptz and published_at is not null", since
        )
    return int(status.rpartition(" ")[2])


_RENEW = """
insert into kit.lease as l (name, token, until) values ($1, $2, clock_timestamp() + make_interval(secs => $3))
on conflict (name) do update set token = excluded.token, until = excluded.until where l.token = excluded.token or l.until < clock_timestamp()
returning true
"""

_TAKE = """
select id, aggregatetype, aggregateid, seq, type, event_id, payload, correlation_id, causation_id, traceparent, at
from kit.outbox
where exists (select from kit.lease where name = $1 and token = $2 and until > clock_timestamp())
  and published_at is null and lane = $3
  and ($3 = 0 or not exists (select from kit.outbox where published_at is null and lane = 0))
order by id limit $4
"""

_MARK = """
with held as (
  select from kit.lease where name = $1 and token = $2 and until > clock_timestamp()
), ends as (
  insert into kit.published as p (topic, partition, last_offset, last_row)
  select e.* from unnest($4::text[], $5::int[], $6::bigint[], $7::bigint[]) as e (topic, partition, last_offset, last_row)
  where exists (select from held) order by 1, 2
  on conflict (topic, partition) do update
    set last_offset = greatest(p.last_offset, excluded.last_offset), last_row = greatest(p.last_row, excluded.last_row)
)
update kit.outbox set published_at = clock_timestamp() where id = any($3::text::bigint[]) and exists (select from held)
"""
