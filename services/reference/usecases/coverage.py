"""Decisions about needs: load under lock, decide, save, emit. A batch costs as many round trips as one need."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial

from contracts.common import Actor
from services.kit import deadlines, places
from services.kit.clock import new_id
from services.kit.db import Connection, Transaction
from services.kit.errors import NotFound
from services.kit.outbox import Cause
from services.reference import emits
from services.reference.domain import approval, goodwill
from services.reference.domain import coverage as domain
from services.reference.domain.choice import Verdict, choose
from services.reference.domain.coverage import ApprovalAnswered, ApprovalAsked, ApprovalWithdrawn, Cover, Decision, Fact
from services.reference.domain.entitlement import (
    CONTRACT_ZONE,
    Attempt,
    Claim,
    Contract,
    Guarantee,
    Option,
    Person,
    Rights,
    RightsKey,
    attempts,
)
from services.reference.store import approvals, identity
from services.reference.store import coverage as store

RESERVATION = "reservation"
SYSTEM = Actor(kind="system")

hold = timedelta(days=30)  # set once by the worker from its settings

Decide = Callable[[Cover], Decision]


@dataclass(frozen=True, slots=True)
class Asked:
    """A need to be decided about, and why."""

    need_id: str
    case_id: str
    claim: Claim
    cause: Cause


@dataclass(frozen=True, slots=True)
class Entitled:
    contract: Contract
    guarantee: Guarantee
    rights: Rights
    renews_on: date


async def preview(conn: Connection, claim: Claim) -> tuple[Person | None, Verdict, dict[RightsKey, Rights]]:
    """The decision as it would be now; reserves nothing and locks nothing."""
    people = await store.persons(conn, [claim.member_id])
    [tried] = await _tried(conn, people, [claim])
    rights = await store.read_rights(conn, (attempt.key for attempt in tried if isinstance(attempt, Option)))
    covers = await elsewhere(conn, tried)
    return people.get(claim.member_id), choose(tried, rights, claim, overlapping(claim, None, covers)), rights


async def decide(tx: Transaction, asked: Sequence[Asked]) -> None:
    """The binding decision about each need, in the given order, under a lock on all rights that any of them could use."""
    held = await identity.hold(tx.conn, [one.claim.member_id for one in asked])
    asked = [replace(one, claim=replace(one.claim, member_id=held[one.claim.member_id][0])) if one.claim.member_id in held else one for one in asked]
    people = await store.persons(tx.conn, list({one.claim.member_id for one in asked}))
    tried = await _tried(tx.conn, people, [one.claim for one in asked])
    rights = await store.lock_rights(tx.conn, (attempt.key for each in tried for attempt in each if isinstance(attempt, Option)))
    singly = [attempt for each in tried for attempt in each if _singly(attempt)]
    covers = await elsewhere(tx.conn, singly)
    decided = []
    for one, each in zip(asked, tried, strict=True):
        verdict = choose(each, rights, one.claim, overlapping(one.claim, one.case_id, covers))
        cover, facts = domain.decide(one.need_id, one.case_id, one.claim, verdict, new_id(), tx.now, hold)
        rights = store.added(rights, store.holdings([cover], 1))
        if singly:
            covers.append(cover)
        decided.append((cover, facts, one.cause))
    await _save(tx, [], decided)


async def amend(tx: Transaction, need_id: str, alter: Callable[[Claim], Claim]) -> None:
    before = (await store.load(tx.conn, [need_id]))[need_id]
    claim = alter(before.claim)
    people = await store.persons(tx.conn, [claim.member_id])
    [tried] = await _tried(tx.conn, people, [claim])
    rights = await store.lock_rights(tx.conn, (attempt.key for attempt in tried if isinstance(attempt, Option)))
    free = store.added(rights, store.holdings([before], -1))
    verdict = choose(tried, free, claim, overlapping(claim, before.case_id, await elsewhere(tx.conn, tried)))
    after, facts = domain.amend(before, claim, verdict, new_id(), new_id(), tx.now, hold)
    await _save(tx, [before], [(after, facts, tx.cause)])


async def decide_again(tx: Transaction, need_ids: Sequence[str]) -> list[str]:
    """Who asked is known to be somebody else: what that alters is decided again, and told. Returns the needs it altered."""
    before = await store.load(tx.conn, need_ids)
    people = await store.persons(tx.conn, list({cover.claim.member_id for cover in before.values()}))
    concerned = [cover for cover in before.values() if not domain.stands(cover, _held(people.get(cover.claim.member_id)), tx.now)]
    tried = await _tried(tx.conn, people, [cover.claim for cover in concerned])
    rights = await store.lock_rights(tx.conn, (attempt.key for each in tried for attempt in each if isinstance(attempt, Option)))
    covers = await elsewhere(tx.conn, [attempt for each in tried for attempt in each])
    decided = []
    for cover, each in zip(concerned, tried, strict=True):
        rights = store.added(rights, store.holdings([cover], -1))
        verdict = choose(each, rights, cover.claim, overlapping(cover.claim, cover.case_id, covers))
        after, facts = domain.amend(cover, cover.claim, verdict, new_id(), new_id(), tx.now, hold)
        rights = store.added(rights, store.holdings([after], 1))
        if after != cover:
            decided.append((after, facts, tx.cause))
    await _save(tx, [before[after.need_id] for after, _, _ in decided], decided)
    return [after.need_id for after, facts, _ in decided if facts]


async def change(tx: Transaction, changes: Mapping[str, tuple[Decide, Cause]]) -> None:
    """The one loop, for needs that a decision was taken about."""
    await _change(tx, await store.load(tx.conn, list(changes)), changes)


async def _change(tx: Transaction, before: Mapping[str, Cover], changes: Mapping[str, tuple[Decide, Cause]], by: Actor = SYSTEM) -> None:
    decided = []
    for need_id, (alter, cause) in changes.items():
        after, facts = alter(before[need_id])
        if after != before[need_id]:
            decided.append((after, facts, cause))
    await _save(tx, [before[after.need_id] for after, _, _ in decided], decided, by)


async def charge(tx: Transaction, sums: Mapping[str, tuple[int, int, bool]], causes: Mapping[str, Cause]) -> None:
    """What was billed and charged for needs, as `domain.charge` takes it."""
    await change(tx, {need_id: (partial(_charged, sum_=sum_), causes[need_id]) for need_id, sum_ in sums.items()})


def _charged(cover: Cover, sum_: tuple[int, int, bool]) -> Decision:
    return domain.charge(cover, *sum_)


async def expire(tx: Transaction, need_id: str) -> None:
    """What a deadline says of a reservation, or of an approval that nobody has given."""
    await change(tx, {need_id: (lambda cover: approval.pass_time(cover, new_id(), tx.now), tx.cause)})


async def answer(tx: Transaction, approval_id: str, refused: str | None, by: Actor) -> None:
    """The principal agrees, or does not and says why. Raises `NotFound`, `NotAsked`."""
    need_id = await approvals.need(tx.conn, approval_id)
    before = await store.load(tx.conn, [need_id]) if need_id else {}
    if need_id is None or need_id not in before:
        raise NotFound("no such approval was asked for")

    def decide(cover: Cover) -> Decision:
        if refused is None:
            return approval.grant(cover, approval_id, by.kind)
        return approval.refuse(cover, approval_id, refused, by.kind, new_id())

    await _change(tx, before, {need_id: (decide, tx.cause)}, by)


async def grant_goodwill(tx: Transaction, need_id: str, cap_gross_cents: int, reason: str, by: Actor) -> None:
    """Under the contract that the need was refused under, else the one that the person named, else any of that principal.

    Raises `NotFound`, `NotRefused`, `NothingToGrant`.
    """
    before = await store.load(tx.conn, [need_id])
    if need_id not in before:
        raise NotFound("no decision was taken about such a need")
    claim = before[need_id].claim
    person = (await store.persons(tx.conn, [claim.member_id])).get(claim.member_id)
    held = [one for one in (person.contracts if person else ()) if claim.principal_id in (None, one.principal_id)]
    named = (before[need_id].contract_id, claim.contract_id)
    contract = next((one for one in held if one.id in named), held[-1] if held else None)

    def decide(cover: Cover) -> Decision:
        return goodwill.grant(cover, contract, cap_gross_cents, reason, (by.kind, by.id or ""), new_id(), tx.now, hold)

    await _change(tx, before, {need_id: (decide, tx.cause)}, by)


async def settle(tx: Transaction, task_id: str, outcome: str, by: Actor) -> None:
    """Closes a task that reference opened. Raises `NotFound`."""
    need_id = await store.need_of_task(tx.conn, task_id)
    if need_id is None:
        raise NotFound("no such task is open")
    before = await store.load(tx.conn, [need_id])
    after, facts = domain.settle(before[need_id], outcome)
    await _save(tx, list(before.values()), [(after, facts, tx.cause)], by)


async def _tried(conn: Connection, people: Mapping[str, Person], claims: Sequence[Claim]) -> list[list[Attempt]]:
    """Only for a contract that its claimant does not hold is it asked whether somebody else does."""
    held = {contract.id for person in people.values() for contract in person.contracts}
    named = {claim.contract_id for claim in claims if claim.contract_id} - held
    others = held | await store.known_contracts(conn, named) if named else held
    return [tried(people.get(claim.member_id), claim, others) for claim in claims]


def tried(person: Person | None, claim: Claim, others: Collection[str] = ()) -> list[Attempt]:
    """As `attempts`, with the way from the person's home where a guarantee asks for it."""
    near = person and any(guarantee.min_km_from_home for contract in person.contracts for guarantee in contract.guarantees)
    return attempts(person, claim, others, places.km_between(person.insee, claim.insee) if near and person and person.insee else None)


