"""What the webhooks of principals were not told yet, and how it goes."""

from datetime import datetime
from typing import Any

from services.kit.db import Connection


async def next_of(conn: Connection, member_id: str) -> dict[str, Any] | None:
    """The oldest amendment of a member that was not pushed: all its changes, with the member's number and principal."""
    row = await conn.fetchrow(
        "with oldest as (select amendment from member_change where member_id = $1 and pushed_at is null order by id limit 1)"
        " select c.amendment, max(c.push_tries) as tries, min(c.at) as at, m.number, m.version, m.principal_id, p.code as principal,"
        " jsonb_agg(jsonb_build_object('field', c.field, 'old', c.old, 'new', c.new, 'by', c.by_kind, 'door', c.door) order by c.id) as changes"
        " from member_change c join oldest o on o.amendment = c.amendment join member m on m.id = c.member_id"
        " join principal p on p.id = m.principal_id where c.member_id = $1 and c.pushed_at is null"
        " group by c.amendment, m.number, m.version, m.principal_id, p.code",
        member_id,
    )
    return dict(row) if row else None


async def done(conn: Connection, member_id: str, amendment: str, now: datetime, *, failed: bool = False) -> None:
    await conn.execute(
        "update member_change set pushed_at = $3, push_failed = $4 where member_id = $1 and amendment = $2", member_id, amendment, now, failed
    )


async def tried(conn: Connection, member_id: str, amendment: str, tries: int) -> None:
    await conn.execute("update member_change set push_tries = $3 where member_id = $1 and amendment = $2", member_id, amendment, tries)


async def trouble(conn: Connection, principal_id: str, task_id: str) -> bool:
    """Whether this is the first that is said of it."""
    row = await conn.fetchrow(
        "insert into webhook_trouble (principal_id, task_id) values ($1, $2) on conflict do nothing returning task_id", principal_id, task_id
    )
    return row is not None


async def over(conn: Connection, principal_id: str) -> str | None:
    """The task that told of trouble, which is over."""
    task_id: str | None = await conn.fetchval("delete from webhook_trouble where principal_id = $1 returning task_id", principal_id)
    return task_id
