"""What the live stream tells: the last change of each topic, with a sequence whose order is that of the commits."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.kit.db import Connection

CHANNEL = "entraide_view"
TASKS = "tasks"
_LOCK = 7_263_556


async def note(conn: Connection, topics: Mapping[str, str | None]) -> None:
    """Topic → case it is about. To be called last: whoever notes waits until this transaction ends."""
    await conn.execute(_NOTE, *arguments(topics))


def noting(first: int, after: str = "true") -> str:
    """The common table expressions that note, with parameters from `$first` on, once the condition `after` is known."""
    return (
        f"locked as materialized (select pg_advisory_xact_lock(${first + 2}) where {after})"  # noqa: S608 - our own text
        ", noted as (insert into change (topic, case_id, seq) select t.topic, t.case_id, nextval('change_seq')"
        f" from locked, unnest(${first}::text[], ${first + 1}::uuid[]) as t (topic, case_id)"
        " on conflict (topic) do update set seq = excluded.seq, at = excluded.at)"
    )


def arguments(topics: Mapping[str, str | None]) -> tuple[list[str], list[str | None], int]:
    """Of `noting`."""
    names = sorted(topics)
    return names, [topics[name] for name in names], _LOCK


async def tell(conn: Connection) -> None:
    """One NOTIFY for all that was noted so far; waits for a transaction that is about to commit."""
    await conn.execute("select pg_advisory_xact_lock($1), pg_notify($2, '')", _LOCK, CHANNEL)


async def since(conn: Connection, seq: int, limit: int) -> tuple[datetime, list[dict[str, Any]]]:
    """The clock, and the changes in order, each with whose it is, and up to where each service was heard of the case."""
    rows = await conn.fetch(
        "select c.now, ch.seq, ch.topic, ch.case_id, v.principal_id, v.member_id, v.provider_ids,"
        " array(select concat_ws('/', m.topic, m.source, m.key, m.seq) from kit.mark m where m.topic = 'cases' and m.key = ch.case_id::text) as heard"
        " from (select now() as now) c left join (select * from change where seq > $1 order by seq limit $2) ch on true"
        " left join view.case_view v on v.case_id = ch.case_id order by ch.seq",
        seq,
        limit,
    )
    return rows[0]["now"], [dict(row) for row in rows if row["seq"] is not None]


async def just_before(conn: Connection, seconds: float, most: int) -> int:
    """The sequence where what is no older than this begins, looking back `most` changes."""
    seq: int | None = await conn.fetchval(
        "select min(seq) - 1 from (select seq, at from change order by seq desc limit $2) as latest where at > now() - make_interval(secs => $1)",
        seconds,
        most,
    )
    return await last(conn) if seq is None else seq


async def last(conn: Connection) -> int:
    seq: int = await conn.fetchval("select coalesce(max(seq), 0) from change")
    return seq


async def all_cases(conn: Connection) -> dict[str, str | None]:
    rows = await conn.fetch("select topic, case_id from change where case_id is not null")
    return {row["topic"]: row["case_id"] for row in rows}


_NOTE = f"with {noting(1)} select"
