"""What people changed of a principal's members, as a file for it: until it has acknowledged it, every file tells of it again."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.kit import failpoints
from services.kit.clock import new_id
from services.kit.db import Database, Transaction
from services.kit.errors import NotFound
from services.reference.store import exports as store
from services.reference.usecases.amendments import plain
from services.reference.usecases.mapping import Mapping
from services.reference.usecases.outgoing import Writer


@dataclass(frozen=True, slots=True)
class Export:
    id: str
    rows: int
    changes: int


async def export(db: Database, principal: str, file: Path, mapping: Mapping) -> Export:
    """`principal`: its code. The file is whole or not there; an export that was killed is done again, and loses nothing. What of a member
    is disputed goes out as the principal has it. Raises `NotFound`."""
    writer = Writer(mapping.out, mapping.members)
    async with db.transaction() as tx:
        principal_id = await store.principal_id(tx.conn, principal)
        if principal_id is None:
            raise NotFound(f"{principal} is no principal")
        members = await store.changed(tx.conn, principal_id, writer.fields)
        changes = [change for member in members for change in member["changes"]]
        export_id = new_id()
        await store.note(tx.conn, export_id, principal_id, file.name, len(members), changes, tx.now)
        rows = [{name: plain(member[name]) for name in writer.fields} | _theirs(member, writer.fields) for member in members]
        _write(file, writer.file(rows))
        failpoints.hit("export.written")
    return Export(export_id, len(members), len(changes))


async def acknowledge(tx: Transaction, export_id: str, by: str) -> dict[str, Any]:
    """The principal has what this export told it; what was changed since goes out with the next. Again changes nothing. Raises `NotFound`."""
    row = await store.acknowledge(tx.conn, export_id, by, tx.now)
    if row is None:
        raise NotFound("no such export")
    return row


def _theirs(member: dict[str, Any], fields: list[str]) -> dict[str, Any]:
    return {name: value for name, value in member["disputed"].items() if name in fields}


def _write(file: Path, content: bytes) -> None:
    """Under another name until it is whole, and on the disk, before it is called an export."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    part = Path(name)
    try:
        with open(descriptor, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        failpoints.hit("export.half")
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
