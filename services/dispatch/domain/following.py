"""What dispatch hears of a need, in every order that the log can bring. A started visit wins over any cancellation."""

from dataclasses import replace
from datetime import datetime

from services.dispatch.domain.mission import (
    AmendmentAsked,
    Decision,
    Done,
    Fact,
    Lost,
    Mission,
    Offer,
    Rules,
    Started,
    Wish,
    close_task,
    take_back,
    withdraw,
)
from services.dispatch.domain.search import open_unfilled


def cancel(mission: Mission) -> Decision:
    """Everything is taken back, unless somebody is at work or was."""
    if mission.status in ("started", "done", "cancelled"):
        return mission, []
    facts: list[Fact] = []
    if mission.status == "accepted":
        mission, facts = take_back(mission, "need_cancelled", again=False)
    mission, withdrawn = withdraw(mission, "need_cancelled")
    mission, closed = close_task(mission, "need_cancelled")
    return replace(mission, status="cancelled"), [*facts, *withdrawn, *closed]


def amend(mission: Mission, wish: Wish, rules: Rules, now: datetime) -> Decision:
    """Before an acceptance: everybody is asked anew. After it: the provider is asked whether it still suits."""
    if mission.status in ("started", "done", "cancelled") or (wish == mission.wish and mission.pending is None):
        return mission, []
    if mission.status == "accepted":
        offer = mission.offer(mission.offer_id)
        assert offer is not None, "an accepted mission without its offer"
        answer_by = now + rules.ttl[wish.urgency]
        return replace(mission, pending=wish, answer_by=answer_by), [AmendmentAsked(offer, wish, answer_by)]
    mission, withdrawn = withdraw(mission, "need_amended")
    changed = replace(mission, wish=wish, round=mission.round + 1)
    return (changed if mission.status == "waiting" else replace(changed, status="searching")), withdrawn


def visit_started(mission: Mission, provider_id: str) -> Decision:
    """Also of a mission taken back meanwhile: it is that provider's again, and who was asked instead is told so."""
    return _at_work(mission, provider_id)


def performed(mission: Mission, provider_id: str) -> Decision:
    mission, facts = _at_work(mission, provider_id)
    offer = mission.offer(mission.offer_id)
    if mission.status != "started" or offer is None:
        return mission, facts
    return replace(mission, status="done"), [*facts, Done(offer)]


def visit_failed(mission: Mission, provider_id: str, task_id: str, rules: Rules, now: datetime) -> Decision:
    """The mission stays the provider's until a person decides. One that was taken back before its start was heard is so again, and the
    log is told once more: the first time, nobody believed it while the visit went on. What was given to others is theirs again."""
    offer = mission.offer(mission.offer_id)
    if mission.status != "started" or mission.provider_id != provider_id or offer is None:
        return mission, []
    if offer.reason is None:
        return replace(mission, status="accepted"), []
    lost = replace(offer, status="taken_back")
    without = replace(mission.with_offer(lost), status="searching", provider_id=None, offer_id=None)
    if offer.reason != "need_cancelled":
        return without, [Lost(lost, again=True)]
    unfilled, opened = open_unfilled(replace(without, status="unfilled"), task_id, rules, now)
    return unfilled, [Lost(lost, again=False), *opened]


def reinstated(mission: Mission, task_id: str, rules: Rules, now: datetime) -> Decision:
    """Intake took a cancellation back. Where the start was heard, the mission stands already; else its visit had failed
    before, and a person decides who goes."""
    if mission.status != "cancelled":
        return mission, []
    return open_unfilled(replace(mission, status="unfilled"), task_id, rules, now)


def _at_work(mission: Mission, provider_id: str) -> Decision:
    if mission.status == "done" or (mission.status == "started" and mission.provider_id == provider_id):
        return mission, []
    offer = _held(mission, provider_id)
    if offer is None:
        return mission, []
    facts: list[Fact] = []
    if mission.provider_id not in (None, provider_id):
        mission, facts = take_back(mission, "reassigned", again=False)
    mission, withdrawn = withdraw(mission, "another_accepted")
    mission, closed = close_task(mission, "resolved_itself")
    kept = replace(offer, status="accepted")
    working = replace(mission.with_offer(kept), status="started", provider_id=provider_id, offer_id=kept.id, pending=None, answer_by=None)
    return working, [*facts, *withdrawn, *closed, Started(kept)]


def _held(mission: Mission, provider_id: str) -> Offer | None:
    """The last offer that this provider accepted, though it may have been taken back."""
    held = [offer for offer in mission.offers if offer.provider_id == provider_id and offer.status in ("accepted", "taken_back")]
    return held[-1] if held else None