async def elsewhere(conn: Connection, tried: Sequence[Attempt]) -> list[Cover]:
    """What open needs have of contracts with a guarantee that covers one case at a time."""
    contracts = {attempt.key.contract_id for attempt in tried if isinstance(attempt, Option) and _singly(attempt)}
    return await store.elsewhere(conn, contracts) if contracts else []


def _singly(attempt: Attempt) -> bool:
    return isinstance(attempt, Option) and attempt.guarantee.one_at_a_time


def overlapping(claim: Claim, case_id: str | None, covers: Sequence[Cover]) -> set[tuple[str, str]]:
    """By which contract and guarantee an open need of another case has this service at a time that overlaps."""
    return {
        (cover.contract_id, cover.guarantee)
        for cover in covers
        if cover.contract_id and cover.guarantee and cover.case_id != case_id and cover.holding and cover.claim.service == claim.service
        and cover.claim.starts_at < claim.ends_at and claim.starts_at < cover.claim.ends_at
    }  # fmt: skip


async def _save(tx: Transaction, before: Sequence[Cover], decided: Sequence[tuple[Cover, list[Fact], Cause]], by: Actor = SYSTEM) -> None:
    if not decided:
        return
    covers = [cover for cover, _, _ in decided]
    was_due = {cover.need_id: cover.due for cover in before}
    due = {cover.need_id: (was_due.get(cover.need_id), cover.due) for cover in covers}
    changes = store.added(store.holdings(before, -1), store.holdings(covers, 1))
    standing = await store.save(tx.conn, covers, changes, deadlines.moves(RESERVATION, due))
    for cover, facts, cause in decided:
        await _note_approval(tx, cover, facts, by)
        tx.emit(*emits.events(cover, facts, standing.get(cover.key) if cover.key else None, tx.now, by), cause=cause)


