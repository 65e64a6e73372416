"""Looking for a provider: who is asked, one after another or several at once, until somebody accepts or nobody is left."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from services.dispatch.domain.mission import (
    ASSIGNED,
    Accepted,
    Decision,
    Expired,
    Fact,
    Mission,
    Offer,
    Offered,
    Rules,
    Slot,
    Task,
    TaskOpened,
    Unfilled,
    close_task,
    local_day,
    take_back,
    withdraw,
)
from services.dispatch.domain.refusals import AlreadyTaken, MissionOver, NotCovered, VisitStarted


@dataclass(frozen=True, slots=True)
class Chosen:
    """A provider to be asked. The id is that of the offer to come."""

    offer_id: str
    provider_id: str
    why: tuple[str, ...]


def covered(mission: Mission) -> Decision:
    """Granted, or gone on at risk: from here providers are asked. The second of the two changes nothing."""
    return (replace(mission, status="searching"), []) if mission.status == "waiting" else (mission, [])


def exhausted(mission: Mission, rules: Rules) -> bool:
    return sum(offer.round == mission.round for offer in mission.offers) >= rules.max_attempts


def offer(mission: Mission, chosen: Chosen, rules: Rules, now: datetime) -> Decision:
    """To one more provider. Who has a live offer already is not asked twice."""
    if mission.asked.get(chosen.provider_id) == "live":
        return mission, []
    mission, facts = close_task(mission, "retried")
    made = Offer(
        id=chosen.offer_id,
        provider_id=chosen.provider_id,
        attempt=mission.attempts + 1,
        round=mission.round,
        expires_at=now + rules.ttl[mission.wish.urgency],
        why=chosen.why,
        day=mission.wish.day,
    )
    return replace(mission.with_offer(made), status="offered", attempts=made.attempt), [*facts, Offered(made)]


def nobody(mission: Mission, task_id: str, rules: Rules, now: datetime) -> Decision:
    """Nobody is left to ask: a person decides."""
    reason = _why_nobody(mission)
    unfilled = replace(mission, status="unfilled")
    return _with_task(unfilled, Task(task_id, "unfilled_mission"), [Unfilled(reason)], reason, rules, now)


def expire(mission: Mission, offer_id: str, now: datetime) -> Decision:
    """Loses against an acceptance: it acts only while the offer is live."""
    late = mission.offer(offer_id)
    if late is None or late.status != "live" or late.expires_at > now:
        return mission, []
    ended = replace(late, status="expired")
    return ended_one(mission.with_offer(ended)), [Expired(ended)]


def ended_one(mission: Mission) -> Mission:
    """After an offer ended without a yes: when it was the last, the search goes on."""
    return replace(mission, status="searching") if mission.status == "offered" and mission.live == 0 else mission


def propose(mission: Mission, several: Sequence[Chosen], rules: Rules, now: datetime) -> Decision:
    """By hand, to one or several: the first acceptance wins. Raises `AlreadyTaken`, `MissionOver`, `NotCovered`."""
    if mission.status in ASSIGNED:
        raise AlreadyTaken
    _require_wanted(mission)
    facts: list[Fact] = []
    for chosen in several:
        mission, more = offer(mission, chosen, rules, now)
        facts += more
    return mission, facts


def assign(mission: Mission, chosen: Chosen, slot: Slot, reason: str, rules: Rules, now: datetime) -> Decision:
    """By hand: accepted in the provider's name, whoever has it now. Raises `VisitStarted`, `MissionOver`, `NotCovered`."""
    _require_wanted(mission)
    if mission.status == "started":
        raise VisitStarted
    if mission.status == "accepted" and mission.provider_id == chosen.provider_id:
        return mission, []
    facts: list[Fact] = []
    if mission.status == "accepted":
        mission, facts = take_back(mission, "reassigned", again=True)
    mission, closed = close_task(mission, "done_by_hand")
    mission, offered = offer(mission, chosen, rules, now)
    theirs = next(made for made in mission.offers if made.provider_id == chosen.provider_id and made.status == "live")
    mission, accepted = take(mission, theirs, slot, reason)
    mission, withdrawn = withdraw(mission, "taken_by_hand")
    return mission, [*facts, *closed, *offered, *accepted, *withdrawn]


def take(mission: Mission, live: Offer, slot: Slot, said: str | None = None) -> Decision:
    """The offer becomes the mission's."""
    day = local_day(slot.start, mission.wish.place.zone)
    taken = replace(live, status="accepted", appointment=slot, said=said, day=day)
    assigned = replace(mission.with_offer(taken), status="accepted", provider_id=taken.provider_id, offer_id=taken.id)
    return assigned, [Accepted(taken)]


def reassign(mission: Mission, reason: str) -> Decision:
    """Taken from a provider by hand; the next is asked. Raises `VisitStarted`, `MissionOver`, `NotCovered`."""
    _require_wanted(mission)
    if mission.status == "started":
        raise VisitStarted
    if mission.status != "accepted":
        return mission, []
    mission, facts = take_back(mission, reason, again=True)
    mission, closed = close_task(mission, "retried")
    return mission, [*facts, *closed]


def unanswered(mission: Mission, task_id: str, rules: Rules, now: datetime) -> Decision:
    """No reconfirmation in time: a person rings the provider."""
    if mission.pending is None or mission.answer_by is None or mission.answer_by > now or mission.task:
        return mission, []
    return _with_task(mission, Task(task_id, "reconfirmation_missing"), [], None, rules, now)


def open_unfilled(mission: Mission, task_id: str, rules: Rules, now: datetime) -> Decision:
    """A person decides how it goes on, though the log does not call it unfilled."""
    return _with_task(mission, Task(task_id, "unfilled_mission"), [], None, rules, now)


def _with_task(mission: Mission, task: Task, facts: list[Fact], reason: str | None, rules: Rules, now: datetime) -> Decision:
    if mission.task:
        return mission, facts
    return replace(mission, task=task), [*facts, TaskOpened(task, now + rules.task_due, reason)]


def _why_nobody(mission: Mission) -> str:
    answers = set(mission.asked.values())
    if not answers:
        return "no_candidate"
    return "no_answer" if "expired" in answers else "all_declined"


def _require_wanted(mission: Mission) -> None:
    if mission.status == "waiting":
        raise NotCovered
    if mission.status in ("cancelled", "done"):
        raise MissionOver
