"""Prestations with the documents that stand, and what is added for them: bills, charges, ledger entries."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from services.billing.domain.charging import Charge
from services.billing.domain.ledger import Entry
from services.billing.domain.money import Vat
from services.billing.domain.pricing import Bill, BillLine, Done
from services.billing.domain.settling import Prestation
from services.kit.db import Connection


async def load(conn: Connection, ids: Sequence[str]) -> list[Prestation]:
    """In the order of their ids. Lock their needs first."""
    rows = await conn.fetch(
        "select p.*, b.lines as bill_lines, b.vats, b.state, b.reverses as bill_reverses, c.base_net_cents, c.markup_net_cents, c.fee_net_cents,"
        " c.vat_rate, c.vat_cents, c.member_net_cents, c.member_gross_cents, c.reverses as charge_reverses"
        " from prestation p left join bill b on b.id = p.bill_id left join charge c on c.id = p.charge_id"
        " where p.id = any($1::uuid[]) order by p.id",
        ids,
    )
    return [_prestation(row) for row in rows]


async def need_of(conn: Connection, prestation_id: str) -> str | None:
    need_id: str | None = await conn.fetchval("select need_id from prestation where id = $1", prestation_id)
    return need_id


async def waiting(conn: Connection, lacking: str, column: str, value: str, after: str, limit: int) -> list[tuple[str, str]]:
    """(need id, prestation id) of prestations that wait, from the id `after` on."""
    assert column in ("service", "principal_id")
    rows = await conn.fetch(
        f"select need_id, id from prestation where waiting_for = $1 and {column}::text = $2 and id > $3 order by id limit $4",  # noqa: S608 - one of two
        lacking,
        value,
        after,
        limit,
    )
    return [(row["need_id"], row["id"]) for row in rows]


async def save(conn: Connection, prestations: Iterable[Prestation], now: datetime) -> None:
    await conn.executemany(
        "insert into prestation (id, case_id, need_id, number, principal_id, provider_id, service, day, lines, bill_id, charge_id, waiting_for,"
        " task_id, at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
        " on conflict (id) do update set lines = excluded.lines, bill_id = excluded.bill_id, charge_id = excluded.charge_id,"
        " waiting_for = excluded.waiting_for, task_id = excluded.task_id",
        [
            (
                one.id,
                one.case_id,
                one.need_id,
                one.number,
                one.principal_id,
                one.provider_id,
                one.service,
                one.day,
                one.lines,
                one.bill and one.bill.id,
                one.charge and one.charge.id,
                one.waiting_for,
                one.task_id,
                now,
            )
            for one in prestations
        ],
    )


async def insert_bills(conn: Connection, bills: Sequence[tuple[Prestation, Bill]], now: datetime) -> None:
    await conn.executemany(
        "insert into bill (id, prestation_id, case_id, need_id, number, provider_id, service, day, lines, vats, net_cents, vat_cents, gross_cents,"
        " state, reverses, at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        [
            (
                bill.id,
                one.id,
                one.case_id,
                one.need_id,
                one.number,
                one.provider_id,
                one.service,
                one.day,
                bill.lines,
                bill.vats,
                bill.net_cents,
                bill.vat_cents,
                bill.gross_cents,
                "approved" if bill.approved else "prepared",
                bill.reverses,
                now,
            )
            for one, bill in bills
        ],
    )


async def insert_charges(conn: Connection, charges: Sequence[tuple[Prestation, Charge]], now: datetime) -> None:
    await conn.executemany(
        "insert into charge (id, prestation_id, case_id, need_id, number, principal_id, service, day, base_net_cents, markup_net_cents,"
        " fee_net_cents, net_cents, vat_rate, vat_cents, gross_cents, member_net_cents, member_gross_cents, reverses, at)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)",
        [
            (
                charge.id,
                one.id,
                one.case_id,
                one.need_id,
                one.number,
                one.principal_id,
                one.service,
                one.day,
                charge.base_net_cents,
                charge.markup_net_cents,
                charge.fee_net_cents,
                charge.net_cents,
                charge.vat_rate,
                charge.vat_cents,
                charge.gross_cents,
                charge.member_net_cents,
                charge.member_gross_cents,
                charge.reverses,
                now,
            )
            for one, charge in charges
        ],
    )


async def insert_entries(conn: Connection, entries: Sequence[tuple[Entry, str | None, str | None]], now: datetime) -> None:
    """Each with its case and need, if it concerns one. The database refuses an entry that does not sum to zero, at the commit."""
    lines = [(entry.document_id, account, cents) for entry, _, _ in entries for account, cents in entry.lines]
    await conn.execute(
        "with added as ("
        " insert into entry (document_kind, document_id, case_id, need_id, at)"
        " select *, $8::timestamptz from unnest($1::text[], $2::uuid[], $3::uuid[], $4::uuid[]) returning id, document_id)"
        " insert into entry_line (entry_id, account, cents)"
        " select added.id, line.account, line.cents from unnest($5::uuid[], $6::text[], $7::bigint[]) line (document_id, account, cents)"
        " join added using (document_id)",
        [entry.document_kind for entry, _, _ in entries],
        [entry.document_id for entry, _, _ in entries],
        [case_id for _, case_id, _ in entries],
        [need_id for _, _, need_id in entries],
        [document_id for document_id, _, _ in lines],
        [account for _, account, _ in lines],
        [cents for _, _, cents in lines],
        now,
    )


async def approve_bill(conn: Connection, bill_id: str) -> tuple[str, str] | None:
    """(case id, need id) when it was not approved yet; None when it was."""
    row = await conn.fetchrow("update bill set state = 'approved' where id = $1 and state = 'prepared' returning case_id, need_id", bill_id)
    return (row["case_id"], row["need_id"]) if row else None


def _prestation(row: Any) -> Prestation:
    return Prestation(
        id=row["id"],
        case_id=row["case_id"],
        need_id=row["need_id"],
        number=row["number"],
        principal_id=row["principal_id"],
        provider_id=row["provider_id"],
        service=row["service"],
        day=row["day"],
        lines=tuple(Done(line["article"], line["unit"], Decimal(line["quantity"])) for line in row["lines"]),
        bill=_bill(row) if row["bill_id"] else None,
        charge=_charge(row) if row["charge_id"] else None,
        waiting_for=row["waiting_for"],
        task_id=row["task_id"],
    )


def _bill(row: Any) -> Bill:
    lines = tuple(
        BillLine(
            line["article"],
            line["unit"],
            Decimal(line["quantity"]),
            Decimal(line["unit_price_net"]),
            Decimal(line["vat_rate"]),
            line["net_cents"],
        )
        for line in row["bill_lines"]
    )
    vats = tuple(Vat(Decimal(vat["rate"]), vat["net_cents"], vat["vat_cents"]) for vat in row["vats"])
    return Bill(row["bill_id"], lines, vats, row["state"] == "approved", row["bill_reverses"])


def _charge(row: Any) -> Charge:
    return Charge(
        row["charge_id"],
        row["base_net_cents"],
        row["markup_net_cents"],
        row["fee_net_cents"],
        row["vat_rate"],
        row["vat_cents"],
        row["member_net_cents"],
        row["member_gross_cents"],
        row["charge_reverses"],
    )
