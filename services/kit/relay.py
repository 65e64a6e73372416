"""From the outbox to the log: one loop per lane, under a lease, at least once, in row order.

Takes unsent rows in id order (never "id > last seen": ids commit late) and forgets what the broker confirmed, in a full batch at once,
otherwise a little later and together; while one batch is on its way, the next is read. After any failure the producer is thrown away and
the loop starts again at the first unmarked row; a relay that lost its lease marks nothing, and what it still sends late is a duplicate
that every consumer drops by its seq. A topic that refuses us waits by itself; the others go on.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Any

import asyncpg
import structlog
from aiokafka.errors import KafkaError

from services.kit import failpoints, metrics
from services.kit.arrays import plain, texts
from services.kit.clock import new_id
from services.kit.db import Database, affected
from services.kit.outbox import Lane
from services.kit.publisher import Outcome, Publisher, Sent

LEASE_S = 5
BATCH = {Lane.LIVE: 1000, Lane.BULK: 200}
BULK_ROWS_PER_S = 2_000
MARK_S = 0.1  # whoever reads what was sent has the processors first
REFUSED_S = (60, 900)  # how long a topic that refuses us is left alone, at first and at most
KEPT_DAYS = 7

log = structlog.get_logger()


class Relay:
    def __init__(self, db: Database, connection: dict[str, Any], lane: Lane, wake: asyncio.Event) -> None:
        self._db = db
        self._lane = lane
        self._wake = wake
        self._token = new_id()
        self._renew_at = 0.0
        self._publisher = Publisher(db.service, connection)
        self._in_hand: set[int] = set()  # rows taken and not marked yet
        self._unmarked: list[Sent] = []
        self._marking: asyncio.Task[None] | None = None
        self._name = f"relay-{lane.name.lower()}"

    async def run(self) -> None:
        """For ever; ends only by cancellation."""
        try:
            while True:
                try:
                    await self._flow()
                except (KafkaError, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as failure:
                    log.warning("relay stumbled", lane=self._name, failure=type(failure).__name__)
                    await self._forget()
                    await asyncio.sleep(0.5)
        finally:
            await self._forget()
            await self._hand_over()

    async def _flow(self) -> None:
        """Batch after batch, until one fails."""
        ahead: asyncio.Task[list[asyncpg.Record]] | None = None
        try:
            while True:
                rows = await ahead if ahead else await self._take()
                ahead = None
                if not rows:
                    self._note_marked()
                    await self._idle()
                    continue
                if len(rows) == BATCH[Lane.LIVE]:
                    ahead = asyncio.create_task(self._take())
                failpoints.hit("relay.before_send")
                outcome = await self._publisher.publish(rows)
                failpoints.hit("relay.before_mark")
                self._unmarked += outcome.sent
                self._note_marked()
                if self._marking is None:
                    hurried = len(rows) == BATCH[self._lane] or rows[0]["bulk_waits"]
                    self._marking = asyncio.create_task(self._mark_all(0 if hurried else MARK_S))
                metrics.published.labels(self._db.service, self._lane.name.lower()).inc(len(outcome.sent))
                await self._note_refusals(outcome, rows)
                if failed := [*outcome.refused.values(), *outcome.failures]:
                    raise failed[0]  # what was read ahead must not go before what was not sent
                if self._lane is Lane.BULK:
                    await asyncio.sleep(len(rows) / BULK_ROWS_PER_S)
                elif len(rows) < BATCH[Lane.LIVE]:  # all there was; what was committed since has set the event
                    await self._idle()
        finally:
            if ahead:
                ahead.cancel()
                await asyncio.wait([ahead], timeout=5)

    async def _note_refusals(self, outcome: Outcome, rows: Sequence[asyncpg.Record]) -> None:
        """And what refuses us no longer."""
        taken_again = {row["aggregatetype"] for row in rows if row["was_refused"]} - outcome.refused.keys()
        if not outcome.refused and not taken_again:
            return
        async with self._db.connection() as conn:
            await conn.execute("delete from kit.refused where topic = any($1::text[])", list(taken_again))
            for topic, refusal in outcome.refused.items():
                waits = await conn.fetchval(_REFUSED, topic, type(refusal).__name__, *REFUSED_S)
                log.error("a topic refuses us, its rows wait", topic=topic, failure=type(refusal).__name__, again_in_s=waits.total_seconds())

    async def _take(self) -> list[asyncpg.Record]:
        """The next rows in order; none while the lease is another's, which is renewed now and then."""
        async with self._db.connection() as conn:
            if time.monotonic() > self._renew_at:
                began = time.monotonic()
                if not await conn.fetchval(_RENEW, self._name, self._token, LEASE_S):
                    return []
                self._renew_at = began + LEASE_S / 3
            while True:
                rows: list[asyncpg.Record] = await conn.fetch(
                    _TAKE, self._name, self._token, int(self._lane), BATCH[self._lane], plain(self._in_hand)
                )
                if self._lane is Lane.BULK or not rows or not rows[0]["bulk_waits"] or not await _overtake(conn, rows):
                    self._in_hand.update(row["id"] for row in rows)
                    return rows

    async def _mark_all(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        while self._unmarked:
            sent, self._unmarked = self._unmarked, []
            await self._mark(sent)

    async def _mark(self, sent: Sequence[Sent]) -> None:
        ends: dict[tuple[str, int], tuple[int, int]] = {}
        for row, topic, partition, offset in sent:
            last_offset, last_row = ends.get((topic, partition), (-1, -1))
            ends[topic, partition] = (max(offset, last_offset), max(row, last_row))
        async with self._db.connection() as conn:
            await conn.execute(
                _MARK,
                self._name,
                self._token,
                plain(row for row, *_ in sent),
                [topic for topic, _ in ends],
                [partition for _, partition in ends],
                [offset for offset, _ in ends.values()],
                [row for _, row in ends.values()],
            )
        self._in_hand.difference_update(row for row, *_ in sent)

    def _note_marked(self) -> None:
        """Raises what marking raised."""
        if self._marking is not None and self._marking.done():
            marking, self._marking = self._marking, None
            marking.result()

    async def _forget(self) -> None:
        """Of what is in hand: the rows left unmarked are taken and sent again."""
        marking, self._marking = self._marking, None
        if marking is not None:
            await asyncio.wait([asyncio.gather(marking, return_exceptions=True)], timeout=5)
        self._unmarked.clear()
        self._in_hand.clear()
        self._renew_at = 0.0
        await self._publisher.discard()

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


async def _overtake(conn: Any, rows: list[asyncpg.Record]) -> bool:
    """Brings what bulk still holds of these keys into the live lane; True when there was any."""
    status: str = await conn.execute(_OVERTAKE, texts(row["aggregatetype"] for row in rows), texts(row["aggregateid"] for row in rows))
    return affected(status) > 0


async def purge(db: Database) -> int:
    """Drops rows published longer ago than they are kept, a few at a time; returns how many."""
    async with db.transaction() as tx:
        status: str = await tx.conn.execute(
            "delete from kit.outbox where id in (select id from kit.outbox o where at < now() - make_interval(days => $1)"
            " and not exists (select from kit.unsent u where u.id = o.id and u.lane in (0, 1)) limit 5000)",
            KEPT_DAYS,
        )
    return affected(status)


async def republish(db: Database, since: str) -> int:
    """Has everything emitted since an instant sent again, in the bulk lane; consumers drop what they have by its seq."""
    async with db.transaction() as tx:
        status: str = await tx.conn.execute(
            "insert into kit.unsent (lane, id, topic, key) select 1, id, aggregatetype, aggregateid from kit.outbox o"
            " where at >= $1::text::timestamptz and not exists (select from kit.unsent u where u.id = o.id and u.lane in (0, 1))",
            since,
        )
    return affected(status)


# Neither a lease nor a mark waits for the disk: what a crash of the server takes away is sent again, and dropped by its seq.
_RENEW = """
insert into kit.lease as l (name, token, until) values ($1, $2, clock_timestamp() + make_interval(secs => $3))
on conflict (name) do update set token = excluded.token, until = excluded.until where l.token = excluded.token or l.until < clock_timestamp()
returning set_config('synchronous_commit', 'off', true) = 'off'
"""

_TAKE = """
with refused as materialized (select topic from kit.refused where until > clock_timestamp())
select o.*, $3 = 0 and exists (select from kit.unsent where lane = 1) as bulk_waits,
  exists (select from kit.refused r where r.topic = o.aggregatetype) as was_refused
from (
  select id from kit.unsent
  where exists (select from kit.lease where name = $1 and token = $2 and until > clock_timestamp())
    and lane = $3 and topic not in (select topic from refused)
    and id not in (select unnest($5::text::bigint[]))
    and ($3 = 0 or not exists (select from kit.unsent where lane = 0 and topic not in (select topic from refused)))
  order by id limit $4) u
cross join lateral (
  select id, aggregatetype, aggregateid, seq, type, event_id::text, payload, correlation_id::text, causation_id::text, traceparent, at
  from kit.outbox where id = u.id offset 0) o
order by o.id
"""

_REFUSED = """
insert into kit.refused as r (topic, cause, since, waits, until) values ($1, $2, now(), make_interval(secs => $3), now() + make_interval(secs => $3))
on conflict (topic) do update set cause = excluded.cause, waits = least(r.waits * 2, make_interval(secs => $4)),
  until = now() + least(r.waits * 2, make_interval(secs => $4))
returning waits
"""

_OVERTAKE = """
update kit.unsent set lane = 0
where lane = 1 and (topic, key) in (select * from unnest($1::text::text[], $2::text::text[]))
"""

_MARK = """
with held as materialized (
  select set_config('synchronous_commit', 'off', true) from kit.lease where name = $1 and token = $2 and until > clock_timestamp()
), ends as (
  insert into kit.published as p (topic, partition, last_offset, last_row)
  select e.* from unnest($4::text[], $5::int[], $6::bigint[], $7::bigint[]) as e (topic, partition, last_offset, last_row)
  where exists (select from held) order by 1, 2
  on conflict (topic, partition) do update
    set last_offset = greatest(p.last_offset, excluded.last_offset), last_row = greatest(p.last_row, excluded.last_row)
)
delete from kit.unsent where lane in (0, 1) and id in (select unnest($3::text::bigint[])) and exists (select from held)
"""
