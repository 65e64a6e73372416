"""From what was done to the cent: bills by the tariff, charges by the guarantee and the terms, invoices by their charges, a ledger at zero."""

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from tests.checker import prices
from tests.checker.fold import Case, Need
from tests.checker.inputs import Finding, Log, Record, Row, Tables

DECIDING = ("intake.need_at_risk", "reference.coverage_granted", "reference.coverage_refused", "reference.coverage_released")


def check(log: Log, tables: Tables, cases: dict[str, Case]) -> Iterator[Finding]:
    needs = {need.id: need for case in cases.values() for need in case.needs.values()}
    bills, charges = standing(log, "billing.bill_prepared", "bill_id"), standing(log, "billing.charge_recorded", "charge_id")
    waiting = {row["id"] for row in tables.of("billing", "waiting")}
    for done in log.of("tracking.prestation_completed"):
        prestation = done.body["prestation_id"]
        for name, found in (("bill", bills[prestation]), ("charge", charges[prestation])):
            if len(found) > 1:
                yield Finding("doubled_line", done.key, f"{len(found)} {name}s stand for prestation {prestation}")
            elif not found and prestation not in waiting:
                yield Finding("lost_row", done.key, f"no {name} for prestation {prestation}, and it does not wait for anything")
        if bills[prestation]:
            yield from _bill(log, done, bills[prestation][0])
        if bills[prestation] and charges[prestation] and done.body["need_id"] in needs:
            yield from _charge(log, tables, needs[done.body["need_id"]], bills[prestation][0], charges[prestation][0], done)
    for name, kind, field in (("bills", "billing.bill_prepared", "bill_id"), ("charges", "billing.charge_recorded", "charge_id")):
        yield from _documents(log, tables, name, kind, field)


def standing(log: Log, kind: str, field: str) -> dict[str, list[Record]]:
    """By prestation: those that neither reverse another nor are reversed."""
    events = list(log.of(kind))
    gone = {event.body.get("reverses") for event in events}
    found: dict[str, list[Record]] = defaultdict(list)
    for event in events:
        if not event.body.get("reverses") and event.body[field] not in gone:
            found[event.body["prestation_id"]].append(event)
    return found


def _bill(log: Log, done: Record, bill: Record) -> Iterator[Finding]:
    body = bill.body
    corrections = [one.body for one in log.of("tracking.prestation_corrected") if one.body["prestation_id"] == body["prestation_id"]]
    lines = (corrections or [done.body])[-1]["lines"]
    if [_done(line) for line in lines] != [_done(line) for line in body["lines"]]:
        yield Finding("cent_off", bill.key, f"bill {body['bill_id']} is for other lines than prestation {body['prestation_id']}")
    on = prices.day(done.body["performed"]["start"], _zone(log, body["need_id"]))
    known = prices.unit_prices(log, body["provider_id"], done.body["service"], on)
    for line in body["lines"]:
        if (line["article"], line["unit"], Decimal(str(line["unit_price_net"])), Decimal(str(line["vat_rate"]))) not in known:
            yield Finding("cent_off", bill.key, f"bill {body['bill_id']}: {line['article']} is not at the price of the tariff")


def _charge(log: Log, tables: Tables, need: Need, bill: Record, charge: Record, done: Record) -> Iterator[Finding]:
    body = charge.body
    on = prices.day(done.body["performed"]["start"], _zone(log, need.id))
    mine = sorted((event for event in log.of(*DECIDING) if event.body["need_id"] == need.id), key=lambda event: event.offset)
    expected = [
        prices.charge(bill.body, cap, rate, terms)
        for cap, rate in prices.decisions(mine)
        for terms in prices.terms(log, need.added["principal_id"], on)
    ]
    told = (body["net_cents"], body["vat_cents"], body["member_gross_cents"])
    if told not in [(one.net, one.vat, one.member_gross) for one in expected]:
        yield Finding("cent_off", charge.key, f"charge {body['charge_id']} says net, VAT, member's {told}, expected one of {expected}")
    for row in tables.of("billing", "charges"):
        if row["id"] == body["charge_id"]:
            parts = (row["base_net_cents"], row["markup_net_cents"], row["fee_net_cents"], row["member_net_cents"])
            if parts not in [(one.base, one.markup, one.fee, one.member_net) for one in expected]:
                yield Finding("cent_off", charge.key, f"charge {row['id']} has base, markup, fee, member's net {parts}, expected one of {expected}")


def _documents(log: Log, tables: Tables, name: str, kind: str, field: str) -> Iterator[Finding]:
    """Each adds up in itself, is the exact negative of what it reverses, and stands in the database as it was told."""
    rows = {row["id"]: row for row in tables.of("billing", name)}
    events = {event.body[field]: event for event in log.of(kind)}
    for one, event in events.items():
        body = event.body
        if body["gross_cents"] != body["net_cents"] + body["vat_cents"]:
            yield Finding("cent_off", event.key, f"{kind} {one}: gross is not net and VAT")
        if "lines" in body:
            yield from _lines(event, one)
        reversed_ = events.get(body.get("reverses") or "")
        amounts = [amount for amount in ("net_cents", "vat_cents", "gross_cents", "member_gross_cents") if amount in body]
        if reversed_ and any(body[amount] != -reversed_.body[amount] for amount in amounts):
            yield Finding("cent_off", event.key, f"{kind} {one} does not take back exactly what {body['reverses']} says")
        row = rows.get(one)
        if row and any(row[amount] != body[amount] for amount in amounts):
            yield Finding("cent_off", event.key, f"{kind} {one}: the row says {[row[a] for a in amounts]}, the log {[body[a] for a in amounts]}")


def _lines(event: Record, bill_id: str) -> Iterator[Finding]:
    body = event.body
    for line in body["lines"]:
        if line["net_cents"] != prices.line_net(line):
            yield Finding("cent_off", event.key, f"bill {bill_id}: {line['article']} is {line['net_cents']}, should be {prices.line_net(line)}")
    net = sum(line["net_cents"] for line in body["lines"])
    tax = prices.vat((str(line["vat_rate"]), line["net_cents"]) for line in body["lines"])
    if (body["net_cents"], body["vat_cents"]) != (net, tax):
        yield Finding("cent_off", event.key, f"bill {bill_id}: net, VAT are {body['net_cents']}, {body['vat_cents']}, its lines make {net}, {tax}")


def _done(line: Row) -> tuple[str, str, Decimal]:
    return line["article"], line["unit"], Decimal(str(line["quantity"]))


def _zone(log: Log, need_id: str) -> str:
    zones = [event.body["place"]["zone"] for event in log.of("intake.need_added", "intake.need_amended") if event.body["need_id"] == need_id]
    return zones[-1] if zones else "Europe/Paris"
