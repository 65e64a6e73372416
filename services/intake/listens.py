"""What intake hears, and the use case each leads to."""

from contracts.cards import MemberCard
from contracts.common import Window
from contracts.dispatch import MissionOffered, MissionReconfirmed
from contracts.reference import CoverageGranted, CoverageRefused, PrincipalChanged
from contracts.tracking import PrestationCompleted, VisitFailed, VisitStarted
from services.intake import domain, store, usecases
from services.intake.domain import Case, Decision, Need
from services.kit.db import Transaction
from services.kit.subscriptions import card, each


async def on_visit_started(tx: Transaction, event: VisitStarted) -> None:
    await usecases.change(tx, event.case_id, lambda case: domain.visit_started(case, _need(case, event.need_id)))


async def on_visit_failed(tx: Transaction, event: VisitFailed) -> None:
    await usecases.change(tx, event.case_id, lambda case: domain.visit_ended_without_work(case, _need(case, event.need_id)))


async def on_prestation_completed(tx: Transaction, event: PrestationCompleted) -> None:
    await usecases.change(tx, event.case_id, lambda case: domain.performed(case, _need(case, event.need_id)))


async def on_coverage_granted(tx: Transaction, event: CoverageGranted) -> None:
    await usecases.change(tx, event.case_id, lambda case: domain.granted(case, _need(case, event.need_id)))


async def on_coverage_refused(tx: Transaction, event: CoverageRefused) -> None:
    await usecases.change(tx, event.case_id, lambda case: domain.refused(case, _need(case, event.need_id)))


async def on_mission_offered(tx: Transaction, event: MissionOffered) -> None:
    """An offer that carries the wish as it is now confirms it."""

    def decide(case: Case) -> Decision:
        need = _need(case, event.need_id)
        offered = (event.place.insee, event.wanted) == (need.wish.place, Window(start=need.wish.start, end=need.wish.end))
        return domain.confirm_wish(case, need) if offered else (case, [])

    await usecases.change(tx, event.case_id, decide)


async def on_mission_reconfirmed(tx: Transaction, event: MissionReconfirmed) -> None:
    await usecases.change(tx, event.case_id, lambda case: domain.confirm_wish(case, _need(case, event.need_id)))


async def on_principal_changed(tx: Transaction, event: PrincipalChanged) -> None:
    await store.save_principal(tx.conn, event.principal_id, event.at_risk_limit_cents)


async def on_member_card(tx: Transaction, member_id: str, version: int, member: MemberCard | None) -> None:
    if member:
        await usecases.follow_member(tx, member)


def _need(case: Case, need_id: str) -> Need:
    need = case.need(need_id)
    assert need is not None, "an event about a need that intake never opened"
    return need


SUBSCRIPTIONS = [
    each(VisitStarted, on_visit_started),
    each(VisitFailed, on_visit_failed),
    each(PrestationCompleted, on_prestation_completed),
    each(CoverageGranted, on_coverage_granted),
    each(CoverageRefused, on_coverage_refused),
    each(MissionOffered, on_mission_offered),
    each(MissionReconfirmed, on_mission_reconfirmed),
    each(PrincipalChanged, on_principal_changed),
    card(MemberCard, on_member_card),
]
