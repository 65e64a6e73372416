"""Invoices and the charges on them."""

from datetime import date, datetime
from typing import Any

from services.billing.domain.invoicing import SERIES, Invoice, OpenCharge
from services.kit.db import Connection, row


async def open_charges(conn: Connection, principal_id: str, until: date) -> tuple[OpenCharge, ...]:
    """On no invoice yet, of prestations up to and including that day. Lock the principal first."""
    rows = await conn.fetch(
        "select id, case_id, need_id, net_cents, vat_rate from charge where principal_id = $1"
        " and invoice_id is null and day <= $2 order by id for update",
        principal_id,
        until,
    )
    return tuple(OpenCharge(**row(found)) for found in rows)


async def next_serial(conn: Connection, year: int) -> int:
    """The counter's row stays locked until the commit and goes back with a rollback: no number is lost."""
    serial: int = await conn.fetchval(
        "insert into invoice_series as s (series, year, last) values ($1, $2, 1)"
        " on conflict (series, year) do update set last = s.last + 1 returning last",
        SERIES,
        year,
    )
    return serial


async def insert(conn: Connection, invoice: Invoice, now: datetime) -> None:
    await conn.execute(
        "insert into invoice (id, number, principal_id, period_from, period_until, issued_on, charges, vats, net_cents, vat_cents, gross_cents, at)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        invoice.id,
        invoice.number,
        invoice.principal_id,
        invoice.period_from,
        invoice.period_until,
        invoice.issued_on,
        len(invoice.charges),
        invoice.vats,
        invoice.net_cents,
        invoice.vat_cents,
        invoice.gross_cents,
        now,
    )
    await conn.execute("update charge set invoice_id = $1 where id = any($2::uuid[])", invoice.id, [charge.id for charge in invoice.charges])


async def view(conn: Connection, invoice_id: str) -> dict[str, Any] | None:
    """With a line per charge: a need has one, and two more for each correction."""
    found = await conn.fetchrow(
        "select i.*, p.code as principal_code, p.label as principal_label, p.siren from invoice i"
        " join principal p on p.id = i.principal_id where i.id = $1",
        invoice_id,
    )
    if found is None:
        return None
    lines = await conn.fetch(
        "select id as charge_id, case_id, need_id, number, service, day, base_net_cents, markup_net_cents, fee_net_cents, net_cents, vat_rate,"
        " reverses from charge where invoice_id = $1 order by number, id",
        invoice_id,
    )
    return {**row(found), "lines": [dict(line) for line in lines]}
