"""What a file brings is stored: rows that changed, and who has left. `telling` follows; a card that an open case makes public goes at once."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

import orjson

from services.kit import deadlines
from services.kit.clock import new_id
from services.kit.db import Transaction
from services.reference import emits
from services.reference.domain.amending import Rule
from services.reference.domain.entitlement import CONTRACT_ZONE
from services.reference.store import beneficiaries, members, statements
from services.reference.store import feed as store
from services.reference.usecases import guarding
from services.reference.usecases.mapping import Kind

Rows = Sequence[tuple[str, bytes, str]]  # key, hash, content as JSON
GUARANTEE_STARTS = "guarantee_starts"


async def save(tx: Transaction, kind: Kind, rows: Rows, rules: Mapping[str, Rule]) -> set[str]:
    """The keys of those saved: all but rows of a member or a contract that is not known, and statements of a contract that is not theirs.

    `rules`: of the mapping, for what both sides have changed.
    """
    if kind == "members":
        return await _members(tx, rows, rules)
    return await _SAVE[kind](tx, rows)


async def end(tx: Transaction, kind: Kind, ids: Sequence[str], last_day: date) -> None:
    """They have left; a later file that names them again takes them back."""
    if kind == "members":
        await _show(tx, await store.end_members(tx.conn, ids, last_day))
    elif kind == "contracts":
        await store.end_contracts(tx.conn, ids, last_day)
    elif kind == "beneficiaries":
        await beneficiaries.end(tx.conn, ids, last_day)
    else:
        await statements.withdraw(tx.conn, ids, last_day)


async def lacking(tx: Transaction, kind: Kind, content: Mapping[str, Any]) -> str:
    """Of a row that was not saved, the field that names what nobody knows."""
    if kind == "beneficiaries":
        return "member" if await beneficiaries.contract_known(tx.conn, content["contract_key"]) else "contract"
    if kind != "statements":
        return "member"
    return "contract" if await statements.member_known(tx.conn, content["member_key"]) else "member"


async def _principals(tx: Transaction, rows: Rows) -> set[str]:
    tx.emit(*map(emits.principal, await store.save_principals(tx.conn, _text(rows))))
    return _keys(rows)


async def _products(tx: Transaction, rows: Rows) -> set[str]:
    await store.save_products(tx.conn, _text(rows))
    return _keys(rows)


async def _guarantees(tx: Transaction, rows: Rows) -> set[str]:
    await store.save_guarantees(tx.conn, _text(rows))
    for key, *_ in rows:
        starts = datetime.combine(date.fromisoformat(key.rpartition("/")[2]), time(), CONTRACT_ZONE)
        if starts > tx.now:
            await deadlines.put(tx.conn, GUARANTEE_STARTS, key, starts)
    return _keys(rows)


async def _members(tx: Transaction, rows: Rows, rules: Mapping[str, Rule]) -> set[str]:
    shown = await store.save_members(tx.conn, _text(rows))
    await guarding.keep(tx, rows, rules)
    await _show(tx, shown)
    return _keys(rows)


async def _contracts(tx: Transaction, rows: Rows) -> set[str]:
    return await store.save_contracts(tx.conn, _text(rows))


async def _beneficiaries(tx: Transaction, rows: Rows) -> set[str]:
    return await beneficiaries.save(tx.conn, _text(rows))


async def _statements(tx: Transaction, rows: Rows) -> set[str]:
    return await statements.save(tx.conn, _text(rows))


def _text(rows: Rows) -> str:
    """As the store takes them. A row's content is a JSON object that is not empty."""
    return "[" + ",".join(_beginning(key, hash) + content[1:] for key, hash, content in rows) + "]"


def _beginning(key: str, hash: bytes) -> str:
    return orjson.dumps({"id": new_id(), "feed_key": key, "feed_hash": f"\\x{hash.hex()}"}).decode()[:-1] + ","


def _keys(rows: Rows) -> set[str]:
    return {key for key, *_ in rows}


async def _show(tx: Transaction, member_ids: Sequence[str]) -> None:
    if member_ids:
        for card in map(emits.card, await members.rows(tx.conn, member_ids)):
            tx.card(card)


_SAVE: dict[Kind, Callable[[Transaction, Rows], Awaitable[set[str]]]] = {
    "principals": _principals,
    "products": _products,
    "guarantees": _guarantees,
    "contracts": _contracts,
    "beneficiaries": _beneficiaries,
    "statements": _statements,
}
