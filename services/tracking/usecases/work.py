"""What people do to a visit, and its watchdog. Load, decide, save, emit; called inside one transaction, by a door or a deadline."""

from collections.abc import Callable
from datetime import datetime, timedelta

from contracts.common import Actor
from services.kit import deadlines
from services.kit.auth import Caller
from services.kit.clock import new_id
from services.kit.db import Transaction
from services.kit.errors import NotFound, StaleVersion
from services.tracking import emits
from services.tracking.domain import visit as domain
from services.tracking.domain.visit import Decision, Line, Visit
from services.tracking.store import visits

SYSTEM = Actor(kind="system")
WATCHDOG = "visit_not_started"
grace = timedelta(seconds=900)

Decide = Callable[[Visit], Decision]


def speaks_for(caller: Caller) -> str | None:
    """The provider whose missions the caller may touch; None for the desk, which may touch all. Raises `NotFound`."""
    if caller.staff:
        return None
    if caller.provider_id is None:
        raise NotFound("no such visit")
    return caller.provider_id


# `provider_id`: as `speaks_for` tells it.


async def start(tx: Transaction, mission_id: str, provider_id: str | None, by: Actor, expected: int | None = None) -> Visit:
    visit = await _of_mission(tx, mission_id, provider_id, expected)
    return await _change(tx, visit, lambda visit: domain.start(visit, tx.now), by)


async def complete(
    tx: Transaction,
    mission_id: str,
    provider_id: str | None,
    lines: tuple[Line, ...],
    started_at: datetime | None,
    completed_at: datetime | None,
    by: Actor,
    expected: int | None = None,
) -> Visit:
    visit = await _of_mission(tx, mission_id, provider_id, expected)
    return await _change(tx, visit, lambda visit: domain.complete(visit, lines, started_at, completed_at, new_id(), tx.now), by)


async def fail(tx: Transaction, mission_id: str, provider_id: str | None, reason: str, by: Actor, expected: int | None = None) -> Visit:
    visit = await _of_mission(tx, mission_id, provider_id, expected)
    return await _change(tx, visit, lambda visit: domain.fail(visit, reason, new_id(), tx.now), by)


async def change_eta(tx: Transaction, mission_id: str, provider_id: str | None, eta: datetime, by: Actor) -> Visit:
    visit = await _of_mission(tx, mission_id, provider_id, None)
    return await _change(tx, visit, lambda visit: domain.change_eta(visit, eta), by)


async def correct(tx: Transaction, prestation_id: str, lines: tuple[Line, ...], reason: str, by: Actor, expected: int | None = None) -> Visit:
    visit = _checked(await visits.of_prestation(tx.conn, prestation_id), expected)
    return await _change(tx, visit, lambda visit: domain.correct(visit, lines, reason), by)


async def rate(tx: Transaction, need_id: str, member_id: str, rating: int, by: Actor) -> Visit:
    visit = _checked(await visits.done_for(tx.conn, need_id, member_id), None)
    return await _change(tx, visit, lambda visit: domain.rate(visit, rating), by)


async def settle(tx: Transaction, task_id: str, outcome: str, by: Actor) -> bool:
    """Closes a task of ours; False when it is none, or is closed already."""
    visit = await visits.of_task(tx.conn, task_id)
    if visit is None:
        return False
    await _change(tx, visit, lambda visit: domain.settle(visit, outcome), by)
    return True


async def on_overdue(tx: Transaction, visit_id: str) -> None:
    """The watchdog's deadline."""
    visit = await visits.get(tx.conn, visit_id)
    if visit:
        await _change(tx, visit, lambda visit: domain.overdue(visit, new_id(), tx.now))


async def _of_mission(tx: Transaction, mission_id: str, provider_id: str | None, expected: int | None) -> Visit:
    return _checked(await visits.of_mission(tx.conn, mission_id, provider_id), expected)


def _checked(visit: Visit | None, expected: int | None) -> Visit:
    """Raises `NotFound`, `StaleVersion`."""
    if visit is None:
        raise NotFound("no such visit")
    if expected is not None and expected != visit.version:
        raise StaleVersion(f"the visit is at version {visit.version}; load it again")
    return visit


async def _change(tx: Transaction, before: Visit, decide: Decide, by: Actor = SYSTEM) -> Visit:
    """A decision that changes nothing writes nothing. Raises what the decision raises."""
    after, facts = decide(before)
    if after == before:
        return before
    after = domain.next_version(after)
    await visits.save(tx.conn, [after])
    await watch(tx, before, after)
    tx.emit(*emits.events(after, facts, by))
    return after


async def watch(tx: Transaction, before: Visit, after: Visit) -> None:
    """Moves the watchdog with the appointment, and ends it with the waiting."""
    await deadlines.follow(tx.conn, WATCHDOG, after.id, not_started_by(before), not_started_by(after))


def not_started_by(visit: Visit) -> datetime | None:
    return visit.start + grace if visit.state == "scheduled" else None
