"""What intake hears, and the use case each leads to."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from contracts.cards import MemberCard
from contracts.common import Window
from contracts.dispatch import MissionOffered, MissionReconfirmed
from contracts.reference import CoverageGranted, CoverageRefused, MemberLinked, PersonErased, PrincipalChanged
from contracts.registry import Event
from contracts.tracking import PrestationCompleted, VisitFailed, VisitStarted
from services.intake import domain, store, usecases
from services.intake.domain import Case, Decision, Need
from services.kit.db import Transaction
from services.kit.outbox import Cause
from services.kit.subscriptions import Received, card, each, many, together


def _offered(case: Case, need: Need, event: MissionOffered) -> Decision:
    """An offer that carries the wish as it is now confirms it."""
    offered = (event.place.insee, event.wanted) == (need.wish.place, Window(start=need.wish.start, end=need.wish.end))
    return domain.confirm_wish(case, need) if offered else (case, [])


def _simply(decide: Callable[[Case, Need], Decision]) -> Callable[[Case, Need, Event], Decision]:
    return lambda case, need, _: decide(case, need)


DECISIONS: dict[type[Event], Callable[[Case, Need, Any], Decision]] = {
    CoverageGranted: _simply(domain.granted),
    CoverageRefused: _simply(domain.refused),
    MissionOffered: _offered,
    MissionReconfirmed: _simply(domain.confirm_wish),
    VisitStarted: _simply(domain.visit_started),
    VisitFailed: _simply(domain.visit_ended_without_work),
    PrestationCompleted: _simply(domain.performed),
}


async def on_needs(tx: Transaction, received: Sequence[Received]) -> None:
    await usecases.follow(tx, [(one.data.case_id, partial(_decide, event=one.data), Cause.of(one.envelope)) for one in received])


def _decide(case: Case, event: Any) -> Decision:
    need = case.need(event.need_id)
    assert need is not None, "an event about a need that intake never opened"
    return DECISIONS[type(event)](case, need, event)


async def on_members_linked(tx: Transaction, received: Sequence[Received]) -> None:
    heard: list[tuple[MemberLinked, Cause]] = [(one.data, Cause.of(one.envelope)) for one in received]
    await usecases.follow(tx, [(event.case_id, partial(domain.identified, member_id=event.member_id), cause) for event, cause in heard])


async def on_principal_changed(tx: Transaction, event: PrincipalChanged) -> None:
    await store.save_principal(tx.conn, event.principal_id, event.at_risk_limit_cents)


async def on_person_erased(tx: Transaction, event: PersonErased) -> None:
    await usecases.erase_person(tx, event.member_id, event.requested_at)


async def on_member_card(tx: Transaction, member_id: str, version: int, member: MemberCard | None) -> None:
    await usecases.follow_member(tx, member_id, version, member)


SUBSCRIPTIONS = [  # what people see of a need is told by the case view
    together(on_needs, patient=DECISIONS),
    many(MemberLinked, on_members_linked),
    each(PrincipalChanged, on_principal_changed, patient=True),
    each(PersonErased, on_person_erased),
    card(MemberCard, on_member_card, patient=True),
]
