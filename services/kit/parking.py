"""Parking, not blocking: a record that cannot be applied waits, later records of its key queue behind it, every other key flows.

One row per (topic, key) is locked by consumer and drainer alike, so an arrival during a drain joins the end of the queue.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote, quote_from_bytes, unquote, unquote_to_bytes

import asyncpg

from services.kit import failures
from services.kit.arrays import texts
from services.kit.db import Database, Transaction, affected

Reason = Literal["failed", "gap", "undecodable", "not_owner"]
PAUSE_ABOVE = 20  # newly parked keys within a minute
RETRY_AFTER_S = (1, 5, 30, 120, 600, 3600)
_PLAIN = "/:+ ;=,"  # readable as they are in a quoted header


def cause_of(failure: BaseException) -> str:
    """What a stuck list says of it, in a form that can be stored: never a value, which might be a person's."""
    return failures.summary(failure)[:500].replace("\0", "").encode("utf-8", "replace").decode()


@dataclass(slots=True)
class Raw:
    """A record as it lies in the log. What aiokafka gives has the same fields, and goes for one."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    value: bytes | None


def text_of(key: bytes | None) -> str:
    """A key as PostgreSQL can keep it."""
    return (key or b"").decode("utf-8", "backslashreplace").replace("\0", "\\x00")


@dataclass(slots=True)
class ParkedKey:
    """Why a key waits, and the first record of its queue."""

    reason: Reason
    source: str | None
    seq: int


async def lock(conn: Any, topic: str, keys: Iterable[str]) -> dict[str, ParkedKey]:
    """The parked keys among these, their rows locked until the end of the transaction."""
    rows = await conn.fetch(
        "select key, reason from kit.parked_key where topic = $1 and key in (select unnest($2::text::text[])) order by key for update",
        topic,
        texts(sorted(set(keys))),
    )
    if not rows:
        return {}
    reasons = {row["key"]: row["reason"] for row in rows}
    firsts = await conn.fetch(
        "select distinct on (key) key, source, seq from kit.parked where topic = $1 and key = any($2::text[]) order by key, id", topic, list(reasons)
    )
    return {row["key"]: ParkedKey(reasons[row["key"]], row["source"], row["seq"] or 0) for row in firsts}


async def add(tx: Transaction, raw: Raw, source: str | None, event_type: str | None, seq: int | None, reason: Reason, cause: str) -> None:
    """Queues a record; parks its key unless it is parked already."""
    key = text_of(raw.key)
    await tx.conn.execute(
        "insert into kit.parked_key (topic, key, reason, cause, since, next_try)"
        " values ($1, $2, $3, $4, now(), case when $3 = 'failed' then now() + make_interval(secs => $5) end) on conflict do nothing",
        raw.topic,
        key,
        reason,
        cause,
        RETRY_AFTER_S[0],
    )
    await tx.conn.execute(
        "insert into kit.parked (topic, partition, log_offset, key, raw_key, source, type, seq, headers, value, at)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, now())",
        raw.topic,
        raw.partition,
        raw.offset,
        key,
        raw.key,
        source,
        event_type,
        seq,
        [[quote(name), value if value is None else quote_from_bytes(value, _PLAIN)] for name, value in raw.headers],
        raw.value,
    )


async def hasten(conn: Any, topic: str, key: str) -> None:
    """What was missing has come: the drainer looks at this key at once."""
    await conn.execute("update kit.parked_key set next_try = now() where topic = $1 and key = $2", topic, key)


async def too_many(conn: Any, topic: str) -> bool:
    parked: int = await conn.fetchval(
        "select count(*) from kit.parked_key where topic = $1 and since > now() - interval '1 minute'"
        " and since > coalesce((select max(at) from kit.parked_audit where topic = $1 and action = 'resume'), '-infinity')",
        topic,
    )
    return parked > PAUSE_ABOVE


@dataclass(frozen=True, slots=True)
class Stuck:
    """One line of the stuck list: a key, why, and how many records wait."""

    topic: str
    key: str
    reason: Reason
    cause: str
    tries: int
    since: datetime
    next_try: datetime | None
    waiting: int
    first: int  # the record at its head
    type: str | None
    seq: int | None


async def listing(db: Database, limit: int = 200) -> list[Stuck]:
    async with db.connection() as conn:
        rows = await conn.fetch(
            "select k.topic, k.key, k.reason, k.cause, k.tries, k.since, k.next_try, p.waiting, p.first, f.type, f.seq from kit.parked_key k"
            " cross join lateral (select count(*) as waiting, min(id) as first from kit.parked p where p.topic = k.topic and p.key = k.key) p"
            " left join kit.parked f on f.id = p.first order by k.since limit $1",
            limit,
        )
    return [Stuck(**row) for row in rows]


async def first(conn: Any, topic: str, key: str) -> tuple[int, Raw] | None:
    row = await conn.fetchrow("select * from kit.parked where topic = $1 and key = $2 order by id limit 1", topic, key)
    return (row["id"], _raw(row)) if row else None


async def missing(conn: Any, topic: str, key: str, source: str, seq: int) -> tuple[int, Raw] | None:
    """The record of this seq, where it stands further back in the queue than one that waits for it."""
    row = await conn.fetchrow(
        "select * from kit.parked where topic = $1 and key = $2 and source = $3 and seq = $4 order by id limit 1", topic, key, source, seq
    )
    return (row["id"], _raw(row)) if row else None


async def drop(conn: Any, parked_id: int, topic: str, key: str) -> bool:
    """Removes a record from its queue, and the key's row after the last one; True when that was the last."""
    await conn.execute("delete from kit.parked where id = $1", parked_id)
    status: str = await conn.execute(
        "delete from kit.parked_key where topic = $1 and key = $2 and not exists (select from kit.parked where topic = $1 and key = $2)", topic, key
    )
    return affected(status) == 1


async def postpone(conn: Any, topic: str, key: str, reason: Reason, cause: str) -> None:
    """After another failed try: a gap waits for what is missing, the rest for its next turn."""
    await conn.execute(
        "update kit.parked_key set reason = $3, cause = $4, tries = tries + 1,"
        " next_try = case when $3 = 'failed' then now() + make_interval(secs => ($5::int[])[least(tries + 1, array_length($5::int[], 1))]) end"
        " where topic = $1 and key = $2",
        topic,
        key,
        reason,
        cause,
        list(RETRY_AFTER_S),
    )


async def audit(
    conn: Any, topic: str, key: str, action: str, by_whom: str, reason: str, event_type: str | None = None, seq: int | None = None
) -> None:
    await conn.execute(
        "insert into kit.parked_audit (topic, key, type, seq, action, by_whom, reason, at) values ($1, $2, $3, $4, $5, $6, $7, now())",
        topic,
        key,
        event_type,
        seq,
        action,
        by_whom,
        reason,
    )


def _raw(row: asyncpg.Record) -> Raw:
    headers = tuple((unquote(name), value if value is None else unquote_to_bytes(value)) for name, value in row["headers"])
    return Raw(row["topic"], row["partition"], row["log_offset"], row["raw_key"], headers, row["value"])
