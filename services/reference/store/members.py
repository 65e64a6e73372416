"""Members: search, the sheet, open cases and with them the cards."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from services.kit.db import Connection
from services.reference.domain.names import Query

LIMIT = 20
_MEMBER = (
    "m.id, m.principal_id, m.number, m.civility, m.last_name, m.first_name, m.birth_date, m.phones, m.emails, m.address, m.insee, m.postcode,"
    " m.language, m.provisional, m.linked_to, m.ended_on, m.version"
)
_CONTRACTS = (
    "coalesce((select jsonb_agg(jsonb_build_object('contract_id', c.id, 'number', c.number, 'product', c.product, 'label', p.label,"
    " 'starts_on', c.starts_on, 'ends_on', c.ends_on, 'state', c.state) order by c.starts_on desc, c.id)"
    " from contract c join product p on p.code = c.product where c.member_id = m.id), '[]') as contracts"
)
_SEARCH = {
    "exact": f"select {_MEMBER}, {_CONTRACTS} from (select * from member where number = $1 union select * from member where phones && $2) m"
    " order by m.ended_on nulls first, m.name_key limit 20",
    "born": f"select {_MEMBER}, {_CONTRACTS} from (select * from member where birth_date = $1 and ($2::text[] = '{{}}' or name_key ~ any ($2))"
    " and ($3::text[] = '{}' or insee = any ($3)) order by name_key limit 20) m",
    "named": f"select {_MEMBER}, {_CONTRACTS} from (select distinct f.* from unnest($1::text[]) prefix cross join lateral"
    " (select * from member where name_key >= prefix and name_key < prefix || '~' and ($2::text[] = '{}' or insee = any ($2))"
    " order by name_key limit 20) f order by f.name_key limit 20) m",
}

_COUNT_OPENED = (
    ", counted as (select member_id, count(*)::int as cases from opened group by member_id)"
    " update member m set open_cases = m.open_cases + counted.cases, card_version = m.card_version + (m.open_cases = 0)::int"
    " from counted where m.id = counted.member_id returning m.*, m.open_cases = counted.cases as first"
)


async def search(conn: Connection, query: Query, phones: Sequence[str]) -> list[dict[str, Any]]:
    """At most 20, with their contracts. `phones`: what the typed phone can mean, E.164."""
    if query.number or query.phone:
        rows = await conn.fetch(_SEARCH["exact"], query.number, phones)
    elif query.birth_date:
        rows = await conn.fetch(_SEARCH["born"], query.birth_date, [f"^{name}" for name in query.names], query.communes)
    else:
        rows = await conn.fetch(_SEARCH["named"], query.names, query.communes)
    return [dict(row) for row in rows]


async def sheet(conn: Connection, member_id: str) -> dict[str, Any] | None:
    row = await conn.fetchrow(f"select {_MEMBER}, {_CONTRACTS} from member m where m.id = $1", member_id)
    return row and dict(row)


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


async def open_cases(conn: Connection, cases: Mapping[str, str]) -> list[dict[str, Any]]:
    """Notes cases (id -> member id) as open; returns the members who had none before, with a new card version."""
    rows = await conn.fetch(
        "with opened as (insert into member_case as k (case_id, member_id, open) select *, true from unnest($1::uuid[], $2::uuid[])"
        f" on conflict (case_id) do update set open = true where not k.open returning member_id){_COUNT_OPENED}",
        list(cases),
        list(cases.values()),
    )
    return [dict(row) for row in rows if row["first"]]


async def reopen_cases(conn: Connection, case_ids: Sequence[str]) -> list[dict[str, Any]]:
    """As `open_cases`, for cases that were open before."""
    rows = await conn.fetch(
        "with opened as (update member_case set open = true where case_id = any($1::uuid[]) and not open returning member_id)" + _COUNT_OPENED, case_ids
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


async def contract_ids(conn: Connection, member_ids: Sequence[str]) -> dict[str, list[str]]:
    rows = await conn.fetch(
        "select member_id, array_agg(id order by id) as ids from contract where member_id = any($1::uuid[]) group by member_id", member_ids
    )
    return {row["member_id"]: row["ids"] for row in rows}


async def rights(conn: Connection, contract_ids: Sequence[str], day: date) -> list[dict[str, Any]]:
    """Rights of the contract years around a day, per guarantee, as they were used."""
    rows = await conn.fetch(
        "select contract_id, guarantee, period_start, used, reserved from rights"
        " where contract_id = any($1::uuid[]) and period_start <= $2 and period_start > $2 - 366",
        contract_ids,
        day,
    )
    return [dict(row) for row in rows]
