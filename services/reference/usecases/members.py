"""Members: found as typed, added when unknown, and their cards while they have an open case."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from contracts.common import Actor, CardKind
from services.kit import phones
from services.kit.clock import new_id
from services.kit.db import Connection, Transaction
from services.reference import emits
from services.reference.domain import likeness, names
from services.reference.domain.names import Query
from services.reference.store import identity
from services.reference.store import members as store
from services.reference.usecases import towns

MOST = 20
SYSTEM = Actor(kind="system")


async def search(conn: Connection, text: str) -> list[dict[str, Any]]:
    """At most 20. Nothing for a text that says too little. What nobody is called exactly is searched by likeness, given a birth date or a
    town."""
    query = names.parse(text, towns.named())
    if query.empty:
        return []
    return await _counting(conn, await _exact(conn, query) or await _alike(conn, query))


async def _counting(conn: Connection, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each person once, as the row that counts; nobody who was erased."""
    if any(row["survivor_id"] for row in rows):
        wanted = list(dict.fromkeys(row["survivor_id"] or row["id"] for row in rows))
        rows = await store.sheets(conn, wanted)
    return [row for row in rows if not row["erased"]]


async def _exact(conn: Connection, query: Query) -> list[dict[str, Any]]:
    if query.birth_date:
        return await store.by_birth_date(conn, query.birth_date, query.names, query.communes)
    if query.names:
        return await store.by_name(conn, query.names, query.communes)
    meant = phones.meanings(query.phone) if query.phone else None
    return (await store.lookup(conn, number=query.number, phones=meant, email=query.email, plate=query.plate))[:MOST]


async def _alike(conn: Connection, query: Query) -> list[dict[str, Any]]:
    words, communes = query.words, query.communes
    if not words:
        return []
    born = query.birth_date
    if born:
        likely = likeness.ranked(words, born, await store.born_on(conn, [born]), MOST)  # a few dozen
        if not likely or likely[0].like < likeness.SURE:
            likely = await asyncio.to_thread(likeness.ranked, words, born, await store.born_on(conn, likeness.dates(born)), MOST)
    else:
        if not communes:
            words, communes = await asyncio.to_thread(towns.guessed, words)
        known = await store.living_in(conn, communes) if communes else []
        likely = await asyncio.to_thread(likeness.ranked, words, None, known, MOST)  # of a city, ten thousand and more
    return await store.sheets(conn, [one.id for one in likely])


async def add_provisional(tx: Transaction, principal_id: str, person: Mapping[str, Any]) -> dict[str, Any]:
    """A caller who is not in the data yet; linked to a known member later."""
    number = await store.next_provisional(tx.conn)
    key = names.name_key(person["last_name"], person["first_name"])
    row = await store.insert(tx.conn, {**person, "id": new_id(), "principal_id": principal_id, "number": number, "name_key": key})
    tx.emit(emits.member(row))
    return row


async def case_opened(tx: Transaction, cases: Mapping[str, str | None]) -> None:
    """Case id -> member id, None for a case opened again. The first open case of a member publishes the card. Of whoever counts for the
    member that the case was opened for, and that is told."""
    held = await identity.hold(tx.conn, [member_id for member_id in cases.values() if member_id])
    for row in await store.open_cases(tx.conn, cases):
        if not row["erased_at"]:
            tx.card(emits.card(row))
    for case_id, member_id in cases.items():
        if member_id in held and held[member_id][0] != member_id:
            tx.emit(emits.case_of(case_id, member_id, held[member_id][0], "linked", SYSTEM))


async def case_closed(tx: Transaction, case_ids: Sequence[str]) -> None:
    for member_id, version in await store.close_cases(tx.conn, case_ids):
        tx.tombstone(CardKind.MEMBER, member_id, version)
