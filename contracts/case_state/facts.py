"""What each event adds to what is known of its need, whatever state that leaves it in: one function per event type."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from contracts import billing, dispatch, intake, reference, tracking
from contracts.case_state.situations import asked
from contracts.case_state.states import Approval, CoverageState, Mission, NeedState, OfferState, OfferStatus, VisitState, Wish
from contracts.case_state.tables import ASSIGNED
from contracts.registry import Event


def _wishing(need: NeedState, wish: Wish, **also: Any) -> NeedState:
    return replace(
        need, place=wish.place, wanted=wish.wanted, urgency=wish.urgency, quantity=wish.quantity, unit=wish.unit,
        pending_amendment=None, **also,
    )  # fmt: skip


def need_amended(need: NeedState, event: intake.NeedAmended) -> NeedState:
    wish = asked(event)
    if need.state in ASSIGNED and wish != need.wish:
        return replace(need, pending_amendment=wish)
    return _wishing(need, wish)


def need_at_risk(need: NeedState, _: intake.NeedAtRisk) -> NeedState:
    return replace(need, at_risk=True)


def need_cancelled(need: NeedState, _: intake.NeedCancelled) -> NeedState:
    return replace(need, revived=need.state == "in_progress")


def need_reinstated(need: NeedState, _: intake.NeedReinstated) -> NeedState:
    gone = need.state == "cancelled" and not need.has_offer("accepted", need.mission)
    return replace(_without_mission(need) if gone else need, revived=False)


def coverage_granted(need: NeedState, event: reference.CoverageGranted) -> NeedState:
    coverage = CoverageState(event.decision_id, event.guarantee, event.contract_id, event.units_reserved, event.cap_gross_cents)
    return replace(need, coverage=coverage, at_risk=False, approval=None, revived=need.revived or need.state == "refused")


def coverage_refused(need: NeedState, event: reference.CoverageRefused) -> NeedState:
    coverage = CoverageState(event.decision_id, event.guarantee, event.contract_id, refusal=event.reason)
    return replace(need, coverage=coverage, approval=None)


def coverage_released(need: NeedState, event: reference.CoverageReleased) -> NeedState:
    if need.coverage is None or need.coverage.decision_id != event.decision_id:
        return need
    return replace(need, coverage=replace(need.coverage, released=True))


def coverage_consumed(need: NeedState, event: reference.CoverageConsumed) -> NeedState:
    coverage = need.coverage or CoverageState(event.decision_id)
    return replace(need, coverage=replace(coverage, consumed=event.units_consumed))


def approval_requested(need: NeedState, event: reference.ApprovalRequested) -> NeedState:
    return replace(need, approval=Approval(event.approval_id, event.due_at))


def approval_answered(need: NeedState, _: reference.ApprovalGranted | reference.ApprovalRefused) -> NeedState:
    return replace(need, approval=None)


def _offer_ends(need: NeedState, offer_id: str, status: OfferStatus, reason: str | None = None) -> NeedState:
    offer = need.offers[offer_id]
    if offer.status != "live":
        return need
    return replace(need, offers={**need.offers, offer_id: replace(offer, status=status, reason=reason)})


def _taken_back(need: NeedState, mission: Mission) -> dict[str, OfferState]:
    return {
        key: replace(offer, status="taken_back") if offer.status == "accepted" and offer.mission == mission else offer
        for key, offer in need.offers.items()
    }


def _without_mission(need: NeedState) -> NeedState:
    """What was waiting for the provider's agreement needs it no more."""
    offers = _taken_back(need, need.mission)
    return _wishing(need, need.pending_amendment or need.wish, offers=offers, provider_id=None, appointment=None, visit=None)


def _without_failed(need: NeedState) -> NeedState:
    """Dispatch turns to another provider after a failed visit."""
    return _without_mission(need) if need.state == "failed" else need


def mission_offered(need: NeedState, event: dispatch.MissionOffered) -> NeedState:
    free = _without_failed(need)
    offer = OfferState(event.offer_id, event.mission_id, event.provider_id, event.attempt, event.expires_at)
    mission_id = event.mission_id if free.provider_id is None else free.mission_id
    return replace(free, mission_id=mission_id, offers={**free.offers, event.offer_id: offer})


def mission_accepted(need: NeedState, event: dispatch.MissionAccepted) -> NeedState:
    offers = {**need.offers, event.offer_id: replace(need.offers[event.offer_id], status="accepted", reason=None)}
    free = replace(_without_failed(need), offers=offers)
    if free.provider_id is not None:
        return free
    return replace(free, mission_id=event.mission_id, provider_id=event.provider_id, appointment=event.appointment, visit=None)


def mission_declined(need: NeedState, event: dispatch.MissionDeclined) -> NeedState:
    return _offer_ends(need, event.offer_id, "declined", event.reason)


def offer_expired(need: NeedState, event: dispatch.OfferExpired) -> NeedState:
    return _offer_ends(need, event.offer_id, "expired")


def offer_withdrawn(need: NeedState, event: dispatch.OfferWithdrawn) -> NeedState:
    return _offer_ends(need, event.offer_id, "withdrawn", event.reason)


def mission_unfilled(need: NeedState, _: dispatch.MissionUnfilled) -> NeedState:
    return _without_failed(need)


def mission_reconfirmed(need: NeedState, event: dispatch.MissionReconfirmed) -> NeedState:
    return _wishing(need, need.pending_amendment or need.wish, appointment=event.appointment)


def mission_cancelled(need: NeedState, event: dispatch.MissionCancelled) -> NeedState:
    mission = (event.mission_id, event.provider_id)
    if need.state in ASSIGNED and mission == need.mission:
        return _without_mission(need)
    return replace(need, offers=_taken_back(need, mission))


