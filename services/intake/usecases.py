"""Load, decide, save, emit. Each is called inside one transaction, by a door or by a record of the log."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from contracts.cards import CaseCard, MemberCard, NoteCard
from contracts.common import Actor, CardKind
from contracts.registry import Event
from services.intake import domain, emits, store
from services.intake.domain import Case, Decision, Need, Wish
from services.kit import deadlines, erasing
from services.kit.clock import new_id
from services.kit.db import Transaction
from services.kit.errors import NotFound, StaleVersion
from services.kit.outbox import Cause

FORGET_AFTER = timedelta(days=90)
SYSTEM = Actor(kind="system")

Wanted = tuple[str, Wish, str]  # service, wish, in the caller's words
Decide = Callable[[Case], Decision]


@dataclass(slots=True)
class Change:
    """One case in one transaction: as it was, as it is by now, and what is to be told with its cause."""

    before: Case
    after: Case
    by: Actor
    events: list[tuple[Event, Cause]] = field(default_factory=list)

    def take(self, decision: Decision, cause: Cause) -> None:
        self.after, facts = decision
        self.events += [(event, cause) for event in emits.events(self.after, facts, self.by)]


async def open_case(
    tx: Transaction,
    *,
    principal_id: str,
    member_id: str,
    contract_id: str | None,
    provisional: bool,
    channel: str,
    card: dict[str, Any],
    wanted: list[Wanted],
    by: Actor,
) -> Case:
    """A case with its needs and its card. Raises `Invalid` for a wish that cannot be."""
    case = Case(new_id(), "", principal_id, member_id, contract_id, True, 1, ())
    facts: list[domain.Fact] = []
    words = {}
    for service, wish, text in wanted:
        case, added = domain.add_need(case, new_id(), service, wish, tx.now)
        facts += added
        words[case.needs[-1].id] = text
    content = card | {"wishes": words}
    case = await store.insert_case(tx.conn, case, channel, provisional, content, tx.now)
    tx.card(CaseCard(id=case.id, version=1, member_id=member_id, **content))
    tx.emit(emits.opened(case, channel, provisional, by), *emits.events(case, facts, by))
    return case


async def add_need(tx: Transaction, case_id: str, service: str, wish: Wish, words: str, by: Actor, expected: int | None) -> Case:
    need_id = new_id()
    case = await change(tx, case_id, lambda case: domain.add_need(case, need_id, service, wish, tx.now), by, expected)
    await _change_card(tx, case, lambda content: content | {"wishes": content.get("wishes", {}) | {need_id: words}})
    return case


async def amend(tx: Transaction, case_id: str, need_id: str, wish: Wish, by: Actor, expected: int | None) -> Case:
    return await change(tx, case_id, lambda case: domain.amend(case, _need(case, need_id), wish, tx.now), by, expected)


async def cancel(tx: Transaction, case_id: str, need_id: str, reason: str, by: Actor, expected: int | None) -> Case:
    return await change(tx, case_id, lambda case: domain.cancel(case, _need(case, need_id), reason), by, expected)


async def close(tx: Transaction, case_id: str, reason: str, by: Actor, expected: int | None) -> Case:
    return await change(tx, case_id, lambda case: domain.close(case, reason), by, expected)


async def reopen(tx: Transaction, case_id: str, reason: str, by: Actor, expected: int | None) -> Case:
    return await change(tx, case_id, lambda case: domain.reopen(case, reason), by, expected)


async def go_at_risk(tx: Transaction, case_id: str, need_id: str, limit_cents: int, reason: str, by: Actor, expected: int | None) -> Case:
    case = await _load(tx, case_id)
    allowed = await store.at_risk_limit(tx.conn, case.principal_id)
    return await change(tx, case_id, lambda case: domain.go_at_risk(case, _need(case, need_id), limit_cents, allowed, reason, tx.now), by, expected)


async def add_note(tx: Transaction, case_id: str, need_id: str | None, text: str, by: Actor) -> str:
    """Returns the note's id."""
    case = await _load(tx, case_id)
    if need_id is not None:
        _need(case, need_id)
    note_id = new_id()
    await store.insert_note(tx.conn, note_id, case_id, need_id, (by.id or "", by.kind), text, tx.now)
    tx.card(NoteCard(id=note_id, version=1, case_id=case_id, text=text))
    tx.emit(emits.noted(case_id, need_id, note_id, by))
    return note_id


async def change(tx: Transaction, case_id: str, decide: Decide, by: Actor = SYSTEM, expected: int | None = None) -> Case:
    """The one loop: load under lock, decide, save, emit. A decision that changes nothing writes nothing.

    Raises `NotFound`, `StaleVersion`, and what the decision raises.
    """
    before = await _load(tx, case_id)
    if expected is not None and expected != before.version:
        raise StaleVersion(f"the case is at version {before.version}; load it again")
    made = Change(before, before, by)
    made.take(decide(before), tx.cause)
    await _settle(tx, [made])
    return made.after


async def follow(tx: Transaction, heard: Sequence[tuple[str, Decide, Cause]]) -> None:
    """What the log says of cases, a batch at once, in order. Raises `NotFound`."""
    known = await store.load(tx.conn, [case_id for case_id, *_ in heard])
    changes = {case_id: Change(case, case, SYSTEM) for case_id, case in known.items()}
    for case_id, decide, cause in heard:
        if case_id not in changes:
            raise NotFound("no such case")
        made = changes[case_id]
        made.take(decide(made.after), cause)
    await _settle(tx, list(changes.values()))


