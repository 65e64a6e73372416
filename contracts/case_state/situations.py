"""What says more about an event than the state of its need."""

from collections.abc import Callable
from typing import Any

from contracts import dispatch, intake, reference, tracking
from contracts.case_state.states import NeedState, Wish
from contracts.case_state.tables import ASSIGNED, STARTED, Situation
from contracts.registry import Event

OfferAnswer = dispatch.MissionDeclined | dispatch.OfferExpired | dispatch.OfferWithdrawn
MissionEvent = (
    dispatch.MissionAmended
    | dispatch.MissionReconfirmed
    | dispatch.MissionCancelled
    | tracking.VisitScheduled
    | tracking.VisitStarted
    | tracking.VisitCompleted
    | tracking.VisitFailed
    | tracking.PrestationCompleted
)


def situation(need: NeedState, event: Event) -> Situation:
    finer = _FINER.get(type(event))
    return finer(need, event) if finer else need.state


def asked(event: intake.NeedAmended) -> Wish:
    return Wish(event.place, event.wanted, event.urgency, event.quantity, event.unit)


def _amendment(need: NeedState, event: intake.NeedAmended) -> Situation:
    return "unchanged" if need.state in STARTED and asked(event) == need.wish else need.state


def _risk(need: NeedState, _: intake.NeedAtRisk) -> Situation:
    granted = need.coverage is not None and need.coverage.refusal is None
    return "granted" if granted and need.state != "cancelled" else need.state


def _reinstatement(need: NeedState, _: intake.NeedReinstated) -> Situation:
    if not any(state in need.reached for state in STARTED):
        return "not_started"
    if need.state != "cancelled":
        return need.state
    if not need.has_offer("accepted", need.mission):
        return "taken_back"
    return "visit_ahead" if need.visit is not None and need.visit.failure is None else need.state


def _refusal(need: NeedState, _: reference.CoverageRefused) -> Situation:
    return "at_risk" if need.at_risk and need.state != "cancelled" else need.state


def _search(need: NeedState, _: Event) -> Situation:
    """Dispatch may go on looking for a while, not knowing that the visit it took back has started."""
    if need.state not in (*ASSIGNED, *STARTED) or not need.has_offer("taken_back", need.mission):
        return need.state
    return "taken_back" if need.state == "failed" else "started_after_all"


def _offer(need: NeedState, event: dispatch.MissionOffered) -> Situation:
    return "offer_again" if event.offer_id in need.offers else _search(need, event)


def _acceptance(need: NeedState, event: dispatch.MissionAccepted) -> Situation:
    offer = need.offers.get(event.offer_id)
    if offer is None:
        return "offer_unknown"
    if need.state == "cancelled":
        return need.state
    if need.state in (*ASSIGNED, *STARTED) and need.has_offer("accepted", need.mission):
        return "second_acceptance"
    if need.state in (*ASSIGNED, *STARTED) and need.state != "failed":
        return _search(need, event)
    match offer.status:
        case "live":
            return need.state
        case "expired":
            return "offer_expired"
        case "withdrawn":
            return "offer_withdrawn"
        case _:
            return "offer_over"


def _answer(need: NeedState, event: OfferAnswer) -> Situation:
    offer = need.offers.get(event.offer_id)
    if offer is None:
        return "offer_unknown"
    if need.state == "cancelled":
        return need.state
    if offer.status in ("accepted", "taken_back"):
        return "offer_accepted"
    if offer.status != "live":
        return "offer_over"
    live = sum(other.status == "live" for other in need.offers.values())
    return "offer_last" if need.state == "offered" and live == 1 else need.state


def _mission(need: NeedState, event: MissionEvent) -> Situation:
    mission = (event.mission_id, event.provider_id)
    if need.state == "cancelled" or mission == need.mission:
        return need.state
    if need.has_offer("taken_back", mission):
        return "taken_back"
    if need.has_offer("accepted", mission):
        return "second_mission"
    return need.state if need.provider_id is None else "other_mission"


def _schedule(need: NeedState, event: tracking.VisitScheduled) -> Situation:
    where = _mission(need, event)
    return "other_mission" if where == "second_mission" and need.state in STARTED else where


def _taking_back(need: NeedState, event: dispatch.MissionCancelled) -> Situation:
    where = _mission(need, event)
    if where not in ASSIGNED:
        return where
    return "again" if event.again else "no_more"


def _eta(need: NeedState, event: tracking.EtaChanged) -> Situation:
    if need.state == "cancelled" or (need.visit is not None and need.visit.visit_id == event.visit_id):
        return need.state
    return "taken_back" if any(offer.status == "taken_back" for offer in need.offers.values()) else need.state


_FINER: dict[type[Event], Callable[[NeedState, Any], Situation]] = {
    intake.NeedAmended: _amendment,
    intake.NeedAtRisk: _risk,
    intake.NeedReinstated: _reinstatement,
    reference.CoverageRefused: _refusal,
    dispatch.MissionOffered: _offer,
    dispatch.MissionUnfilled: _search,
    dispatch.MissionAccepted: _acceptance,
    dispatch.MissionCancelled: _taking_back,
    dispatch.MissionDeclined: _answer,
    dispatch.OfferExpired: _answer,
    dispatch.OfferWithdrawn: _answer,
    dispatch.MissionAmended: _mission,
    dispatch.MissionReconfirmed: _mission,
    tracking.VisitScheduled: _schedule,
    tracking.VisitStarted: _mission,
    tracking.VisitCompleted: _mission,
    tracking.VisitFailed: _mission,
    tracking.PrestationCompleted: _mission,
    tracking.EtaChanged: _eta,
}
