"""One folded case in the words of each door. Pure; what people and firms are called is added by whoever asks."""

from dataclasses import asdict
from typing import Any

from contracts.case_state import CaseState, NeedState, OfferState, State, Waiting
from services.kit import places
from services.tracking.domain.ladder import ladder
from services.tracking.domain.sentence import Told, sentence

MISSION: dict[State, str] = {
    "accepted": "accepted",
    "scheduled": "scheduled",
    "in_progress": "in_progress",
    "failed": "failed",
    "performed": "done",
    "cancelled": "cancelled",
}
OFFER = {"live": "offered", "declined": "declined", "expired": "expired", "withdrawn": "withdrawn", "taken_back": "cancelled"}


def desk(case: CaseState) -> dict[str, Any]:
    """Everything the log says."""
    needs = [_common(case, need) | _desk_need(need) for need in by_rank(case)]
    return _case(case) | {
        "view": "desk",
        "member_id": case.member_id,
        "tasks": [{"task_id": task_id, "kind": kind} for task_id, kind in case.tasks.items()],
        "crossings": [asdict(crossing) for crossing in case.crossings],
        "anomalies": [asdict(anomaly) for anomaly in case.anomalies],
        "needs": needs,
    }


def principal(case: CaseState) -> dict[str, Any]:
    """How its cases go and what they will cost it; nothing of who does the work."""
    needs = [
        _common(case, need)
        | {
            "coverage": _coverage(need),
            "charge_gross_cents": need.money.charge_gross_cents,
            "invoiced": need.money.invoiced,
            "approval_due_at": need.approval and need.approval.due_at,
        }
        for need in by_rank(case)
    ]
    return _case(case) | {"view": "principal", "needs": needs}


def member(case: CaseState) -> dict[str, Any]:
    """The sentence and the ladder, and what is theirs to pay."""
    needs = [
        _common(case, need)
        | {"eta": need.visit and need.visit.eta, "worker_id": need.visit and need.visit.worker_id, "own_share_cents": need.money.member_gross_cents}
        for need in by_rank(case)
    ]
    shown = _case(case)
    del shown["principal_id"]
    return shown | {"view": "member", "needs": needs}


def provider(case: CaseState, provider_id: str) -> dict[str, Any] | None:
    """Its own missions only; None when it was never asked."""
    missions = [mission for need in by_rank(case) for mission in _missions(case, need, provider_id)]
    if not missions:
        return None
    return {"view": "provider", "case_id": case.case_id, "number": case.number, "missions": missions}


def by_rank(case: CaseState) -> list[NeedState]:
    return sorted(case.needs.values(), key=lambda need: need.rank)


def first_to_show(case: CaseState) -> NeedState | None:
    """The need that waits for somebody first; else the last one."""
    needs = by_rank(case)
    waiting = [need for need in needs if need.waiting is not None]
    return min(waiting, key=lambda need: (need.waiting != case.waiting, need.rank)) if waiting else needs[-1] if needs else None


def _case(case: CaseState) -> dict[str, Any]:
    shown = first_to_show(case)
    return {
        "case_id": case.case_id,
        "number": case.number,
        "state": case.state,
        "closed": case.state == "closed",
        "opened_at": case.opened_at,
        "principal_id": case.principal_id,
        "sentence": told(shown) if shown else None,
    } | _waits(case.waiting)


def _common(case: CaseState, need: NeedState) -> dict[str, Any]:
    appointment = need.appointment and {"start": need.appointment.start, "end": need.appointment.end}
    window = (need.appointment.start, need.appointment.end) if need.appointment else None
    return {
        "need_id": need.need_id,
        "number": f"{case.number}-{need.rank}",
        "rank": need.rank,
        "service": need.service,
        "state": need.state,
        "sentence": told(need),
        "ladder": [asdict(step) for step in ladder(need.state, need.reached, case.state == "closed", window)],
        "place": _place(need),
        "wanted": {"start": need.wanted.start, "end": need.wanted.end},
        "urgency": need.urgency,
        "quantity": need.quantity,
        "unit": need.unit,
        "appointment": appointment,
        "last_event_at": need.last_event_at,
    } | _waits(need.waiting)


def _desk_need(need: NeedState) -> dict[str, Any]:
    return {
        "at_risk": need.at_risk,
        "coverage": _coverage(need),
        "approval": need.approval and asdict(need.approval),
        "mission_id": need.mission_id,
        "provider_id": need.provider_id,
        "offers": [asdict(offer) for offer in need.offers.values()],
        "visit": need.visit and asdict(need.visit),
        "prestation_id": need.prestation_id,
        "lines": [line.model_dump() for line in need.lines],
        "money": asdict(need.money),
        "amendment_pending": need.pending_amendment is not None,
    }


def _missions(case: CaseState, need: NeedState, provider_id: str) -> list[dict[str, Any]]:
    """The latest offer of each mission made to this provider."""
    latest = {offer.mission_id: offer for offer in need.offers.values() if offer.provider_id == provider_id}
    return [_mission(case, need, offer) for offer in latest.values()]


def _mission(case: CaseState, need: NeedState, offer: OfferState) -> dict[str, Any]:
    ours = offer.status == "accepted" and offer.mission == need.mission
    state = MISSION.get(need.state, "cancelled") if ours else OFFER.get(offer.status, "cancelled")
    return {
        "mission_id": offer.mission_id,
        "offer_id": offer.offer_id,
        "need_number": f"{case.number}-{need.rank}",
        "service": need.service,
        "state": "cancelled" if state == "offered" and need.state == "cancelled" else state,
        "place": _place(need),
        "wanted": {"start": need.wanted.start, "end": need.wanted.end},
        "expires_at": offer.expires_at,
        "appointment": {"start": need.appointment.start, "end": need.appointment.end} if ours and need.appointment else None,
        "started_at": need.visit.started_at if ours and need.visit else None,
        "completed_at": need.visit.completed_at if ours and need.visit else None,
        "lines": [line.model_dump() for line in need.lines] if ours else [],
    }


def told(need: NeedState) -> dict[str, str]:
    """The sentence in both languages."""
    appointment = need.appointment or need.wanted
    since = (need.visit.completed_at or need.visit.started_at) if need.visit else None
    made = Told(
        state=need.state,
        service=need.service,
        zone=need.place.zone,
        due=need.waiting.next if need.waiting else need.last_event_at,
        start=appointment.start,
        end=appointment.end,
        since=since or need.reached.get(need.state, need.last_event_at),
        eta=need.visit.eta if need.visit else None,
        reason=need.coverage.refusal if need.state == "refused" and need.coverage else need.visit.failure if need.visit else None,
        approval=need.approval is not None,
    )
    return {"fr": sentence(made, "fr"), "en": sentence(made, "en")}


def _coverage(need: NeedState) -> dict[str, Any] | None:
    coverage = need.coverage
    return asdict(coverage) | {"granted": coverage.refusal is None} if coverage else None


def _place(need: NeedState) -> dict[str, Any]:
    place = need.place
    return {"insee": place.insee, "postcode": place.postcode, "name": places.name(place.insee), "departement": place.departement, "zone": place.zone}


def _waits(waiting: Waiting | None) -> dict[str, Any]:
    if waiting is None:
        return {"waiting_for": None, "waiting_since": None, "next_date": None}
    return {"waiting_for": waiting.for_, "waiting_since": waiting.since, "next_date": waiting.next}