async def _settle(tx: Transaction, changes: Sequence[Change]) -> None:
    changed = [made for made in changes if made.after != made.before]
    if not changed:
        return
    await store.save(tx.conn, [(made.before, made.after) for made in changed], tx.now)
    for made in changed:
        for event, cause in made.events:
            tx.emit(event, cause=cause)
        await _note_end(tx, made.before, made.after)
        if made.after.member_id != made.before.member_id:
            await _identify(tx, made.after)


async def close_by_itself(tx: Transaction, case_id: str) -> None:
    """The deadline after the last need ended: nothing when one was opened again meanwhile."""
    case = await _load(tx, case_id)
    reason = domain.outcome(case)
    if reason:
        await change(tx, case_id, lambda case: domain.close(case, reason))


async def follow_member(tx: Transaction, member_id: str, version: int, member: MemberCard | None) -> None:
    """What is known of a person reaches the cards of that person's open cases, also of those that turn out to be later."""
    person = _person(member) if member else None
    if not await store.keep_member(tx.conn, member_id, version, person) or not person:
        return
    for case_id in await store.open_cases_of(tx.conn, member_id):
        case = await _load(tx, case_id)
        await _change_card(tx, case, lambda content: _named(content, person))


def _person(member: MemberCard) -> dict[str, Any]:
    return {"name": f"{member.first_name} {member.last_name}".strip()} | ({"phone": member.phones[0]} if member.phones else {})


def _named(content: dict[str, Any], person: dict[str, Any]) -> dict[str, Any]:
    """A phone that a caller gave is better than none."""
    return content | {"beneficiary": content.get("beneficiary", {}) | person}


async def _identify(tx: Transaction, case: Case) -> None:
    """The case card names the member whose case it is now; a closed one keeps the name under which the work was done."""
    version, content = await store.card(tx.conn, case.id)
    person = await store.member(tx.conn, case.member_id) if case.open else None
    if content:
        await _save_card(tx, case, version + 1, _named(content, person) if person else content)


async def forget(tx: Transaction, case_id: str) -> None:
    """90 days after closing: tombstones for the case card and the notes, and our own copies blanked."""
    case = await _load(tx, case_id)
    if case.open:
        return
    version, content = await store.card(tx.conn, case_id)
    said = await store.said_in(tx.conn, case_id)
    if not content and not any(said):
        return
    tx.tombstone(CardKind.CASE, case_id, version + 1)
    notes = await store.note_ids(tx.conn, case_id)
    for note_id in notes:
        tx.tombstone(CardKind.NOTE, note_id, 2)
    await store.save_card(tx.conn, case_id, version + 1, {})
    await store.forget(tx.conn, case_id)
    if await store.is_erased(tx.conn, case_id):
        await erasing.blank_cards(tx.conn, [f"case:{case_id}", *(f"note:{note_id}" for note_id in notes)])
        await erasing.blank_answers(tx.conn, erasing.texts_of(content, said))


async def erase_person(tx: Transaction, member_id: str, at: datetime) -> None:
    """The closed cases of the member are forgotten now; one that is open when it closes: somebody is being helped."""
    await store.note_erased(tx.conn, member_id, at)
    await erasing.blank_cards(tx.conn, [f"member:{member_id}"])
    known: list[Any] = [member_id]
    for case_id in await store.cases_of(tx.conn, [member_id]):
        known.append((await store.card(tx.conn, case_id))[1].get("beneficiary"))
        await forget(tx, case_id)
    await store.drop_drafts(tx.conn, sorted(erasing.texts_of(known)))


async def _note_end(tx: Transaction, before: Case, after: Case) -> None:
    """Every case whose needs are all final has its closing ahead, every closed one its forgetting, however it came there."""
    at_once = before.open and not after.open and await store.is_erased(tx.conn, after.id)
    forget_after = timedelta() if at_once else FORGET_AFTER
    for kind, asks, wait in (("close_case", domain.is_over, close_after), ("forget_case", domain.is_closed, forget_after)):
        due_before, due_after = (tx.now + wait if asks(case) else None for case in (before, after))
        await deadlines.follow(tx.conn, kind, after.id, due_before, due_after)


close_after = timedelta(hours=24)  # set once by the worker and the web process from their settings


async def _change_card(tx: Transaction, case: Case, alter: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    version, content = await store.card(tx.conn, case.id)
    changed = alter(content)
    if changed == content or not content:
        return
    await _save_card(tx, case, version + 1, changed)


async def _save_card(tx: Transaction, case: Case, version: int, content: dict[str, Any]) -> None:
    await store.save_card(tx.conn, case.id, version, content)
    tx.card(CaseCard(id=case.id, version=version, member_id=case.member_id, **content))


async def _load(tx: Transaction, case_id: str) -> Case:
    found = await store.load(tx.conn, [case_id])
    if case_id not in found:
        raise NotFound("no such case")
    return found[case_id]


def _need(case: Case, need_id: str) -> Need:
    need = case.need(need_id)
    if need is None:
        raise NotFound("this case has no such need")
    return need
