"""Members: found as typed, added when unknown, and their cards while they have an open case."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from contracts.common import CardKind
from services.kit import phones, places
from services.kit.clock import new_id
from services.kit.db import Connection, Transaction
from services.reference import emits
from services.reference.domain import names
from services.reference.store import members as store


async def search(conn: Connection, text: str) -> list[dict[str, Any]]:
    """At most 20. Nothing for a text that says too little."""
    query = names.parse(text, _communes())
    return [] if query.empty else await store.search(conn, query, phones.meanings(query.phone) if query.phone else [])


async def add_provisional(tx: Transaction, principal_id: str, person: Mapping[str, Any]) -> dict[str, Any]:
    """A caller who is not in the data yet; linked to a known member later."""
    number = await store.next_provisional(tx.conn)
    key = names.name_key(person["last_name"], person["first_name"])
    row = await store.insert(tx.conn, {**person, "id": new_id(), "principal_id": principal_id, "number": number, "name_key": key})
    tx.emit(emits.member(row, []))
    return row


async def case_opened(tx: Transaction, cases: Mapping[str, str | None]) -> None:
    """Case id -> member id, None for a case opened again. The first open case of a member publishes the card."""
    for row in await store.open_cases(tx.conn, cases):
        tx.card(emits.card(row))


async def case_closed(tx: Transaction, case_ids: Sequence[str]) -> None:
    for member_id, version in await store.close_cases(tx.conn, case_ids):
        tx.tombstone(CardKind.MEMBER, member_id, version)


@cache
def _communes() -> dict[str, list[str]]:
    """Folded name -> INSEE codes."""
    found: dict[str, list[str]] = {}
    for insee, row in places.communes().items():
        found.setdefault(names.fold(row["name"]), []).append(insee)
    return found