async def _note_approval(tx: Transaction, cover: Cover, facts: Sequence[Fact], by: Actor) -> None:
    for fact in facts:
        match fact:
            case ApprovalAsked(asked):
                assert asked.approval_cents is not None and asked.approval_due and asked.claim.principal_id
                await approvals.ask(
                    tx.conn, asked.decision_id, asked.need_id, asked.claim.principal_id, asked.approval_cents, tx.now, asked.approval_due
                )
            case ApprovalAnswered(approval_id, kind, reason):
                state = "granted" if reason is None else "expired" if reason == approval.NO_ANSWER and kind == SYSTEM.kind else "refused"
                await approvals.answer(tx.conn, approval_id, state, reason, tx.now, by)
            case ApprovalWithdrawn(approval_id):
                await approvals.answer(tx.conn, approval_id, "withdrawn", None, tx.now, by)


def _held(person: Person | None) -> set[str]:
    return {contract.id for contract in person.contracts} if person else set()


async def menu(conn: Connection, member_id: str, now: datetime) -> list[Entitled]:
    """What the member is entitled to in this contract year, guarantee by guarantee, as it was used. Empty for an unknown member."""
    day = now.astimezone(CONTRACT_ZONE).date()
    person = (await store.persons(conn, [member_id])).get(member_id)
    held = [(contract, guarantee) for contract in (person.contracts if person else ()) for guarantee in contract.guarantees_on(day)]
    keys = [RightsKey(contract.id, guarantee.code, contract.year(day)[0]) for contract, guarantee in held]
    rights = await store.read_rights(conn, keys)
    return [
        Entitled(contract, guarantee, rights.get(key, Rights()), contract.year(day)[1]) for key, (contract, guarantee) in zip(keys, held, strict=True)
    ]
