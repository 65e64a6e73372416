"""Prestations with the documents that stand, and what is added for them: bills, charges, ledger entries."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from services.billing.domain import ledger
from services.billing.domain.charging import Charge
from services.billing.domain.ledger import Entry
from services.billing.domain.money import Vat
from services.billing.domain.pricing import Bill, BillLine, Done
from services.billing.domain.settling import Document, Prestation
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


async def save(conn: Connection, prestations: Sequence[Prestation], made: Sequence[tuple[Prestation, Document]], now: datetime) -> None:
    """Prestations with the documents that were made for them and the ledger's entries of those, in one statement.

    The database refuses an entry that does not sum to zero, at the commit.
    """
    await conn.execute(
        _SAVE,
        [_stored(one, now) for one in prestations],
        [_stored_bill(one, bill, now) for one, bill in made if isinstance(bill, Bill)],
        [_stored_charge(one, charge, now) for one, charge in made if isinstance(charge, Charge)],
        *_entries([(ledger.entry(document), one.case_id, one.need_id) for one, document in made]),
        now,
    )


async def insert_entry(conn: Connection, entry: Entry, now: datetime) -> None:
    """Of a document that concerns several cases."""
    await conn.execute(_SAVE, [], [], [], *_entries([(entry, None, None)]), now)


async def approve_bill(conn: Connection, bill_id: str) -> tuple[str, str] | None:
    """(case id, need id) when it was not approved yet; None when it was."""
    row = await conn.fetchrow("update bill set state = 'approved' where id = $1 and state = 'prepared' returning case_id, need_id", bill_id)
    return (row["case_id"], row["need_id"]) if row else None


_SAVE = """
with saved as (
  insert into prestation select * from jsonb_populate_recordset(null::prestation, $1)
  on conflict (id) do update set lines = excluded.lines, bill_id = excluded.bill_id, charge_id = excluded.charge_id,
    waiting_for = excluded.waiting_for, task_id = excluded.task_id
), billed as (
  insert into bill select * from jsonb_populate_recordset(null::bill, $2)
), charged as (
  insert into charge select * from jsonb_populate_recordset(null::charge, $3)
), entered as (
  insert into entry (document_kind, document_id, case_id, need_id, at)
  select *, $11::timestamptz from unnest($4::text[], $5::uuid[], $6::uuid[], $7::uuid[]) returning id, document_id
)
insert into entry_line (entry_id, account, cents)
select entered.id, line.account, line.cents from unnest($8::uuid[], $9::text[], $10::bigint[]) line (document_id, account, cents)
join entered using (document_id)
"""


def _entries(entries: Sequence[tuple[Entry, str | None, str | None]]) -> tuple[list[Any], ...]:
    """Each with its case and need, if it concerns one; as the arrays of `_SAVE`."""
    lines = [(entry.document_id, account, cents) for entry, _, _ in entries for account, cents in entry.lines]
    return (
        [entry.document_kind for entry, _, _ in entries],
        [entry.document_id for entry, _, _ in entries],
        [case_id for _, case_id, _ in entries],
        [need_id for _, _, need_id in entries],
        [document_id for document_id, _, _ in lines],
        [account for _, account, _ in lines],
        [cents for _, _, cents in lines],
    )


def _stored(one: Prestation, now: datetime) -> dict[str, Any]:
    references = {"bill_id": one.bill and one.bill.id, "charge_id": one.charge and one.charge.id}
    return {name: getattr(one, name) for name in (*_WHOSE, "principal_id", "provider_id", *_LATER)} | references | {"id": one.id, "at": now}


def _stored_bill(one: Prestation, bill: Bill, now: datetime) -> dict[str, Any]:
    whose = {name: getattr(one, name) for name in (*_WHOSE, "provider_id")} | {"prestation_id": one.id}
    state = "approved" if bill.approved else "prepared"
    return whose | {name: getattr(bill, name) for name in _BILL} | {"state": state, "at": now}


def _stored_charge(one: Prestation, charge: Charge, now: datetime) -> dict[str, Any]:
    whose = {name: getattr(one, name) for name in (*_WHOSE, "principal_id")} | {"prestation_id": one.id}
    return whose | {name: getattr(charge, name) for name in _CHARGE} | {"at": now}


_WHOSE = ("case_id", "need_id", "number", "service", "day")
_LATER = ("lines", "waiting_for", "task_id")
_BILL = ("id", "lines", "vats", "net_cents", "vat_cents", "gross_cents", "reverses")
_CHARGE = (
    *("id", "base_net_cents", "markup_net_cents", "fee_net_cents", "net_cents", "vat_rate", "vat_cents", "gross_cents", "member_net_cents"),
    *("member_gross_cents", "reverses"),
)


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
