"""A mission: the order to a provider for one need, from the need's arrival to the work done; and the offers made for it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

Urgency = Literal["planned", "today", "immediate"]
Status = Literal["waiting", "searching", "offered", "unfilled", "accepted", "started", "done", "cancelled"]
OfferStatus = Literal["live", "accepted", "declined", "expired", "withdrawn", "taken_back"]
ASSIGNED: frozenset[Status] = frozenset({"accepted", "started", "done"})


@dataclass(frozen=True, slots=True)
class Place:
    insee: str
    postcode: str
    departement: str
    lat: float | None
    lon: float | None
    zone: str = "Europe/Paris"


@dataclass(frozen=True, slots=True)
class Wish:
    """Where, when and how much. `quantity` travels as digits."""

    place: Place
    start: datetime
    end: datetime
    urgency: Urgency
    quantity: str
    unit: str

    @property
    def day(self) -> date:
        return local_day(self.start, self.place.zone)


@dataclass(frozen=True, slots=True)
class Slot:
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Offer:
    id: str
    provider_id: str
    attempt: int
    round: int
    expires_at: datetime
    why: tuple[str, ...]
    day: date  # the provider's day that this offer fills
    status: OfferStatus = "live"
    reason: str | None = None  # why it ended; of an accepted one: why it had been taken back, though its visit started all the same
    said: str | None = None  # why the provider gave it up, or why it was assigned by hand
    appointment: Slot | None = None


@dataclass(frozen=True, slots=True)
class Task:
    id: str
    kind: str


@dataclass(frozen=True, slots=True)
class Mission:
    """`offers` holds those the caller may see: all of them, or a provider's own. `live` counts the live ones, seen or not."""

    id: str
    case_id: str
    need_id: str
    number: str  # of the need, 482019312-1
    service: str
    wish: Wish
    status: Status = "waiting"
    version: int = 1
    round: int = 1  # a changed wish begins a new one: everybody may be asked again
    attempts: int = 0
    live: int = 0
    provider_id: str | None = None
    offer_id: str | None = None  # the accepted one
    pending: Wish | None = None  # a changed wish that the provider has not agreed to
    answer_by: datetime | None = None
    task: Task | None = None
    offers: tuple[Offer, ...] = ()

    def offer(self, offer_id: str | None) -> Offer | None:
        return next((offer for offer in self.offers if offer.id == offer_id), None)

    def with_offer(self, changed: Offer) -> "Mission":
        known = self.offer(changed.id)
        others = tuple(changed if offer.id == changed.id else offer for offer in self.offers)
        live = self.live + (changed.status == "live") - (known is not None and known.status == "live")
        return replace(self, offers=others if known else (*others, changed), live=live)

    @property
    def asked(self) -> dict[str, OfferStatus]:
        """Of this round: provider -> how its last offer stands. Who lost the mission once is not asked again by itself."""
        return {offer.provider_id: offer.status for offer in self.offers if offer.round == self.round or offer.status == "taken_back"}


@dataclass(frozen=True, slots=True)
class Rules:
    """What settings decide."""

    ttl: Mapping[Urgency, timedelta]
    max_attempts: int = 8  # offers of one round
    task_due: timedelta = timedelta(minutes=15)


# Facts


@dataclass(frozen=True, slots=True)
class Offered:
    offer: Offer


@dataclass(frozen=True, slots=True)
class Accepted:
    offer: Offer


@dataclass(frozen=True, slots=True)
class Declined:
    offer: Offer


@dataclass(frozen=True, slots=True)
class Expired:
    offer: Offer


@dataclass(frozen=True, slots=True)
class Withdrawn:
    offer: Offer


@dataclass(frozen=True, slots=True)
class TakenBack:
    offer: Offer
    again: bool


@dataclass(frozen=True, slots=True)
class AmendmentAsked:
    offer: Offer
    wish: Wish
    answer_by: datetime


@dataclass(frozen=True, slots=True)
class Reconfirmed:
    offer: Offer
    slot: Slot


@dataclass(frozen=True, slots=True)
class Started:
    offer: Offer


@dataclass(frozen=True, slots=True)
class Lost:
    """Its visit had started though it was taken back before, and failed: what was decided before stands."""

    offer: Offer
    again: bool


@dataclass(frozen=True, slots=True)
class Done:
    offer: Offer


@dataclass(frozen=True, slots=True)
class Unfilled:
    reason: str


@dataclass(frozen=True, slots=True)
class TaskOpened:
    task: Task
    due_at: datetime
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class TaskClosed:
    task: Task
    outcome: str


Fact = (
    Offered | Accepted | Declined | Expired | Withdrawn | TakenBack
    | AmendmentAsked | Reconfirmed | Started | Lost | Done | Unfilled | TaskOpened | TaskClosed
)  # fmt: skip
Decision = tuple[Mission, list[Fact]]


def local_day(moment: datetime, zone: str) -> date:
    return moment.astimezone(ZoneInfo(zone)).date()


def close_task(mission: Mission, outcome: str) -> Decision:
    if mission.task is None:
        return mission, []
    return replace(mission, task=None), [TaskClosed(mission.task, outcome)]


def withdraw(mission: Mission, reason: str, but: str | None = None) -> Decision:
    """Takes back every live offer in sight, except to one provider."""
    facts: list[Fact] = []
    for offer in mission.offers:
        if offer.status == "live" and offer.provider_id != but:
            ended = replace(offer, status="withdrawn", reason=reason)
            mission = mission.with_offer(ended)
            facts.append(Withdrawn(ended))
    return mission, facts


def take_back(mission: Mission, reason: str, *, again: bool, said: str | None = None) -> Decision:
    """The accepted offer of an assigned mission; the mission itself then waits for what follows."""
    offer = mission.offer(mission.offer_id)
    assert offer is not None, "an assigned mission without its offer"
    ended = replace(offer, status="taken_back", reason=reason, said=said)
    looking: Status = "offered" if mission.live else "searching"
    changed = replace(mission.with_offer(ended), provider_id=None, offer_id=None, status=looking if again else "cancelled")
    return _without_amendment(changed), [TakenBack(ended, again)]


def _without_amendment(mission: Mission) -> Mission:
    """What waited for the provider's agreement needs it no more: the next is asked for the wish as it is now."""
    if mission.pending is None:
        return mission
    return replace(mission, wish=mission.pending, round=mission.round + 1, pending=None, answer_by=None)
