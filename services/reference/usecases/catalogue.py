"""Principals with their terms, products and guarantees set by hand: one row of a file, with the same checks and the same effect."""

import hashlib
from collections.abc import Mapping

import orjson

from services.kit.db import Transaction
from services.kit.errors import Invalid
from services.reference.store import catalog as store
from services.reference.usecases import contents, saving
from services.reference.usecases.contents import BadRow
from services.reference.usecases.mapping import Kind


class Refused(Invalid):
    """`field`: which one, empty where it is about the row."""

    def __init__(self, wrong: BadRow) -> None:
        super().__init__(f"the row cannot be taken: {wrong.reason} {wrong.field}".rstrip(), code=wrong.reason)
        self.field = wrong.field


async def put(tx: Transaction, kind: Kind, cells: Mapping[str, str], by: str) -> str:
    """`cells`: our fields as text, as a file has them; empty ones are left out. Returns the row's key. Raises `Refused`."""
    try:
        key, content = contents.taken(kind, {name: cell for name, cell in cells.items() if cell}, await contents.known(tx))
    except BadRow as wrong:
        raise Refused(wrong) from None
    body = orjson.dumps(content)
    await store.set_by(tx.conn, by)
    await saving.save(tx, kind, [(key, hashlib.blake2b(body, digest_size=16).digest(), body.decode())], {})
    return key
