"""What principals have paid back to members, or will."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from services.kit.db import Connection

Rows = list[dict[str, Any]]

_SHOWN = (
    "select s.id, s.reference, s.issued_on, s.label, s.paid_gross_cents, s.pending_gross_cents, s.due_on, s.paid_on, s.contract_id,"
    " c.number as contract from statement s left join contract c on c.id = s.contract_id"
    " where s.member_id = any($1::uuid[]) and (s.withdrawn_on is null or s.withdrawn_on >= $2)"
)
LISTED = (
    f"{_SHOWN} and s.search_key like all($3::text[]) and ($4::date is null or (s.issued_on, s.id) < ($4, $5::uuid))"
    " order by s.issued_on desc, s.id desc limit $6"
)


async def listed(conn: Connection, member_ids: Sequence[str], day: date, words: Sequence[str], before: tuple[date, str] | None, limit: int) -> Rows:
    """Those that hold on that day, the latest first. `member_ids`: all rows of the person. `words`: of `domain.statements`. `before`: the day
    and id of the last one seen."""
    rows = await conn.fetch(LISTED, member_ids, day, [f"% {_plain(word)}%" for word in words], *(before or (None, None)), limit)
    return [dict(row) for row in rows]


async def one(conn: Connection, member_ids: Sequence[str], day: date, statement_id: str) -> dict[str, Any] | None:
    row = await conn.fetchrow(f"{_SHOWN} and s.id = $3", member_ids, day, statement_id)
    return dict(row) if row else None


async def pending(conn: Connection, member_ids: Sequence[str], day: date) -> tuple[int, date | None]:
    """What is still to be paid in all, in cents, and the first day that some of it is due."""
    row = await conn.fetchrow(
        "select coalesce(sum(pending_gross_cents), 0)::bigint as cents, min(due_on) filter (where due_on >= $2) as due_on from statement"
        " where member_id = any($1::uuid[]) and pending_gross_cents > 0 and (withdrawn_on is null or withdrawn_on >= $2)",
        member_ids,
        day,
    )
    assert row is not None
    return row["cents"], row["due_on"]


async def save(conn: Connection, rows: str) -> set[str]:
    """As `feed.save_contracts`. The keys of those saved: all whose member is known, and whose contract, where they name one, is that
    member's."""
    saved = await conn.fetch(
        "insert into statement (id, principal_id, member_id, contract_id, reference, issued_on, label, paid_gross_cents, pending_gross_cents,"
        " due_on, paid_on, withdrawn_on, search_key, feed_key, feed_hash)"
        " select distinct on (r.feed_key) r.id, r.principal_id, m.id, c.id, r.reference, r.issued_on, r.label, r.paid_gross_cents,"
        " r.pending_gross_cents, r.due_on, r.paid_on, r.withdrawn_on, r.search_key, r.feed_key, r.feed_hash"
        " from jsonb_to_recordset($1::text::jsonb) as r (id uuid, principal_id uuid, member_key text, contract text, reference text,"
        " issued_on date, label text, paid_gross_cents bigint, pending_gross_cents bigint, due_on date, paid_on date, withdrawn_on date,"
        " search_key text, feed_key text, feed_hash bytea) join member m on m.feed_key = r.member_key and m.erased_at is null"
        " left join contract c on c.member_id = m.id and c.number = r.contract"
        " where r.contract is null or c.id is not null order by r.feed_key, c.starts_on desc"
        " on conflict (feed_key) do update set member_id = excluded.member_id, contract_id = excluded.contract_id,"
        " issued_on = excluded.issued_on, label = excluded.label, paid_gross_cents = excluded.paid_gross_cents,"
        " pending_gross_cents = excluded.pending_gross_cents, due_on = excluded.due_on, paid_on = excluded.paid_on,"
        " withdrawn_on = excluded.withdrawn_on, search_key = excluded.search_key, feed_hash = excluded.feed_hash returning feed_key",
        rows,
    )
    return {row["feed_key"] for row in saved}


async def member_known(conn: Connection, member_key: str) -> bool:
    """As the feed names members: the principal's code and the number."""
    known: bool = await conn.fetchval("select exists (select from member where feed_key = $1 and erased_at is null)", member_key)
    return known


async def withdraw(conn: Connection, statement_ids: Sequence[str], last_day: date) -> None:
    await conn.execute("update statement set withdrawn_on = $2, feed_hash = null where id = any($1::uuid[])", statement_ids, last_day)


def _plain(word: str) -> str:
    """For LIKE."""
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
