"""Members: search, the sheet, open cases and with them the cards."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from services.kit.db import Connection
from services.reference.domain.likeness import Known


async def lookup(
    conn: Connection, *, number: str | None = None, phones: Sequence[str] | None = None, email: str | None = None, plate: str | None = None
) -> list[dict[str, Any]]:
    """Who has exactly one of these. `phones`: E.164."""
    rows = await conn.fetch("select * from lookup($1, $2, $3, $4)", number, phones, email, plate)
    return list({row["id"]: dict(row) for row in rows}.values())


async def by_birth_date(conn: Connection, born: date, names: Sequence[str], communes: Sequence[str]) -> list[dict[str, Any]]:
    """Of these names and in these communes, where some are given."""
    rows = await conn.fetch(
        "select * from member_sheet where birth_date = $1 and ($2::text[] = '{}' or name_key ~ any ($2))"
        " and ($3::text[] = '{}' or insee = any ($3)) order by name_key limit 20",
        born,
        [f"^{name}" for name in names],
        communes,
    )
    return _dicts(rows)


async def by_name(conn: Connection, names: Sequence[str], communes: Sequence[str]) -> list[dict[str, Any]]:
    """Whose name begins so; in these communes, where some are given."""
    rows = await conn.fetch(
        "select s.* from unnest($1::text[]) prefix cross join lateral (select * from member_sheet where name_key >= prefix"
        " and name_key < prefix || '~' and ($2::text[] = '{}' or insee = any ($2)) order by name_key limit 20) s order by s.name_key limit 20",
        names,
        communes,
    )
    return _dicts(rows)


async def born_on(conn: Connection, dates: Sequence[date]) -> list[Known]:
    rows = await conn.fetch("select id, name_key, birth_date from member where birth_date = any($1::date[])", dates)
    return [Known(*row) for row in rows]


async def living_in(conn: Connection, communes: Sequence[str]) -> list[Known]:
    rows = await conn.fetch("select id, name_key, null::date from member where insee = any($1::text[])", communes)
    return [Known(*row) for row in rows]


async def sheets(conn: Connection, member_ids: Sequence[str]) -> list[dict[str, Any]]:
    """In the given order."""
    rows = await conn.fetch(
        "select s.* from unnest($1::uuid[]) with ordinality as w (id, place) join member_sheet s on s.id = w.id order by w.place", member_ids
    )
    return [dict(row) for row in rows]


async def sheet(conn: Connection, member_id: str) -> dict[str, Any] | None:
    row = await conn.fetchrow("select * from member_sheet where id = $1", member_id)
    return dict(row) if row else None


async def rows(conn: Connection, member_ids: Sequence[str]) -> list[dict[str, Any]]:
    return [dict(row) for row in await conn.fetch("select * from member where id = any($1::uuid[])", member_ids)]


async def next_provisional(conn: Connection) -> str:
    serial: int = await conn.fetchval("select nextval('provisional_number')")
    return f"PROV-{serial:07d}"


async def insert(conn: Connection, member: Mapping[str, Any]) -> dict[str, Any]:
    row = await conn.fetchrow(
        "insert into member (id, principal_id, number, civility, last_name, first_name, name_key, birth_date, phones, emails, address, insee,"
        " postcode, language, provisional, version, card_version, open_cases)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, true, 1, 0, 0) returning *",
        *(member[name] for name in ("id", "principal_id", "number", "civility", "last_name", "first_name", "name_key", "birth_date")),
        *(member[name] for name in ("phones", "emails", "address", "insee", "postcode", "language")),
    )
    assert row is not None
    return dict(row)


async def open_cases(conn: Connection, cases: Mapping[str, str | None]) -> list[dict[str, Any]]:
    """Notes cases as open (id -> member id, None for one that was open before), of whoever counts for that member; the members who had
    none, with a new card version."""
    rows = await conn.fetch(
        "with opened as ("
        " insert into member_case as k (case_id, member_id, opened_for, open)"
        " select o.case_id, coalesce(known.member_id, m.survivor_id, o.opened_for), coalesce(known.opened_for, o.opened_for), true"
        " from unnest($1::uuid[], $2::uuid[]) as o (case_id, opened_for) left join member_case known on known.case_id = o.case_id"
        " left join member m on m.id = o.opened_for where coalesce(known.opened_for, o.opened_for) is not null"
        " on conflict (case_id) do update set open = true where not k.open returning member_id"
        "), counted as (select member_id, count(*)::int as cases from opened group by member_id)"
        " update member m set open_cases = m.open_cases + counted.cases, card_version = m.card_version + (m.open_cases = 0)::int"
        " from counted where m.id = counted.member_id returning m.*, m.open_cases = counted.cases as first",
        list(cases),
        list(cases.values()),
    )
    return [dict(row) for row in rows if row["first"]]


async def close_cases(conn: Connection, case_ids: Sequence[str]) -> list[tuple[str, int]]:
    """Members whose last open case this was, with the version of their card's tombstone."""
    rows = await conn.fetch(
        "with closed as (update member_case set open = false where case_id = any($1::uuid[]) and open returning member_id),"
        " counted as (select member_id, count(*)::int as cases from closed group by member_id)"
        " update member m set open_cases = m.open_cases - counted.cases, card_version = m.card_version + (m.open_cases = counted.cases)::int"
        " from counted where m.id = counted.member_id returning m.id, m.card_version, m.open_cases",
        case_ids,
    )
    return [(row["id"], row["card_version"]) for row in rows if row["open_cases"] == 0]


def _dicts(rows: Sequence[Any]) -> list[dict[str, Any]]:
    return [dict(row) for row in rows]
