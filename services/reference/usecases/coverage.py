"""Decisions about needs: load under lock, decide, save, emit. A batch costs as many round trips as one need."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from contracts.common import Actor
from services.kit import deadlines
from services.kit.clock import new_id
from services.kit.db import Connection, Transaction
from services.kit.errors import NotFound
from services.kit.outbox import Cause
from services.reference import emits
from services.reference.domain import coverage as domain
from services.reference.domain.coverage import Cover, Decision, Fact
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
    Verdict,
    attempts,
    choose,
)
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
    return people.get(claim.member_id), choose(tried, rights), rights


async def decide(tx: Transaction, asked: Sequence[Asked]) -> None:
    """The binding decision about each need, in the given order, under a lock on all rights that any of them could use."""
    people = await store.persons(tx.conn, list({one.claim.member_id for one in asked}))
    tried = await _tried(tx.conn, people, [one.claim for one in asked])
    rights = await store.lock_rights(tx.conn, (attempt.key for each in tried for attempt in each if isinstance(attempt, Option)))
    decided = []
    for one, each in zip(asked, tried, strict=True):
        cover, facts = domain.decide(one.need_id, one.case_id, one.claim, choose(each, rights), new_id(), tx.now, hold)
        rights = store.added(rights, store.holdings([cover], 1))
        decided.append((cover, facts, one.cause))
    await _save(tx, [], decided)


async def amend(tx: Transaction, need_id: str, alter: Callable[[Claim], Claim]) -> None:
    before = (await store.load(tx.conn, [need_id]))[need_id]
    claim = alter(before.claim)
    people = await store.persons(tx.conn, [claim.member_id])
    [tried] = await _tried(tx.conn, people, [claim])
    rights = await store.lock_rights(tx.conn, (attempt.key for attempt in tried if isinstance(attempt, Option)))
    free = store.added(rights, store.holdings([before], -1))
    after, facts = domain.amend(before, claim, choose(tried, free), new_id(), new_id(), tx.now, hold)
    await _save(tx, [before], [(after, facts, tx.cause)])


async def change(tx: Transaction, changes: Mapping[str, tuple[Decide, Cause]]) -> None:
    """The one loop, for needs that a decision was taken about."""
    before = await store.load(tx.conn, list(changes))
    decided = []
    for need_id, (alter, cause) in changes.items():
        after, facts = alter(before[need_id])
        if after != before[need_id]:
            decided.append((after, facts, cause))
    await _save(tx, [before[after.need_id] for after, _, _ in decided], decided)


async def expire(tx: Transaction, need_id: str) -> None:
    await change(tx, {need_id: (lambda cover: domain.expire(cover, tx.now), tx.cause)})


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
    return [attempts(people.get(claim.member_id), claim, others) for claim in claims]


async def _save(tx: Transaction, before: Sequence[Cover], decided: Sequence[tuple[Cover, list[Fact], Cause]], by: Actor = SYSTEM) -> None:
    if not decided:
        return
    covers = [cover for cover, _, _ in decided]
    was_due = {cover.need_id: cover.due for cover in before}
    due = {cover.need_id: (was_due.get(cover.need_id), cover.due) for cover in covers}
    changes = store.added(store.holdings(before, -1), store.holdings(covers, 1))
    standing = await store.save(tx.conn, covers, changes, deadlines.moves(RESERVATION, due))
    for cover, facts, cause in decided:
        tx.emit(*emits.events(cover, facts, _left(cover, standing), tx.now, by), cause=cause)


def _left(cover: Cover, standing: Mapping[RightsKey, Rights]) -> Decimal | None:
    here = standing.get(cover.key) if cover.key else None
    return here.left(cover.units_per_year) if here else None


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
