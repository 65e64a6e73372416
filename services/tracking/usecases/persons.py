"""A person erased: the copies of the cards of closed cases are blanked, also when a restored database holds them again."""

from datetime import datetime
from typing import Any

from services.kit import erasing
from services.kit.db import Transaction
from services.tracking.store import persons as store


async def erase(tx: Transaction, member_id: str, at: datetime) -> None:
    await store.note_erased(tx.conn, member_id, at)
    cases = await store.cases_of(tx.conn, member_id)
    if cases:
        await erasing.blank_cards(tx.conn, [f"case:{case_id}" for case_id in cases], cases)
    await sweep(tx)


async def sweep(tx: Transaction) -> None:
    """What is left of persons who were erased earlier: a case may close later, a card may come late."""
    held = await store.sweep(tx.conn)
    if held:
        await erasing.blank_answers(tx.conn, erasing.texts_of(held))


async def forgotten(tx: Transaction, case_id: str, content: dict[str, Any] | None) -> None:
    """A card has gone; answers that showed it are gone by themselves after two days."""
    if content and await store.fresh(tx.conn, case_id):
        await erasing.blank_answers(tx.conn, erasing.texts_of(content))
