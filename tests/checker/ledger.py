"""Invoices by their charges, and the ledger: each entry at zero, each document entered once, each account equal to its documents."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.checker import prices
from tests.checker.inputs import Finding, Log, Row, Tables

DOCUMENTS = {
    "bill": ("billing.bill_prepared", "bill_id"),
    "charge": ("billing.charge_recorded", "charge_id"),
    "invoice": ("billing.invoice_issued", "invoice_id"),
}


def check(log: Log, tables: Tables) -> Iterator[Finding]:
    yield from _invoices(log, tables)
    if "billing" in tables.rows:
        yield from _ledger(log, tables.of("billing", "ledger"))


def total(tables: Tables) -> int:
    return sum(row["cents"] or 0 for row in tables.of("billing", "ledger"))


def _invoices(log: Log, tables: Tables) -> Iterator[Finding]:
    charges = {event.body["charge_id"]: event for event in log.of("billing.charge_recorded")}
    on: dict[str, list[str]] = defaultdict(list)
    for event in log.of("billing.case_invoiced"):
        on[event.body["invoice_id"]].append(event.body["charge_id"])
    for charge, number in Counter(charge for some in on.values() for charge in some).items():
        if number > 1:
            yield Finding("doubled_line", charges[charge].key if charge in charges else charge, f"charge {charge} is invoiced {number} times")
    rates = {row["id"]: row["vat_rate"] for row in tables.of("billing", "charges")}
    rows = {row["id"]: row for row in tables.of("billing", "invoices")}
    for issued in log.of("billing.invoice_issued"):
        body = issued.body
        mine = [charges[charge] for charge in on[body["invoice_id"]] if charge in charges]
        if body["charges"] != len(mine):
            yield Finding("lost_row", body["invoice_id"], f"invoice of {body['charges']} charges, {len(mine)} are told on cases")
        for one in mine:
            if one.body["principal_id"] != body["principal_id"]:
                yield Finding("foreign_row", one.key, f"charge {one.body['charge_id']} stands on another principal's invoice")
        net = sum(charge.body["net_cents"] for charge in mine)
        tax = prices.vat((rates.get(charge.body["charge_id"], "0"), charge.body["net_cents"]) for charge in mine)
        told = (body["net_cents"], body["vat_cents"], body["gross_cents"])
        if told != (net, tax, net + tax):
            yield Finding("cent_off", body["invoice_id"], f"invoice {body['invoice_id']} says {told}, its charges make {(net, tax, net + tax)}")
        row = rows.get(body["invoice_id"])
        if row and (row["net_cents"], row["vat_cents"], row["gross_cents"]) != told:
            yield Finding("cent_off", body["invoice_id"], f"invoice {body['invoice_id']} is another in the database than in the log")
    invoiced = {charge: invoice for invoice, some in on.items() for charge in some}
    for row in tables.of("billing", "charges"):
        of_log = invoiced.get(row["id"])
        if row["invoice_id"] != of_log:
            yield Finding("stale_view", row["case_id"], f"charge {row['id']} stands on invoice {row['invoice_id']}, the log says {of_log}")


def _ledger(log: Log, rows: list[Row]) -> Iterator[Finding]:
    entries: dict[tuple[str, str], dict[int, int]] = defaultdict(lambda: defaultdict(int))
    accounts: dict[str, int] = defaultdict(int)
    for row in rows:
        entries[row["kind"], row["document"]][row["entry"]] += row["cents"] or 0
        accounts[row["account"]] += row["cents"] or 0
    for (kind, document), sums in entries.items():
        if len(sums) > 1:
            yield Finding("doubled_line", document, f"{kind} {document} has {len(sums)} entries in the ledger")
        for entry, cents in sums.items():
            if cents:
                yield Finding("cent_off", document, f"entry {entry} of {kind} {document} sums to {cents} cents")
    for kind, (event_kind, field) in DOCUMENTS.items():
        for event in log.of(event_kind):
            if (kind, event.body[field]) not in entries:
                yield Finding("lost_row", event.key, f"{kind} {event.body[field]} is not in the ledger")
    owed = -sum(event.body["gross_cents"] for event in log.of("billing.bill_prepared"))
    due = sum(event.body["gross_cents"] for event in log.of("billing.invoice_issued"))
    members = sum(event.body["member_gross_cents"] for event in log.of("billing.charge_recorded"))
    for account, cents in (("provider_payable", owed), ("principal_receivable", due), ("member_receivable", members)):
        if accounts[account] != cents:
            yield Finding("cent_off", account, f"{account} is at {accounts[account]} cents, its documents make {cents}")
