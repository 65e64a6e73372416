"""What people changed of members: the row itself, each change, and consents."""

from collections.abc import Mapping, Sequence
from typing import Any

from services.kit.db import Connection

Rows = list[dict[str, Any]]
COLUMNS = frozenset({
    "civility", "last_name", "first_name", "name_key", "birth_date", "phones", "emails", "address", "insee", "postcode", "language"
})  # fmt: skip


async def lock(conn: Connection, member_id: str) -> dict[str, Any] | None:
    row = await conn.fetchrow("select * from member where id = $1 for no key update", member_id)
    return dict(row) if row else None


async def save(conn: Connection, member_id: str, columns: Mapping[str, Any]) -> dict[str, Any]:
    """At a new version, and a new card version where an open case shows the card. Under the lock that the row was read with."""
    assert columns.keys() <= COLUMNS
    names = "".join(f"{name} = ${place}, " for place, name in enumerate(columns, 2))
    row = await conn.fetchrow(
        f"update member set {names} version = version + 1, card_version = card_version + (open_cases > 0)::int where id = $1 returning *",  # noqa: S608 - our own names
        member_id,
        *columns.values(),
    )
    assert row is not None
    return dict(row)


async def note(conn: Connection, member: Mapping[str, Any], changes: Sequence[tuple[str, Any, Any]], **about: Any) -> None:
    """(field, old, new) of each. `about`: amendment, reason, by_kind, by_id, door, at, and `settled_at` of what no file need confirm."""
    await conn.execute(
        "insert into member_change (amendment, member_id, principal_id, feed_key, field, old, new, reason, by_kind, by_id, door, at, acknowledged_at,"
        " settled_at, pushed_at)"
        " select $1, $2, $3, $4, c.field, coalesce(c.old, 'null'), coalesce(c.new, 'null'), $6, $7, $8, $9, $10, $11, $11, $11"
        " from jsonb_to_recordset($5) as c (field text, old jsonb, new jsonb)",
        about["amendment"],
        *(member[name] for name in ("id", "principal_id", "feed_key")),
        [{"field": field, "old": old, "new": new} for field, old, new in changes],
        *(about[name] for name in ("reason", "by_kind", "by_id", "door", "at")),
        about.get("settled_at"),
    )


async def history(conn: Connection, member_id: str, before: int | None, limit: int) -> Rows:
    """The latest first."""
    rows = await conn.fetch(
        "select id, field, old, new, reason, by_kind, by_id, door, at, exported_at, acknowledged_at, settled_at from member_change"
        " where member_id = $1 and ($2::bigint is null or id < $2) order by id desc limit $3",
        member_id,
        before,
        limit,
    )
    return [dict(row) for row in rows]


async def add_consent(conn: Connection, member_id: str, **said: Any) -> None:
    names = ("purpose", "given", "proof", "by_kind", "by_id", "door", "at")
    await conn.execute(
        "insert into member_consent (member_id, purpose, given, proof, by_kind, by_id, door, at) values ($1, $2, $3, $4, $5, $6, $7, $8)",
        member_id,
        *(said[name] for name in names),
    )


async def consents(conn: Connection, member_id: str) -> Rows:
    """All that was ever said, by purpose, the last word of each first."""
    rows = await conn.fetch(
        "select purpose, given, proof, by_kind, by_id, door, at from member_consent where member_id = $1 order by purpose, id desc", member_id
    )
    return [dict(row) for row in rows]


async def principal_label(conn: Connection, principal_id: str) -> str:
    label: str = await conn.fetchval("select label from principal where id = $1", principal_id)
    return label


async def open_cases(conn: Connection, member_id: str) -> list[str]:
    return [row["case_id"] for row in await conn.fetch("select case_id from member_case where member_id = $1 and open", member_id)]


async def standing(conn: Connection, member_id: str) -> tuple[int, int] | None:
    """The version, and how many open cases show the card."""
    row = await conn.fetchrow("select version, open_cases from member where id = $1", member_id)
    return (row["version"], row["open_cases"]) if row else None
