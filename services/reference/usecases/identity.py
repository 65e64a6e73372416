"""Several rows, one person: a provisional member linked to a real one, a duplicate merged, and each undone. No row moves: cases, cards and
decisions follow whoever counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from contracts.common import Actor, CardKind
from services.kit.clock import new_id
from services.kit.db import Transaction
from services.kit.errors import NotFound
from services.reference import emits
from services.reference.domain import identity as domain
from services.reference.domain.identity import Kind
from services.reference.store import identity as store
from services.reference.usecases import coverage


@dataclass(frozen=True, slots=True)
class Joined:
    """`member_id`: who counts from now on. `stays_consumed`: work done, of which the units stay where they were taken."""

    member_id: str
    cases: list[str]
    decided_again: list[str]
    stays_consumed: list[dict[str, Any]]


async def join(tx: Transaction, member_id: str, into_id: str, kind: Kind, by: Actor, whom: str) -> Joined:
    """`member_id` counts as `into_id`. Raises `NotFound` and the refusals of `domain.identity`."""
    known = await store.alone(tx.conn, [member_id, into_id])
    if member_id not in known or into_id not in known:
        raise NotFound("no such member")
    domain.join(known[member_id], known[into_id], kind)
    row = await store.point(tx.conn, member_id, into_id)
    await store.note(tx.conn, new_id(), member_id, into_id, kind, whom, tx.now)
    await store.settle_duplicate(tx.conn, member_id, into_id, "merged", whom, tx.now)
    tx.emit(emits.member(row))
    joined = await _follow(tx, into_id, list(known), kind, by)
    await store.settle_proposals(tx.conn, member_id, into_id, "taken", whom)
    await store.settle_proposals(tx.conn, member_id, None, "other", whom)
    await close_task(tx, member_id, "done", by)
    return joined


async def part(tx: Transaction, member_id: str, kind: Kind, by: Actor, whom: str) -> Joined:
    """`member_id` counts as itself again, with the cases that were opened for it. Raises `NotFound` and the refusals of `domain.identity`."""
    known = await store.alone(tx.conn, [member_id])
    if member_id not in known:
        raise NotFound("no such member")
    domain.part(known[member_id], kind)
    was = known[member_id].linked_to
    assert was is not None
    row = await store.point(tx.conn, member_id, None)
    await store.note_undone(tx.conn, member_id, whom, tx.now)
    await store.settle_duplicate(tx.conn, member_id, was, "open", None, tx.now)
    tx.emit(emits.member(row))
    return await _follow(tx, member_id, list(known), "undone", by)


async def close_task(tx: Transaction, provisional_id: str, outcome: str, by: Actor) -> None:
    """What was proposed about a provisional member waits for nobody any more."""
    task = await store.close_task(tx.conn, provisional_id)
    if task:
        tx.emit(emits.provisional_task_closed(*task, outcome, by))


async def _follow(tx: Transaction, counts: str, family: Sequence[str], reason: str, by: Actor) -> Joined:
    moved = await store.move_cases(tx.conn, family)
    for row in await store.recount(tx.conn, family):
        if row["open_cases"]:
            tx.card(emits.card(row))
        else:
            tx.tombstone(CardKind.MEMBER, row["id"], row["card_version"])
    for case in moved:
        tx.emit(emits.case_of(case["case_id"], case["opened_for"], case["member_id"], reason, by))
    still_open = [case["case_id"] for case in moved if case["open"]]
    again = await coverage.decide_again(tx, await store.needs_of(tx.conn, still_open))
    cases = [case["case_id"] for case in moved]
    return Joined(counts, cases, again, await store.consumed_of(tx.conn, cases))
