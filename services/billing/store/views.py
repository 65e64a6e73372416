"""Lists and sums, newest first. Row-level security limits outsiders; the filters here say the same once more."""

from datetime import datetime
from typing import Any, Literal

from services.kit import cursor
from services.kit.db import Connection

Before = tuple[datetime, str] | None
State = Literal["prepared", "approved"]

_BILL = (
    "select b.id, b.prestation_id, b.case_id, b.need_id, b.number, b.provider_id, p.label as provider_label, b.service, b.day, b.net_cents,"
    " b.vat_cents, b.gross_cents, b.state, b.reverses, b.at, p.siret, b.lines, b.vats from bill b left join provider p on p.id = b.provider_id"
)
_CHARGE = (
    "select id, prestation_id, case_id, need_id, number, principal_id, service, day, base_net_cents, markup_net_cents, fee_net_cents, net_cents,"
    " vat_rate, vat_cents, gross_cents, member_gross_cents, reverses, invoice_id, at from charge"
)
_INVOICE = (
    "select i.id, i.number, i.principal_id, p.label as principal_label, i.period_from, i.period_until, i.issued_on, i.charges, i.net_cents,"
    " i.vat_cents, i.gross_cents, i.at from invoice i join principal p on p.id = i.principal_id"
)


def before(after: str | None) -> Before:
    """Where a page of a list starts. Raises `BadInput` for a cursor that is not ours."""
    return cursor.decode(after, cursor.instant, cursor.uuid)


def following(rows: list[dict[str, Any]], limit: int) -> str | None:
    """The cursor of the next page; None when this one is the last."""
    return cursor.encode(rows[-1]["at"], rows[-1]["id"]) if len(rows) == limit else None


async def bills(
    conn: Connection, *, provider_id: str | None, state: State | None, case_id: str | None, before: Before, limit: int
) -> list[dict[str, Any]]:
    rows = await conn.fetch(
        _BILL + " where ($1::uuid is null or b.provider_id = $1) and ($2::text is null or b.state = $2) and ($3::uuid is null or b.case_id = $3)"
        " and ($4::timestamptz is null or (b.at, b.id) < ($4, $5::uuid)) order by b.at desc, b.id desc limit $6",
        provider_id,
        state,
        case_id,
        before and before[0],
        before and before[1],
        limit,
    )
    return [dict(row) for row in rows]


async def bill(conn: Connection, bill_id: str, provider_id: str | None) -> dict[str, Any] | None:
    row = await conn.fetchrow(
        _BILL + " where b.id = $1 and ($2::uuid is null or b.provider_id = $2)",
        bill_id,
        provider_id,
    )
    return dict(row) if row else None


async def charges(
    conn: Connection, *, principal_ids: list[str] | None, invoiced: bool | None, case_id: str | None, before: Before, limit: int
) -> list[dict[str, Any]]:
    rows = await conn.fetch(
        _CHARGE + " where ($1::uuid[] is null or principal_id = any($1)) and ($2::boolean is null or (invoice_id is not null) = $2)"
        " and ($3::uuid is null or case_id = $3)"
        " and ($4::timestamptz is null or (at, id) < ($4, $5::uuid)) order by at desc, id desc limit $6",
        principal_ids,
        invoiced,
        case_id,
        before and before[0],
        before and before[1],
        limit,
    )
    return [dict(row) for row in rows]


async def invoices(conn: Connection, *, principal_ids: list[str] | None, before: Before, limit: int) -> list[dict[str, Any]]:
    rows = await conn.fetch(
        _INVOICE + " where ($1::uuid[] is null or i.principal_id = any($1))"
        " and ($2::timestamptz is null or (i.at, i.id) < ($2, $3::uuid)) order by i.at desc, i.id desc limit $4",
        principal_ids,
        before and before[0],
        before and before[1],
        limit,
    )
    return [dict(row) for row in rows]


async def waiting(conn: Connection, *, lacking: str | None, after: str | None, limit: int) -> list[dict[str, Any]]:
    """Prestations that are not settled yet, oldest first."""
    rows = await conn.fetch(
        "select id, case_id, need_id, number, principal_id, provider_id, service, day, waiting_for, at from prestation"
        " where waiting_for is not null and ($1::text is null or waiting_for = $1) and ($2::uuid is null or id > $2) order by id limit $3",
        lacking,
        after,
        limit,
    )
    return [dict(row) for row in rows]


async def balance(conn: Connection) -> dict[str, int]:
    """Debits positive, per account that has moved."""
    rows = await conn.fetch("select account, sum(cents)::bigint as cents from entry_line group by account order by account")
    return {row["account"]: row["cents"] for row in rows}


async def money_of_case(conn: Connection, case_id: str) -> list[dict[str, Any]]:
    """One row a prestation: what stands for it."""
    rows = await conn.fetch(
        "select p.id, p.number, p.service, p.waiting_for, b.gross_cents as bill_gross_cents, b.state as bill_state, pr.label as provider_label,"
        " c.gross_cents as charge_gross_cents, c.member_gross_cents, i.number as invoice_number"
        " from prestation p left join bill b on b.id = p.bill_id left join provider pr on pr.id = p.provider_id"
        " left join charge c on c.id = p.charge_id left join invoice i on i.id = c.invoice_id where p.case_id = $1 order by p.number, p.id",
        case_id,
    )
    return [dict(row) for row in rows]


async def tariffs(conn: Connection, service: str | None) -> list[dict[str, Any]]:
    rows = await conn.fetch(
        "select id, provider_id, service, valid_from, valid_until, lines, version from tariff"
        " where $1::text is null or service = $1 order by service, valid_from desc, id limit 1000",
        service,
    )
    return [dict(row) for row in rows]


async def owed(conn: Connection, provider_id: str | None) -> dict[str, Any]:
    """Of a provider's bills: how many are in which state, and their gross."""
    row = await conn.fetchrow(
        "select count(*) filter (where state = 'approved') as approved, coalesce(sum(gross_cents) filter (where state = 'approved'), 0)::bigint"
        " as approved_cents, count(*) filter (where state = 'prepared') as prepared,"
        " coalesce(sum(gross_cents) filter (where state = 'prepared'), 0)::bigint as prepared_cents from bill where provider_id = $1",
        provider_id,
    )
    assert row is not None
    return dict(row)
