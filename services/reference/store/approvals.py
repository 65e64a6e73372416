"""What principals were asked to agree to."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from contracts.common import Actor
from services.kit.db import Connection

_LISTED = (
    "select a.id, a.need_id, a.principal_id, a.amount_cents, a.asked_at, a.due_at, a.state, a.reason, a.answered_at, a.answered_kind,"
    " v.case_id, v.service, v.insee, v.departement, v.starts_at, v.ends_at, v.quantity, v.unit, v.contract_id, v.guarantee, v.trace,"
    " k.number as contract, d.label as product"
    " from approval a join cover v on v.need_id = a.need_id left join contract k on k.id = v.contract_id left join product d on d.code = k.product"
)


async def ask(conn: Connection, approval_id: str, need_id: str, principal_id: str, amount_cents: int, now: datetime, due_at: datetime) -> None:
    """Once more for one that was withdrawn: it waits again."""
    await conn.execute(
        "insert into approval (id, need_id, principal_id, amount_cents, asked_at, due_at, state) values ($1, $2, $3, $4, $5, $6, 'asked')"
        " on conflict (id) do update set state = 'asked', due_at = excluded.due_at, answered_at = null, answered_by = null, answered_kind = null",
        *(approval_id, need_id, principal_id, amount_cents, now, due_at),
    )


async def answer(conn: Connection, approval_id: str, state: str, reason: str | None, now: datetime, by: Actor) -> None:
    await conn.execute(
        "update approval set state = $2, reason = $3, answered_at = $4, answered_by = $5, answered_kind = $6 where id = $1",
        *(approval_id, state, reason, now, by.id, by.kind),
    )


async def need(conn: Connection, approval_id: str) -> str | None:
    """Of an approval, as far as the caller may see it."""
    need_id: str | None = await conn.fetchval("select need_id from approval where id = $1", approval_id)
    return need_id


async def listing(conn: Connection, states: Sequence[str], after: str | None, limit: int) -> list[dict[str, Any]]:
    """The oldest first, as far as the caller may see them; with what is asked for and under what."""
    rows = await conn.fetch(
        _LISTED + " where a.state = any($1::text[]) and ($2::uuid is null or a.id > $2) order by a.id limit $3", *(states, after, limit)
    )
    return [dict(row) for row in rows]


async def answered(conn: Connection, limit: int) -> list[dict[str, Any]]:
    """As `listing`: those that nobody waits for any more, the latest first."""
    rows = await conn.fetch(_LISTED + " where a.state <> 'asked' order by a.answered_at desc nulls last limit $1", limit)
    return [dict(row) for row in rows]
