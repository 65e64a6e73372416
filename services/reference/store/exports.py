"""What goes back to the principals: changes that they have not acknowledged, and the files that told of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.kit.db import Connection

Rows = list[dict[str, Any]]


async def principal_id(conn: Connection, code: str) -> str | None:
    found: str | None = await conn.fetchval("select id from principal where code = $1", code)
    return found


async def changed(conn: Connection, principal: str, fields: Sequence[str]) -> Rows:
    """Members as they are, whom people have changed in one of these fields, each with the ids of its changes and, field by field, what the
    principal has said where a person is still asked (`disputed`). What is disputed goes out as theirs, and counts as no change. In order of
    the numbers; one statement, so that rows and changes are of one moment."""
    rows = await conn.fetch(
        "with waiting as (select c.id, c.member_id from member_change c where c.principal_id = $1 and c.feed_key is not null"
        " and c.acknowledged_at is null and c.field = any($2::text[])"
        " and not exists (select from member_conflict k where k.member_id = c.member_id and k.field = c.field and k.decided is null)"
        "), grouped as (select member_id, array_agg(id) as changes from waiting group by member_id)"
        " select m.*, g.changes, coalesce((select jsonb_object_agg(k.field, k.theirs) from member_conflict k where k.member_id = m.id"
        " and k.decided is null), '{}') as disputed"
        " from grouped g join member m on m.id = g.member_id order by m.number",
        principal,
        fields,
    )
    return [dict(row) for row in rows]


async def note(conn: Connection, export_id: str, principal: str, file: str, rows: int, changes: Sequence[int], now: datetime) -> None:
    await conn.execute(
        "insert into feed_export (id, principal_id, file, rows, at) values ($1, $2, $3, $4, $5)", *(export_id, principal, file, rows, now)
    )
    await conn.execute("insert into feed_export_change select $1, unnest($2::bigint[])", export_id, changes)
    await conn.execute("update member_change set exported_at = coalesce(exported_at, $2) where id = any($1::bigint[])", changes, now)


async def acknowledge(conn: Connection, export_id: str, by: str, now: datetime) -> dict[str, Any] | None:
    """The export, None for one that nobody knows or that is another's. The first time counts."""
    row = await conn.fetchrow(
        "update feed_export set acknowledged_at = coalesce(acknowledged_at, $2), acknowledged_by = coalesce(acknowledged_by, $3) where id = $1"
        " returning *",
        *(export_id, now, by),
    )
    if row is None:
        return None
    await conn.execute(
        "update member_change set acknowledged_at = $2 where acknowledged_at is null"
        " and id in (select change_id from feed_export_change where export_id = $1)",
        *(export_id, now),
    )
    return dict(row)


async def history(conn: Connection, before: str | None, limit: int) -> Rows:
    """The latest first; `before`: the last export of the page before."""
    rows = await conn.fetch(
        "select id, principal_id, file, rows, at, acknowledged_at from feed_export e where $1::uuid is null or"
        " (e.at, e.id) < (select b.at, b.id from feed_export b where b.id = $1) order by e.at desc, e.id desc limit $2",
        *(before, limit),
    )
    return [dict(row) for row in rows]
