"""What a file brings is stored and told in the same transaction: rows that changed, and who has left."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from typing import Any

import orjson

from services.kit.clock import new_id
from services.kit.db import Transaction
from services.kit.outbox import Lane
from services.reference import emits
from services.reference.domain.entitlement import CONTRACT_ZONE
from services.reference.store import feed as store
from services.reference.store import members
from services.reference.usecases.mapping import Kind

Rows = Sequence[tuple[str, bytes, str]]  # key, hash, content as JSON


async def save(tx: Transaction, kind: Kind, rows: Rows) -> set[str]:
    """The keys of those saved: all but contracts of a member who is not known."""
    return await _SAVE[kind](tx, rows)


async def end(tx: Transaction, kind: Kind, ids: Sequence[str], last_day: date) -> None:
    """They have left; a later file that names them again takes them back."""
    if kind == "members":
        await _tell_members(tx, await store.end_members(tx.conn, ids, last_day))
    else:
        await _tell_contracts(tx, await store.end_contracts(tx.conn, ids, last_day))


async def restate_contracts(tx: Transaction, products: Sequence[str], after: str | None, limit: int) -> str | None:
    """A contract's event holds its guarantees: the next of those whose guarantees changed are told again. Returns the last, if any."""
    rows = await store.restate_contracts(tx.conn, products, after, limit)
    await _tell_contracts(tx, rows)
    return rows[-1]["id"] if rows else None


async def _principals(tx: Transaction, rows: Rows) -> set[str]:
    tx.emit(*map(emits.principal, await store.save_principals(tx.conn, _text(rows))))
    return _keys(rows)


async def _products(tx: Transaction, rows: Rows) -> set[str]:
    await store.save_products(tx.conn, _text(rows))
    return _keys(rows)


async def _guarantees(tx: Transaction, rows: Rows) -> set[str]:
    await store.save_guarantees(tx.conn, _text(rows))
    return _keys(rows)


async def _members(tx: Transaction, rows: Rows) -> set[str]:
    await _tell_members(tx, await store.save_members(tx.conn, _text(rows)))
    return _keys(rows)


async def _contracts(tx: Transaction, rows: Rows) -> set[str]:
    saved = await store.save_contracts(tx.conn, _text(rows))
    await _tell_contracts(tx, saved)
    return {row["feed_key"] for row in saved}


def _text(rows: Rows) -> str:
    """As the store takes them. A row's content is a JSON object that is not empty."""
    return "[" + ",".join(_beginning(key, hash) + content[1:] for key, hash, content in rows) + "]"


def _beginning(key: str, hash: bytes) -> str:
    return orjson.dumps({"id": new_id(), "feed_key": key, "feed_hash": f"\\x{hash.hex()}"}).decode()[:-1] + ","


def _keys(rows: Rows) -> set[str]:
    return {key for key, *_ in rows}


async def _tell_members(tx: Transaction, rows: Sequence[dict[str, Any]]) -> None:
    if shown := [row["id"] for row in rows if row["open_cases"]]:
        for card in map(emits.card, await members.rows(tx.conn, shown)):
            tx.card(card)
    tx.emit(*map(emits.member, rows), lane=Lane.BULK)


async def _tell_contracts(tx: Transaction, rows: Sequence[dict[str, Any]]) -> None:
    today = tx.now.astimezone(CONTRACT_ZONE).date()
    versions = await store.guarantees(tx.conn, sorted({row["product"] for row in rows}), today)
    states = {product: [emits.guarantee(row) for row in of] for product, of in versions.items()}
    tx.emit(*(emits.member_contract(row, states.get(row["product"], [])) for row in rows), lane=Lane.BULK)


_SAVE: dict[Kind, Callable[[Transaction, Rows], Awaitable[set[str]]]] = {
    "principals": _principals,
    "products": _products,
    "guarantees": _guarantees,
    "members": _members,
    "contracts": _contracts,
}
