"""What providers say, in transactions that see and touch only what is theirs: what concerns others is left to the worker."""

from contracts.common import Actor
from services.dispatch.domain import answers
from services.dispatch.domain.mission import Decision, Mission, Slot
from services.dispatch.store import missions
from services.dispatch.usecases.missions import Change, change, save
from services.kit import deadlines
from services.kit.db import Transaction
from services.kit.errors import NotFound


async def accept(tx: Transaction, provider_id: str, offer_id: str, slot: Slot, by: Actor) -> Mission:
    """Raises `NotFound` for another's offer, and what the decision raises."""
    mission = await missions.lock_by_offer(tx.conn, offer_id)
    offer = mission.offer(offer_id) if mission else None
    if mission is None or offer is None or offer.provider_id != provider_id:
        raise NotFound("no such offer")
    return await _answer(tx, mission, answers.accept(mission, offer, slot, tx.now), by)


async def decline(tx: Transaction, provider_id: str, offer_id: str, reason: str, by: Actor) -> Mission:
    """Raises `NotFound` for another's offer, and what the decision raises."""
    mission = await missions.lock_by_offer(tx.conn, offer_id)
    offer = mission.offer(offer_id) if mission else None
    if mission is None or offer is None or offer.provider_id != provider_id:
        raise NotFound("no such offer")
    return await _answer(tx, mission, answers.decline(mission, offer, reason), by)


async def reconfirm(tx: Transaction, provider_id: str, mission_id: str, slot: Slot, by: Actor) -> Mission:
    """Raises `NotFound` unless the provider has the mission, and what the decision raises."""
    mission = await missions.lock(tx.conn, mission_id)
    if mission is None or mission.provider_id != provider_id:
        raise NotFound("no such mission")
    return await _answer(tx, mission, answers.reconfirm(mission, slot, tx.now), by)


async def give_up(tx: Transaction, provider_id: str, mission_id: str, reason: str, by: Actor) -> Mission:
    """Raises `NotFound` unless the provider has the mission or had it, and what the decision raises."""
    mission = await missions.lock(tx.conn, mission_id)
    if mission is None or not any(offer.provider_id == provider_id and offer.status in ("accepted", "taken_back") for offer in mission.offers):
        raise NotFound("no such mission")
    return await _answer(tx, mission, answers.give_up(mission, provider_id, reason), by)


async def follow_up(tx: Transaction, key: str) -> None:
    """The worker's part of an answer: withdraws what others were offered, or asks the next."""
    mission = await missions.lock(tx.conn, key.partition(":")[0])
    await change(tx, mission, lambda mission, _: answers.withdraw_others(mission))


async def _answer(tx: Transaction, mission: Mission, decision: Decision, by: Actor) -> Mission:
    made = Change(mission, tx.cause, by)
    made.take(decision)
    if made.after == mission:
        return mission
    await save(tx, [made])
    if made.after.status == "searching" or (made.after.status == "accepted" and made.after.live):
        await deadlines.put(tx.conn, "answer_given", f"{made.after.id}:{made.after.version}", tx.now)
    return made.after
