"""What a provider says: yes, no, yes again after a change, or no after all. The same answer twice changes nothing."""

from dataclasses import replace
from datetime import datetime, timedelta

from services.dispatch.domain.mission import (
    ASSIGNED,
    Decision,
    Declined,
    Mission,
    Offer,
    Reconfirmed,
    Slot,
    close_task,
    local_day,
    take_back,
    withdraw,
)
from services.dispatch.domain.refusals import AlreadyAnswered, AlreadyTaken, MissionOver, OfferExpired, OfferWithdrawn, VisitStarted
from services.dispatch.domain.search import ended_one, take
from services.kit.errors import Invalid

BACK = timedelta(hours=1)  # of an appointment: who answers on arrival
AHEAD = timedelta(days=30)  # beyond the wish
LONGEST = timedelta(days=7)
TAKEN = ("another_accepted", "taken_by_hand")


def accept(mission: Mission, offer: Offer, slot: Slot, now: datetime) -> Decision:
    """Wins over the expiry while the offer is live; other offers in sight are withdrawn, the rest by whoever sees them.

    Raises `AlreadyTaken`, `OfferExpired`, `OfferWithdrawn`, `AlreadyAnswered`, `Invalid`.
    """
    if offer.status in ("accepted", "taken_back"):
        return mission, []
    if offer.status == "declined":
        raise AlreadyAnswered("you declined this offer")
    _require_live(mission, offer)
    check_slot(slot, mission, now)
    mission, taken = take(mission, offer, slot)
    mission, closed = close_task(mission, "provider_found")
    mission, withdrawn = withdraw(mission, "another_accepted")
    return mission, [*taken, *closed, *withdrawn]


def decline(mission: Mission, offer: Offer, reason: str) -> Decision:
    """Raises `AlreadyAnswered`, `AlreadyTaken`, `OfferExpired`, `OfferWithdrawn`."""
    if offer.status == "declined":
        return mission, []
    if offer.status in ("accepted", "taken_back"):
        raise AlreadyAnswered("you accepted this offer; give the mission up instead")
    _require_live(mission, offer)
    ended = replace(offer, status="declined", reason=reason)
    return ended_one(mission.with_offer(ended)), [Declined(ended)]


def reconfirm(mission: Mission, slot: Slot, now: datetime) -> Decision:
    """Yes to the changed wish. Raises `VisitStarted`, `MissionOver`, `Invalid`."""
    _require_not_started(mission)
    offer = mission.offer(mission.offer_id)
    if mission.pending is None or offer is None:
        return mission, []
    agreed = replace(mission, wish=mission.pending, pending=None, answer_by=None)
    check_slot(slot, agreed, now)
    moved = replace(offer, appointment=slot, day=local_day(slot.start, agreed.wish.place.zone))
    agreed, closed = close_task(agreed.with_offer(moved), "done")
    return agreed, [Reconfirmed(moved, slot), *closed]


def give_up(mission: Mission, provider_id: str, said: str) -> Decision:
    """After an acceptance; the next candidate is asked. Raises `VisitStarted`, `MissionOver`."""
    if mission.provider_id != provider_id:
        return mission, []
    _require_not_started(mission)
    mission, facts = take_back(mission, "provider_gave_up", again=True, said=said)
    mission, closed = close_task(mission, "no_longer_needed")
    return mission, [*facts, *closed]


def withdraw_others(mission: Mission) -> Decision:
    """After an acceptance by a provider, who did not see the other offers."""
    return withdraw(mission, "another_accepted") if mission.status in ASSIGNED else (mission, [])


def check_slot(slot: Slot, mission: Mission, now: datetime) -> None:
    """Raises `Invalid`."""
    if slot.end <= slot.start:
        raise Invalid("the end of the appointment must come after its start", code="window_backwards")
    if slot.start < now - BACK:
        raise Invalid("the appointment is in the past", code="window_past")
    if slot.start > max(now, mission.wish.end) + AHEAD:
        raise Invalid("the appointment is too far ahead", code="window_too_far")
    if slot.end - slot.start > max(LONGEST, mission.wish.end - mission.wish.start):
        raise Invalid("the appointment is too long", code="window_too_long")


def _require_live(mission: Mission, offer: Offer) -> None:
    if offer.status == "expired":
        raise OfferExpired
    if offer.status == "withdrawn":
        raise AlreadyTaken if offer.reason in TAKEN else OfferWithdrawn
    if mission.status in ASSIGNED:
        raise AlreadyTaken


def _require_not_started(mission: Mission) -> None:
    if mission.status == "started":
        raise VisitStarted
    if mission.status in ("done", "cancelled"):
        raise MissionOver
