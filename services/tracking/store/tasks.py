"""The one list of tasks: rows that follow the log, and who has taken which."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from contracts.common import TaskClosed, TaskOpened
from services.kit.db import Connection

Opened = tuple[TaskOpened, str, datetime]  # by which service, when
_SHOWN = (
    "t.id, t.opener, t.kind, t.role, t.reason, t.case_id, t.need_id, t.due_at, t.opened_at, t.closed_at, t.outcome, t.taken_by, t.taken_at,"
    " t.version, c.number"
)
_FROM = "from task t left join view.case_view c on c.case_id = t.case_id"


async def opened(conn: Connection, tasks: Sequence[Opened]) -> None:
    await conn.executemany(
        "insert into task (id, opener, kind, role, reason, case_id, need_id, due_at, opened_at, version)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1) on conflict do nothing",
        [(task.task_id, opener, task.kind, task.role, task.reason, task.case_id, task.need_id, task.due_at, at) for task, opener, at in tasks],
    )


async def closed(conn: Connection, tasks: Sequence[tuple[TaskClosed, datetime]]) -> None:
    await conn.executemany(
        "update task set closed_at = $2, outcome = $3, version = version + 1 where id = $1 and closed_at is null",
        [(task.task_id, at, task.outcome) for task, at in tasks],
    )


async def load(conn: Connection, task_id: str) -> dict[str, Any] | None:
    """Locked."""
    row = await conn.fetchrow(f"select {_SHOWN} {_FROM} where t.id = $1 for update of t", task_id)
    return dict(row) if row else None


async def take(conn: Connection, task_id: str, by: str | None, now: datetime | None) -> None:
    """None gives it back."""
    await conn.execute("update task set taken_by = $2, taken_at = $3, version = version + 1 where id = $1", task_id, by, now)


async def listing(
    conn: Connection, *, role: str | None, is_open: bool, case_id: str | None, after: tuple[datetime, str] | None, limit: int
) -> list[dict[str, Any]]:
    """By due time, the first to fall due first."""
    rows = await conn.fetch(
        f"select {_SHOWN} {_FROM} where (t.closed_at is null) = $1 and ($2::text is null or t.role = $2) and ($3::uuid is null or t.case_id = $3)"
        " and ($4::timestamptz is null or (t.due_at, t.id) > ($4, $5::uuid)) order by t.due_at, t.id limit $6",
        is_open,
        role,
        case_id,
        after and after[0],
        after and after[1],
        limit,
    )
    return [dict(row) for row in rows]


async def count_open(conn: Connection) -> int:
    number: int = await conn.fetchval("select count(*) from task where closed_at is null")
    return number
