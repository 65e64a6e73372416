"""Reading the folded cases, without a lock, as row-level security lets the caller."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from contracts.case_state import CaseState, from_json
from services.kit.db import Connection
from services.kit.outbox import Position

_LISTED = "v.case_id, v.number, v.state, v.waiting_for, v.waiting_since, v.next_date, v.opened_at, v.last_event_at, v.principal_id, v.member_id"


@dataclass(frozen=True, slots=True)
class Read:
    state: CaseState
    fold_version: int
    events: int
    last_event_at: datetime


@dataclass(frozen=True, slots=True)
class Filter:
    state: str | None = None
    waiting_for: str | None = None
    principal_ids: tuple[str, ...] | None = None  # None: of any principal
    member_id: str | None = None
    service: str | None = None
    number: str | None = None
    terms: tuple[str, ...] = ()  # all of them in the case's card


async def find(conn: Connection, key: str) -> Read | None:
    """By id, or by number."""
    column = "case_id" if "-" in key else "number"
    row = await conn.fetchrow(
        f"select folded, fold_version, events, last_event_at from view.case_view where {column} = $1",  # noqa: S608 - one of two names
        key,
    )
    return Read(from_json(row["folded"]), row["fold_version"], row["events"], row["last_event_at"]) if row else None


async def recorded(conn: Connection, position: Position) -> bool:
    """Whether the view has applied what stands there."""
    seen: bool = await conn.fetchval(
        "select coalesce((select seq from kit.mark where topic = 'cases' and key = $1 and source = $2) >= $3, false)",
        position.key,
        position.source,
        position.seq,
    )
    return seen


async def listing(
    conn: Connection, wanted: Filter, sort: Literal["opened", "next"], after: tuple[datetime, str] | None, limit: int
) -> list[dict[str, Any]]:
    """Newest first; or, of those that wait for somebody, the first to fall due first. Each with its needs."""
    column, order, among = ("v.opened_at", "desc", "v.opened_at is not null") if sort == "opened" else ("v.next_date", "asc", "v.is_open")
    compared = "<" if sort == "opened" else ">"
    rows = await conn.fetch(
        f"select {_LISTED}, {_NEEDS} from view.case_view v where {_WHERE} and {among}"  # noqa: S608 - our own names
        f" and ($8::timestamptz is null or ({column}, v.case_id) {compared} ($8, $9::uuid)) order by {column} {order}, v.case_id {order} limit $10",
        *_values(wanted),
        after and after[0],
        after and after[1],
        limit,
    )
    return [dict(row) for row in rows]


async def count(conn: Connection, wanted: Filter) -> int:
    number: int = await conn.fetchval(f"select count(*) from view.case_view v where {_WHERE}", *_values(wanted))  # noqa: S608 - our own names
    return number


async def counts(conn: Connection, wanted: Filter) -> dict[str, int]:
    """State → how many."""
    rows = await conn.fetch(f"select v.state, count(*) as n from view.case_view v where {_WHERE} group by v.state", *_values(wanted))  # noqa: S608
    return {row["state"]: row["n"] for row in rows}


async def totals(conn: Connection) -> dict[str, int]:
    row = await conn.fetchrow(
        "select count(*) as cases, coalesce(sum(needs), 0)::int as needs, coalesce(sum(events), 0)::int as events,"
        " coalesce(sum(crossings), 0)::int as crossings, coalesce(sum(not_understood), 0)::int as not_understood,"
        " coalesce(sum(anomalies), 0)::int as anomalies from view.case_view"
    )
    return dict(row) if row else {}


async def timeline(conn: Connection, case_id: str, before: int | None, limit: int) -> list[dict[str, Any]]:
    """Newest first."""
    rows = await conn.fetch(
        "select place, event_id, source, seq, type, need_id, at, data from view.timeline"
        " where case_id = $1 and ($2::int is null or place < $2) order by place desc limit $3",
        case_id,
        before,
        limit,
    )
    return [dict(row) for row in rows]


def _values(wanted: Filter) -> tuple[Any, ...]:
    return (
        wanted.state,
        wanted.waiting_for,
        None if wanted.principal_ids is None else list(wanted.principal_ids),
        wanted.member_id,
        wanted.service,
        wanted.number,
        list(wanted.terms),
    )


_WHERE = (
    "($1::text is null or v.state = $1) and ($2::text is null or v.waiting_for = $2) and ($3::uuid[] is null or v.principal_id = any($3))"
    " and ($4::uuid is null or v.member_id = $4) and ($6::text is null or v.number = $6)"
    " and ($5::text is null or exists (select from view.need_view n where n.case_id = v.case_id and n.service = $5))"
    " and ($7::text[] = '{}' or v.case_id in (select c.id from card c where c.kind = 'case' and c.terms @> $7))"
)
_NEEDS = (
    "(select json_agg(json_build_object('rank', n.rank, 'service', n.service, 'state', n.state, 'insee', n.insee, 'departement', n.departement)"
    " order by n.rank) from view.need_view n where n.case_id = v.case_id) as needs"
)
