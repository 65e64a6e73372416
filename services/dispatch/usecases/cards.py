"""Case cards: kept as they come, and passed on to whoever is on a mission of the case."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from contracts.cards import CaseCard
from services.dispatch.domain.mission import ASSIGNED
from services.dispatch.emits import documents
from services.dispatch.store import feed, lists, missions, persons
from services.kit import erasing
from services.kit.db import Transaction


async def keep(tx: Transaction, case_id: str, version: int, card: CaseCard | None) -> None:
    """The higher version wins; a tombstone leaves its version and nothing of a person. Who is on a mission is told what has changed for them,
    at a new version of the mission: of two documents the higher one is the truth."""
    await feed.lock_accepted(tx.conn, case_id)  # before the card, as everybody who tells of a mission
    content = card.model_dump(mode="json", exclude={"id", "version", "member_id"}) if card else {}
    newer, before = await feed.replace_card(tx.conn, case_id, version, content)
    if not newer:
        return
    if not content:
        await _forget(tx, case_id, before)
        return
    for mission_id in await feed.accepted_of_case(tx.conn, case_id):
        await _pass_on(tx, mission_id, before or {}, content)


async def _pass_on(tx: Transaction, mission_id: str, before: dict[str, Any], content: dict[str, Any]) -> None:
    mission = await missions.lock(tx.conn, mission_id)
    offer = mission.offer(mission.offer_id) if mission else None
    if mission is None or offer is None:
        return
    contact = documents.contact(content, mission.need_id)
    if before and documents.contact(before, mission.need_id) == contact:
        return
    newer = replace(mission, version=mission.version + 1)
    await missions.save(tx.conn, [(mission, newer)], tx.now)
    told = documents.document(newer, offer, "amended" if before else "contact") | {"contact": contact}
    tx.at_end(feed.append, feed.Item(offer.provider_id, told, tx.cause))


async def _forget(tx: Transaction, case_id: str, before: dict[str, Any] | None) -> None:
    """What feeds, deliveries and kept answers still hold of the people of a case."""
    await feed.forget(tx.conn, case_id)
    await erasing.blank_deliveries(tx.conn, await persons.missions(tx.conn, case_id), "contact")
    if before and await persons.fresh(tx.conn, case_id):
        await erasing.blank_answers(tx.conn, erasing.texts_of(before))


async def erase_person(tx: Transaction, member_id: str, at: datetime) -> None:
    """The copies of the cases that nobody works on any more; of the others when their work is over."""
    await persons.note_erased(tx.conn, member_id, at)
    await sweep(tx)


async def sweep(tx: Transaction) -> None:
    """What is left of persons who were erased, by whatever way it came."""
    for case_id in await persons.over(tx.conn):
        await erasing.blank_cards(tx.conn, [f"case:{case_id}"])
        await _forget(tx, case_id, await persons.blank_card(tx.conn, case_id))


async def own_mission(tx: Transaction, provider_id: str, mission_id: str) -> dict[str, Any] | None:
    """As its provider sees it: with the people and the address while it is that provider's. Reads only."""
    found = await lists.own_mission(tx.conn, provider_id, mission_id)
    if found and found["status"] in ASSIGNED:
        known = await lists.card_of(tx.conn, mission_id)
        found["contact"] = documents.contact(known[1], known[0]) if known else None
    return found


async def purge(tx: Transaction) -> None:
    await feed.purge(tx.conn, tx.now)
    await sweep(tx)
