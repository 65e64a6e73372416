"""What dispatch hears, and the use case each leads to. Hot paths take a batch."""

from collections.abc import Callable, Sequence
from typing import Any

from contracts.cards import CaseCard
from contracts.common import Place as ContractPlace
from contracts.intake import CaseOpened, NeedAdded, NeedAmended, NeedAtRisk, NeedCancelled, NeedReinstated
from contracts.reference import CoverageGranted, MemberLinked, PersonErased
from contracts.registry import Event
from contracts.tracking import PrestationCompleted, VisitFailed, VisitStarted
from services.dispatch.domain import following, search
from services.dispatch.domain.mission import Place, Wish
from services.dispatch.store import missions, persons
from services.dispatch.store.missions import NewNeed
from services.dispatch.usecases import cards
from services.dispatch.usecases import missions as usecase
from services.kit.clock import new_id
from services.kit.db import Transaction
from services.kit.outbox import Cause
from services.kit.subscriptions import Received, Subscription, card, each, many, together


async def on_case_opened(tx: Transaction, received: Sequence[Received]) -> None:
    await missions.insert_cases(tx.conn, [(one.data.case_id, one.data.number, one.data.member_id) for one in received])


async def on_need_added(tx: Transaction, received: Sequence[Received]) -> None:
    events: list[NeedAdded] = [one.data for one in received]
    needs = [NewNeed(new_id(), event.case_id, event.need_id, event.rank, event.service, wish(event)) for event in events]
    await missions.insert(tx.conn, needs, tx.now)


async def on_members_linked(tx: Transaction, received: Sequence[Received]) -> None:
    await persons.belong_to(tx.conn, {one.data.case_id: one.data.member_id for one in received})


async def on_person_erased(tx: Transaction, event: PersonErased) -> None:
    await cards.erase_person(tx, event.member_id, event.requested_at)


async def on_case_card(tx: Transaction, case_id: str, version: int, content: CaseCard | None) -> None:
    await cards.keep(tx, case_id, version, content)


def wish(event: NeedAdded | NeedAmended) -> Wish:
    return Wish(_place(event.place), event.wanted.start, event.wanted.end, event.urgency, format(event.quantity, "f"), event.unit)


def _place(place: ContractPlace) -> Place:
    return Place(place.insee, place.postcode, place.departement, place.lat, place.lon, place.zone)


def _covered(_: Event) -> usecase.Decide:
    return lambda mission, now: search.covered(mission)


def _amended(event: NeedAmended) -> usecase.Decide:
    return lambda mission, now: following.amend(mission, wish(event), usecase.rules, now)


def _cancelled(_: NeedCancelled) -> usecase.Decide:
    return lambda mission, now: following.cancel(mission)


def _reinstated(_: NeedReinstated) -> usecase.Decide:
    return lambda mission, now: following.reinstated(mission, new_id(), usecase.rules, now)


def _visit_started(event: VisitStarted) -> usecase.Decide:
    return lambda mission, now: following.visit_started(mission, event.provider_id)


def _visit_failed(event: VisitFailed) -> usecase.Decide:
    return lambda mission, now: following.visit_failed(mission, event.provider_id, new_id(), usecase.rules, now)


def _performed(event: PrestationCompleted) -> usecase.Decide:
    return lambda mission, now: following.performed(mission, event.provider_id)


DECISIONS: dict[type[Event], Callable[[Any], usecase.Decide]] = {
    NeedAmended: _amended,
    NeedAtRisk: _covered,
    NeedCancelled: _cancelled,
    NeedReinstated: _reinstated,
    CoverageGranted: _covered,
    VisitStarted: _visit_started,
    VisitFailed: _visit_failed,
    PrestationCompleted: _performed,
}
PATIENT: set[type[Event]] = {VisitStarted, PrestationCompleted}


async def on_needs(tx: Transaction, received: Sequence[Received]) -> None:
    heard = [(one.data.need_id, DECISIONS[type(one.data)](one.data), Cause.of(one.envelope)) for one in received]
    await usecase.change_by_needs(tx, heard)


SUBSCRIPTIONS: list[Subscription] = [
    many(CaseOpened, on_case_opened, patient=True),
    many(NeedAdded, on_need_added, patient=True),
    together(on_needs, *DECISIONS.keys() - PATIENT, patient=PATIENT),
    many(MemberLinked, on_members_linked, patient=True),
    each(PersonErased, on_person_erased, patient=True),
    card(CaseCard, on_case_card),
]
