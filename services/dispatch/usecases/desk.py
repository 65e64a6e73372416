"""What a person settles, and what time settles."""

from collections.abc import Sequence

from contracts.common import Actor
from services.dispatch.domain import ranking, search
from services.dispatch.domain.mission import Decision, Mission, Slot
from services.dispatch.domain.ranking import Ranking
from services.dispatch.domain.search import Chosen
from services.dispatch.store import missions, providers
from services.dispatch.usecases import missions as usecase
from services.kit.clock import new_id
from services.kit.db import Transaction
from services.kit.errors import NotFound

BY_HAND = ("chosen_by_hand",)


async def candidates(tx: Transaction, mission_id: str) -> tuple[Mission, Ranking]:
    """Who would be asked next, and who not. Reads only. Raises `NotFound`."""
    mission = await missions.read(tx.conn, mission_id)
    if mission is None:
        raise NotFound("no such mission")
    day = mission.wish.day
    load = (await missions.loads(tx.conn, [day]))[day]
    everybody = await providers.everybody(tx.conn)
    declines = await missions.declines(tx.conn, tx.now)
    return mission, ranking.rank(everybody.values(), mission.service, mission.wish, mission.asked, load, declines)


async def propose(tx: Transaction, mission_id: str, provider_ids: Sequence[str], by: Actor) -> Mission:
    """Raises `NotFound`, and what the decision raises."""
    several = [await _chosen(tx, provider_id) for provider_id in dict.fromkeys(provider_ids)]
    mission = await missions.lock(tx.conn, mission_id)
    return await usecase.change(tx, mission, lambda mission, now: search.propose(mission, several, usecase.rules, now), by)


async def assign(tx: Transaction, mission_id: str, provider_id: str, slot: Slot, reason: str, by: Actor) -> Mission:
    """Raises `NotFound`, and what the decision raises."""
    chosen = await _chosen(tx, provider_id)
    mission = await missions.lock(tx.conn, mission_id)
    return await usecase.change(tx, mission, lambda mission, now: search.assign(mission, chosen, slot, reason, usecase.rules, now), by)


async def reassign(tx: Transaction, mission_id: str, reason: str, by: Actor) -> Mission:
    """Raises `NotFound`, and what the decision raises."""
    mission = await missions.lock(tx.conn, mission_id)
    return await usecase.change(tx, mission, lambda mission, _: search.reassign(mission, reason), by)


async def expire(tx: Transaction, offer_id: str) -> None:
    """The deadline of an offer."""
    mission = await missions.lock_by_offer(tx.conn, offer_id)
    await usecase.change(tx, mission, lambda mission, now: search.expire(mission, offer_id, now))


async def unanswered(tx: Transaction, key: str) -> None:
    """The deadline of an amendment: no yes to the changed wish."""
    task_id = new_id()

    def decide(mission: Mission, now: object) -> Decision:
        return search.unanswered(mission, task_id, usecase.rules, tx.now)

    mission = await missions.lock(tx.conn, key.partition(":")[0])
    await usecase.change(tx, mission, decide)


async def _chosen(tx: Transaction, provider_id: str) -> Chosen:
    if provider_id not in await providers.everybody(tx.conn):
        raise NotFound("no such provider")
    return Chosen(new_id(), provider_id, BY_HAND)
