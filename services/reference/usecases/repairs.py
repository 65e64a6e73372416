"""Rows that a file had and that could not be taken: mended and taken, or dropped."""

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from services.kit.db import Transaction
from services.kit.errors import Conflict, Invalid, NotFound
from services.reference.store import runs
from services.reference.usecases import contents, saving
from services.reference.usecases.contents import BadRow


async def mend(tx: Transaction, refused_id: int, cells: Mapping[str, str], by: str) -> None:
    """`cells`: our fields that are otherwise than in the file; an empty one is left out. Raises `NotFound`, `Conflict`, `Invalid`."""
    row = await _open(tx, refused_id)
    typed = {**(orjson.loads(row["cells"]) if row["cells"] else {}), **{name: cell.strip() for name, cell in cells.items()}}
    try:
        key, content = contents.taken(row["kind"], {name: cell for name, cell in typed.items() if cell}, await contents.known(tx))
    except BadRow as wrong:
        raise Invalid(f"the row still cannot be taken: {wrong.reason} {wrong.field}".rstrip(), code=wrong.reason) from None
    body = orjson.dumps(content)
    run = await runs.run(tx.conn, row["run_id"])
    rules = run["conflicts"] if run else {}
    if key not in await saving.save(tx, row["kind"], [(key, hashlib.blake2b(body, digest_size=16).digest(), body.decode())], rules):
        lacking = await saving.lacking(tx, row["kind"], content)
        raise Invalid(f"no {lacking} has this number; load or mend the {lacking} first", code=f"unknown_{lacking}")
    await runs.settle(tx.conn, refused_id, "repaired", by)


async def drop(tx: Transaction, refused_id: int, by: str) -> None:
    """Nobody needs it. Raises `NotFound`, `Conflict`."""
    await _open(tx, refused_id)
    await runs.settle(tx.conn, refused_id, "dropped", by)


async def _open(tx: Transaction, refused_id: int) -> dict[str, Any]:
    row = await runs.take_refused(tx.conn, refused_id)
    if row is None:
        raise NotFound("no such row was refused")
    if row["state"] != "open":
        raise Conflict(f"this row is settled: {row['state']}")
    return row
