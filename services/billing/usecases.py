"""Load, decide, save, emit. Each is called inside one transaction, by a door or by a record of the log."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby
from zoneinfo import ZoneInfo

from services.billing import emits
from services.billing.domain import invoicing, ledger, pricing, settling
from services.billing.domain.charging import Need, Principal, terms_on
from services.billing.domain.invoicing import Invoice
from services.billing.domain.pricing import Done, Price, Tariff, in_force
from services.billing.domain.settling import Document, Performed, Prestation, Rules
from services.billing.store import documents, invoices, needs, rules
from services.kit import deadlines
from services.kit.clock import new_id
from services.kit.db import Transaction
from services.kit.errors import NotFound, StaleVersion
from services.kit.outbox import Cause

approve_up_to_cents = 100_000  # these two are set from the settings when the process starts
overdue_after = timedelta(days=3)

PARIS = ZoneInfo("Europe/Paris")
CHUNK = 200
FIRST = "00000000-0000-0000-0000-000000000000"
SETTLE, OVERDUE = "settle", "settlement_overdue"

Causes = Mapping[str, Cause]  # by need


async def perform(tx: Transaction, performed: Sequence[Performed], causes: Causes) -> None:
    """Bills and charges what was done. A prestation known already changes nothing."""
    found = await needs.lock(tx.conn, [told.need_id for told in performed])
    new = [Prestation.of(told, found[told.need_id]) for told in performed if told.id not in found[told.need_id].prestation_ids]
    if new:
        await _settle(tx, new, found, causes)


async def correct(tx: Transaction, need_id: str, prestation_id: str, lines: tuple[Done, ...]) -> None:
    """What stands is reversed and made again; the same lines change nothing."""
    found = await needs.lock(tx.conn, [need_id])
    [prestation] = await documents.load(tx.conn, [prestation_id])
    await _settle(tx, [replace(prestation, lines=lines)], found, {})


async def resettle(tx: Transaction, need_ids: Sequence[str], causes: Causes) -> None:
    """After a decision: what waited for it is charged, what was charged otherwise is made again."""
    found = await needs.lock(tx.conn, need_ids)
    ids = [prestation_id for need in found.values() for prestation_id in need.prestation_ids]
    if ids:
        await _settle(tx, await documents.load(tx.conn, ids), found, causes)


async def settle_waiting(tx: Transaction, key: str) -> None:
    """The deadline after a rule came, for a chunk of those that waited for one: `tariff:<service>:<after>:…`, `terms:<principal>:<after>:…`."""
    lacking, value, after, _ = key.split(":")
    column = "service" if lacking == "tariff" else "principal_id"
    waiting = await documents.waiting(tx.conn, lacking, column, value, after, CHUNK)
    if not waiting:
        return
    found = await needs.lock(tx.conn, [need_id for need_id, _ in waiting])
    await _settle(tx, await documents.load(tx.conn, [prestation_id for _, prestation_id in waiting]), found, {})
    if len(waiting) == CHUNK:
        await _settle_soon(tx, lacking, value, waiting[-1][1])


async def overdue(tx: Transaction, prestation_id: str) -> None:
    """The deadline of what waits for others: without a decision it is charged as refused, without terms a person is asked."""
    need_id = await documents.need_of(tx.conn, prestation_id)
    assert need_id is not None
    await needs.lock(tx.conn, [need_id])
    [prestation] = await documents.load(tx.conn, [prestation_id])
    if prestation.waiting_for == "decision":
        await needs.refuse(tx.conn, need_id, None, "assumed_refused")
        await resettle(tx, [need_id], {})
    elif prestation.waiting_for == "terms" and prestation.task_id is None:
        task_id = new_id()
        await documents.save(tx.conn, [replace(prestation, task_id=task_id)], [], tx.now)
        tx.emit(emits.task_opened(prestation, task_id, "terms_missing", tx.now))


async def put_tariff(tx: Transaction, tariff: Tariff, expected: int | None = None) -> Tariff:
    """The tariff as it shall be; the same again changes nothing. Raises `Invalid`, `StaleVersion`."""
    pricing.check(tariff)
    await rules.adding(tx.conn)
    known = await rules.lock_tariff(tx.conn, tariff.id)
    version = known.version if known else 0
    if expected is not None and expected != version:
        raise StaleVersion(f"the tariff is at version {version}; load it again")
    if known and replace(tariff, version=version) == known:
        return known
    tariff = replace(tariff, version=version + 1)
    await rules.save_tariff(tx.conn, tariff)
    tx.emit(emits.tariff_changed(tariff))
    await _settle_soon(tx, "tariff", tariff.service)
    return tariff


async def load_tariffs(tx: Transaction, lines: Iterable[str]) -> int:
    """From CSV with a header: tariff_id, provider_id (empty: all), service, valid_from, valid_until, article, unit, unit_price_net, vat_rate.

    The rows of a tariff follow each other. Returns how many tariffs there are.
    """
    found = 0
    for tariff_id, rows in groupby(csv.DictReader(lines), key=lambda row: row["tariff_id"]):
        prices = list(rows)
        head = prices[0]
        tariff = Tariff(
            tariff_id,
            head["provider_id"] or None,
            head["service"],
            date.fromisoformat(head["valid_from"]),
            date.fromisoformat(head["valid_until"]) if head["valid_until"] else None,
            tuple(Price(row["article"], row["unit"], Decimal(row["unit_price_net"]), Decimal(row["vat_rate"])) for row in prices),
        )
        await put_tariff(tx, tariff)
        found += 1
    return found


async def follow_principal(tx: Transaction, principal: Principal) -> None:
    await rules.adding(tx.conn)
    await rules.save_principal(tx.conn, principal)
    await _settle_soon(tx, "terms", principal.id)


async def approve(tx: Transaction, bill_id: str) -> None:
    """By hand, what was too much to be approved by itself. Approving twice changes nothing."""
    approved = await documents.approve_bill(tx.conn, bill_id)
    if approved:
        tx.emit(emits.bill_approved(*approved, bill_id))


async def invoice(tx: Transaction, principal_id: str, period_from: date, period_until: date) -> Invoice:
    """One invoice over all that is charged up to the end of the period and stands on none yet: nothing late is left out.

    Raises `NothingToInvoice`, `OnlyCredits`, `Invalid`, `NotFound`. Of two at once the second finds nothing left.
    """
    invoicing.check_period(period_from, period_until)
    if not await rules.lock_principal(tx.conn, principal_id):
        raise NotFound("no such principal")
    charges = await invoices.open_charges(tx.conn, principal_id, period_until)
    vats = invoicing.check_charges(charges)
    issued_on = tx.now.astimezone(PARIS).date()
    number = invoicing.number(issued_on, await invoices.next_serial(tx.conn, issued_on.year))
    made = Invoice(new_id(), number, principal_id, period_from, period_until, issued_on, charges, vats)
    await invoices.insert(tx.conn, made, tx.now)
    await documents.insert_entry(tx.conn, ledger.entry(made), tx.now)
    tx.emit(*emits.invoiced(made))
    return made


async def _settle_soon(tx: Transaction, lacking: str, value: str, after: str = FIRST) -> None:
    """A deadline of its own each time: who adds a rule must not wait for one that is firing and waits for the rule."""
    await deadlines.put_new(tx.conn, SETTLE, {f"{lacking}:{value}:{after}:{new_id()}": tx.now})


async def _settle(tx: Transaction, prestations: Sequence[Prestation], found: Mapping[str, Need], causes: Causes) -> None:
    """Under the needs' locks. A rule that is missing is looked for once more, against those who are adding it at this moment."""
    settled = await _decide(tx, prestations, found)
    if any(after.waiting_for in ("tariff", "terms") for after, _ in settled):
        await rules.missing(tx.conn)
        settled = await _decide(tx, prestations, found)
    made: list[tuple[Prestation, Document]] = []
    saved = []
    for before, (after, added) in zip(prestations, settled, strict=True):
        cause = causes.get(before.need_id)
        for document in added:
            tx.emit(*emits.made(after, document), cause=cause)
        saved.append(await _follow_up(tx, before, after, cause))
        made += [(after, document) for document in added]
    await documents.save(tx.conn, saved, made, tx.now)


async def _decide(tx: Transaction, prestations: Sequence[Prestation], found: Mapping[str, Need]) -> list[tuple[Prestation, list[Document]]]:
    tariffs, terms = await rules.concerning(tx.conn, prestations)
    return [
        settling.settle(
            one,
            found[one.need_id],
            Rules(in_force(tariffs, one.provider_id, one.service, one.day), terms_on(terms.get(one.principal_id, []), one.day), approve_up_to_cents),
            new_id,
        )
        for one in prestations
    ]


async def _follow_up(tx: Transaction, before: Prestation, after: Prestation, cause: Cause | None) -> Prestation:
    """Whoever must hear that the prestation waits, or does no longer."""
    if before.waiting_for == after.waiting_for:
        return after
    if before.task_id:
        tx.emit(emits.task_closed(after, before.task_id), cause=cause)
        after = replace(after, task_id=None)
    if after.waiting_for == "tariff":
        after = replace(after, task_id=new_id())
        assert after.task_id is not None
        tx.emit(emits.task_opened(after, after.task_id, "tariff_missing", tx.now), cause=cause)
    elif after.waiting_for:
        await deadlines.put(tx.conn, OVERDUE, after.id, tx.now + overdue_after)
    return after
