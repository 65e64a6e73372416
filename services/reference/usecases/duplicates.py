"""The same person twice among the members of one principal: found by what they share, settled by a supervisor."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from functools import partial
from typing import Any

from services.kit.db import Connection, Database, Transaction
from services.kit.errors import NotFound
from services.reference.domain import twins
from services.reference.domain.twins import Twins
from services.reference.store import identity as store
from services.reference.store import members

DAYS = 500  # birth dates at once
SHARED_BY = 6  # a phone of more people is a switchboard's
KEPT = 2_000

Heard = Callable[[int], None]


async def find(db: Database, heard: Heard = lambda _: None) -> tuple[int, int]:
    """Looks through all members, birth date by birth date and by shared phones and e-mails, and keeps the pairs; a pair that is found no more
    goes, one that was settled stays settled. How many were found, and how many of them are new."""
    async with db.transaction() as tx:
        began = tx.now
    found: dict[tuple[str, str], Twins] = {}
    after: date | None = None
    while True:
        async with db.transaction() as tx:
            last, groups = await store.born_together(tx.conn, after, DAYS)
        await asyncio.to_thread(_add, found, groups, twins.born_together)
        heard(len(found))
        if last is None:
            break
        after = last
    for field, why in (("phones", "same_phone"), ("emails", "same_email")):
        async with db.transaction() as tx:
            groups = await store.sharing(tx.conn, field, SHARED_BY)
        await asyncio.to_thread(_add, found, groups, partial(twins.sharing, why=why))
        heard(len(found))
    new, pairs = 0, list(found.values())
    for place in range(0, len(pairs), KEPT):
        async with db.transaction() as tx:
            new += await store.keep_duplicates(tx.conn, [_row(pair) for pair in pairs[place : place + KEPT]], tx.now)
    async with db.transaction() as tx:
        await store.drop_stale(tx.conn, began)
    return len(found), new


async def listing(conn: Connection, after: tuple[int, str, str] | None, limit: int) -> list[dict[str, Any]]:
    """Pairs that wait for somebody, the likeliest first, each with both sheets."""
    pairs = await store.duplicates(conn, after, limit)
    sheets = {row["id"]: row for row in await members.sheets(conn, sorted({one for pair in pairs for one in (pair["one_id"], pair["other_id"])}))}
    return [pair | {"one": sheets[pair["one_id"]], "other": sheets[pair["other_id"]]} for pair in pairs]


async def set_aside(tx: Transaction, one_id: str, other_id: str, by: str) -> None:
    """They are two people. Raises `NotFound`."""
    if not await store.settle_duplicate(tx.conn, one_id, other_id, "other", by, tx.now):
        raise NotFound("no such pair was found")


def _add(found: dict[tuple[str, str], Twins], groups: Iterable[Mapping[str, Any]], search: Callable[[Mapping[str, Any]], Iterable[Twins]]) -> None:
    for group in groups:
        for pair in search(group):
            known = found.get((pair.one_id, pair.other_id))
            found[pair.one_id, pair.other_id] = pair.together(known) if known else pair


def _row(pair: Twins) -> dict[str, Any]:
    return {
        **{name: getattr(pair, name) for name in ("one_id", "other_id", "principal_id")},
        "likeness": round(1000 * pair.likeness),
        "why": sorted(pair.why),
    }