def _visit(need: NeedState, visit_id: str, provider_id: str) -> VisitState:
    known = need.visit
    return known if known is not None and known.visit_id == visit_id else VisitState(visit_id, provider_id)


def visit_scheduled(need: NeedState, event: tracking.VisitScheduled) -> NeedState:
    mission = (event.mission_id, event.provider_id)
    if mission != need.mission and need.has_offer("taken_back", mission):
        return need
    visit = replace(_visit(need, event.visit_id, event.provider_id), worker_id=event.worker_id)
    return replace(need, visit=visit, appointment=event.appointment, mission_id=event.mission_id, provider_id=event.provider_id)


def eta_changed(need: NeedState, event: tracking.EtaChanged) -> NeedState:
    if need.visit is None or need.visit.visit_id != event.visit_id:
        return need
    return replace(need, visit=replace(need.visit, eta=event.eta))


def visit_started(need: NeedState, event: tracking.VisitStarted) -> NeedState:
    visit = replace(_visit(need, event.visit_id, event.provider_id), started_at=event.started_at)
    return _working(need, event, visit=visit)


def _working(need: NeedState, event: tracking.VisitStarted | tracking.PrestationCompleted, **also: Any) -> NeedState:
    return replace(
        need, mission_id=event.mission_id, provider_id=event.provider_id, pending_amendment=None,
        revived=need.revived or need.state == "cancelled", **also,
    )  # fmt: skip


def visit_completed(need: NeedState, event: tracking.VisitCompleted) -> NeedState:
    return replace(need, visit=replace(_visit(need, event.visit_id, event.provider_id), completed_at=event.completed_at))


def visit_failed(need: NeedState, event: tracking.VisitFailed) -> NeedState:
    if (event.mission_id, event.provider_id) != need.mission:
        return need
    return replace(need, visit=replace(_visit(need, event.visit_id, event.provider_id), failure=event.reason))


def prestation_completed(need: NeedState, event: tracking.PrestationCompleted) -> NeedState:
    return _working(need, event, prestation_id=event.prestation_id, lines=tuple(event.lines))


def prestation_corrected(need: NeedState, event: tracking.PrestationCorrected) -> NeedState:
    return replace(need, prestation_id=event.prestation_id, lines=tuple(event.lines))


def _money(need: NeedState, **changes: Any) -> NeedState:
    return replace(need, money=replace(need.money, **changes))


def bill_prepared(need: NeedState, event: billing.BillPrepared) -> NeedState:
    if event.reverses is not None:
        return need
    return _money(need, bill_id=event.bill_id, bill="prepared", payable_gross_cents=event.gross_cents, paid=False)


def bill_approved(need: NeedState, event: billing.BillApproved) -> NeedState:
    return _money(need, bill="approved") if need.money.bill_id == event.bill_id else need


def bill_disputed(need: NeedState, event: billing.BillDisputed) -> NeedState:
    return _money(need, bill="disputed") if need.money.bill_id == event.bill_id else need


def charge_recorded(need: NeedState, event: billing.ChargeRecorded) -> NeedState:
    if event.reverses is not None:
        return need
    cents = {"charge_gross_cents": event.gross_cents, "member_gross_cents": event.member_gross_cents}
    return _money(need, charge_id=event.charge_id, **cents, invoiced=False)


def case_invoiced(need: NeedState, event: billing.CaseInvoiced) -> NeedState:
    return _money(need, invoiced=True) if need.money.charge_id == event.charge_id else need


def case_paid(need: NeedState, event: billing.CasePaid) -> NeedState:
    return _money(need, paid=True) if need.money.bill_id == event.bill_id else need


def nothing(need: NeedState, _: Event) -> NeedState:
    return need


FACTS: dict[type[Event], Callable[[NeedState, Any], NeedState]] = {
    intake.NeedAmended: need_amended,
    intake.NeedAtRisk: need_at_risk,
    intake.NeedCancelled: need_cancelled,
    intake.NeedReinstated: need_reinstated,
    reference.CoverageGranted: coverage_granted,
    reference.CoverageRefused: coverage_refused,
    reference.CoverageReleased: coverage_released,
    reference.CoverageConsumed: coverage_consumed,
    reference.ApprovalRequested: approval_requested,
    reference.ApprovalGranted: approval_answered,
    reference.ApprovalRefused: approval_answered,
    dispatch.MissionOffered: mission_offered,
    dispatch.MissionAccepted: mission_accepted,
    dispatch.MissionDeclined: mission_declined,
    dispatch.OfferExpired: offer_expired,
    dispatch.OfferWithdrawn: offer_withdrawn,
    dispatch.MissionUnfilled: mission_unfilled,
    dispatch.MissionAmended: nothing,
    dispatch.MissionReconfirmed: mission_reconfirmed,
    dispatch.MissionCancelled: mission_cancelled,
    tracking.VisitScheduled: visit_scheduled,
    tracking.EtaChanged: eta_changed,
    tracking.VisitStarted: visit_started,
    tracking.VisitCompleted: visit_completed,
    tracking.VisitFailed: visit_failed,
    tracking.PrestationCompleted: prestation_completed,
    tracking.PrestationCorrected: prestation_corrected,
    tracking.SatisfactionGiven: nothing,
    billing.BillPrepared: bill_prepared,
    billing.BillApproved: bill_approved,
    billing.BillDisputed: bill_disputed,
    billing.ChargeRecorded: charge_recorded,
    billing.CaseInvoiced: case_invoiced,
    billing.CasePaid: case_paid,
}
