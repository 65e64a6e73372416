"""Dispatch's facts as contract events."""

from collections.abc import Iterable
from dataclasses import asdict

from contracts import dispatch as contract
from contracts.common import Actor, Place, TaskClosed, TaskOpened, Window
from contracts.registry import Event
from services.dispatch.domain import mission as facts
from services.dispatch.domain.mission import Fact, Mission, Offer, Slot
from services.dispatch.domain.provider import Provider


def events(mission: Mission, happened: Iterable[Fact], by: Actor) -> list[Event]:
    return [event for fact in happened if (event := _event(mission, fact, by))]


def provider_changed(provider: Provider) -> contract.ProviderChanged:
    return contract.ProviderChanged(
        provider_id=provider.id,
        code=provider.code,
        label=provider.label,
        siret=provider.siret,
        place=Place(**asdict(provider.place)),
        areas=[contract.ServiceArea(service=area.service, radius_km=area.radius_km, departements=list(area.departements)) for area in provider.areas],
        door=provider.door,
        capacity_per_day=provider.capacity_per_day,
        version=provider.version,
        ended_on=provider.ended_on,
    )


def _event(mission: Mission, fact: Fact, by: Actor) -> Event | None:
    need = {"case_id": mission.case_id, "need_id": mission.need_id}
    match fact:
        case facts.Offered(offer):
            return contract.MissionOffered(
                **_about(mission, offer),
                service=mission.service,
                place=Place(**asdict(mission.wish.place)),
                wanted=Window(start=mission.wish.start, end=mission.wish.end),
                quantity=mission.wish.quantity,
                unit=mission.wish.unit,
                attempt=offer.attempt,
                expires_at=offer.expires_at,
                why=list(offer.why),
            )
        case facts.Accepted(offer):
            assert offer.appointment is not None, "accepted without an appointment"
            return contract.MissionAccepted(**_about(mission, offer), appointment=_window(offer.appointment), accepted_by=by)
        case facts.Declined(offer):
            return contract.MissionDeclined(**_about(mission, offer), reason=offer.reason, declined_by=by)
        case facts.Expired(offer):
            return contract.OfferExpired(**_about(mission, offer))
        case facts.Withdrawn(offer):
            return contract.OfferWithdrawn(**_about(mission, offer), reason=offer.reason)
        case facts.TakenBack(offer, again):
            return contract.MissionCancelled(**need, mission_id=mission.id, provider_id=offer.provider_id, reason=offer.reason, again=again)
        case facts.Lost(offer, again):
            return contract.MissionCancelled(**need, mission_id=mission.id, provider_id=offer.provider_id, reason="visit_failed", again=again)
        case facts.AmendmentAsked(offer, wish, answer_by):
            return contract.MissionAmended(
                **need,
                mission_id=mission.id,
                provider_id=offer.provider_id,
                place=Place(**asdict(wish.place)),
                wanted=Window(start=wish.start, end=wish.end),
                answer_by=answer_by,
            )
        case facts.Reconfirmed(offer, slot):
            return contract.MissionReconfirmed(**need, mission_id=mission.id, provider_id=offer.provider_id, appointment=_window(slot))
        case facts.Unfilled(reason):
            return contract.MissionUnfilled(**need, mission_id=mission.id, attempts=mission.attempts, reason=reason)
        case facts.TaskOpened(task, due_at, reason):
            return TaskOpened(**need, task_id=task.id, kind=task.kind, role="agent", due_at=due_at, reason=reason)
        case facts.TaskClosed(task, outcome):
            return TaskClosed(**need, task_id=task.id, outcome=outcome, closed_by=by)
        case facts.Started() | facts.Done():
            return None  # tracking has said so


def _about(mission: Mission, offer: Offer) -> dict[str, str]:
    return {
        "case_id": mission.case_id,
        "need_id": mission.need_id,
        "mission_id": mission.id,
        "offer_id": offer.id,
        "provider_id": offer.provider_id,
    }


def _window(slot: Slot) -> Window:
    return Window(start=slot.start, end=slot.end)
