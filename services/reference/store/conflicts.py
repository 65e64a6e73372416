"""Changes that no file has settled, and the fields that both sides have changed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.kit.db import Connection

Rows = list[dict[str, Any]]


async def unsettled(conn: Connection, feed_keys: Sequence[str]) -> Rows:
    """Of these members, field by field, the oldest change first; after their rows are locked, so that none is missed."""
    rows = await conn.fetch(
        "select id, member_id, feed_key, field, old, new, at, acknowledged_at from member_change"
        " where settled_at is null and feed_key = any($1::text[]) order by feed_key, field, id",
        feed_keys,
    )
    return _dicts(rows)


async def of_members(conn: Connection, member_ids: Sequence[str]) -> Rows:
    """All conflicts about these, the oldest first."""
    return _dicts(await conn.fetch("select * from member_conflict where member_id = any($1::uuid[]) order by id", member_ids))


async def settle(conn: Connection, change_ids: Sequence[int], now: datetime) -> None:
    """The principal has answered these: there is nothing to be guarded any more."""
    await conn.execute(
        "update member_change set acknowledged_at = coalesce(acknowledged_at, $2), settled_at = $2 where id = any($1::bigint[])", change_ids, now
    )


async def restore(conn: Connection, member_id: str, columns: dict[str, Any]) -> None:
    """Ours again, in the transaction in which a file has written theirs."""
    names = ", ".join(f"{name} = ${place}" for place, name in enumerate(columns, 2))
    await conn.execute(f"update member set {names} where id = $1", member_id, *columns.values())  # noqa: S608 - our own names


async def note(conn: Connection, member: dict[str, Any], field: str, ours: Any, theirs: Any, rule: str, decided: str | None, now: datetime) -> None:
    """One open conflict a field: theirs is then the last that they have sent."""
    await conn.execute(
        "insert into member_conflict (member_id, principal_id, field, ours, theirs, rule, decided, at, decided_at, decided_by)"
        " select $1, $2, $3, coalesce($4, 'null'::jsonb), coalesce($5, 'null'::jsonb), $6, $7::text, $8::timestamptz,"
        " case when $7::text is not null then $8::timestamptz end, case when $7::text is not null then 'rule' end"
        " on conflict (member_id, field) where decided is null do update set ours = excluded.ours, theirs = excluded.theirs,"
        " rule = excluded.rule, at = excluded.at",
        *(member["id"], member["principal_id"], field, ours, theirs, rule, decided, now),
    )


async def end(conn: Connection, member_id: str, field: str, decided: str, by: str, now: datetime) -> None:
    """The open conflict about this field, if there is one."""
    await conn.execute(
        "update member_conflict set decided = $3, decided_by = $4, decided_at = $5 where member_id = $1 and field = $2 and decided is null",
        *(member_id, field, decided, by, now),
    )


async def listing(conn: Connection, *, only_open: bool, before: int | None, limit: int) -> Rows:
    """The latest first, each with whose it is."""
    rows = await conn.fetch(
        "select k.*, m.number, m.first_name, m.last_name, p.code as principal, p.label as principal_label from member_conflict k"
        " join member m on m.id = k.member_id join principal p on p.id = k.principal_id"
        " where (k.decided is null or not $1) and ($2::bigint is null or k.id < $2) order by k.id desc limit $3",
        only_open,
        before,
        limit,
    )
    return _dicts(rows)


async def whose(conn: Connection, conflict_id: int) -> str | None:
    member_id: str | None = await conn.fetchval("select member_id from member_conflict where id = $1", conflict_id)
    return member_id


async def read(conn: Connection, conflict_id: int) -> dict[str, Any] | None:
    row = await conn.fetchrow("select * from member_conflict where id = $1", conflict_id)
    return dict(row) if row else None


async def close_changes(conn: Connection, member_id: str, field: str, now: datetime) -> None:
    """Nothing of this field is ours any more."""
    await conn.execute(
        "update member_change set acknowledged_at = coalesce(acknowledged_at, $3), settled_at = $3"
        " where member_id = $1 and field = $2 and settled_at is null",
        *(member_id, field, now),
    )


def _dicts(rows: Sequence[Any]) -> Rows:
    return [dict(row) for row in rows]
