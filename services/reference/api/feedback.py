"""What goes back to principals over HTTP: exports and their acknowledgement, and the fields that both sides have changed."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from contracts.common import Code, Id
from services.kit import cursor
from services.kit.app import PROBLEMS
from services.kit.auth import Caller, allow
from services.kit.bounds import Limit, Seq
from services.kit.db import Transaction
from services.kit.idempotency import Command, CommandDependency
from services.reference.store import conflicts as conflict_store
from services.reference.store import exports as store
from services.reference.usecases import exports, guarding
from services.reference.usecases.amendments import by

router = APIRouter(prefix="/api/reference/v1", tags=["feeds"], responses=PROBLEMS)

WHO = ("supervisor", "admin")
PRINCIPAL = ("principal", "principal_approver")
Reader = Annotated[Caller, allow("reference:read", *WHO, *PRINCIPAL)]
Writer = Annotated[Caller, allow("reference:write", *WHO, *PRINCIPAL)]
Supervisor = Annotated[Caller, allow("reference:read", *WHO)]
Settler = Annotated[Caller, allow("reference:write", *WHO)]
Cmd = Annotated[Command, CommandDependency]


class Export(BaseModel):
    id: Id
    principal_id: Id
    file: str
    rows: int
    at: datetime
    acknowledged_at: datetime | None


class Exports(BaseModel):
    """`next` is to be sent as `after`; none on the last page."""

    exports: list[Export]
    next: str | None


class Conflict(BaseModel):
    """Both values, and whose holds; `decided` is empty while a person is asked, and ours holds."""

    id: Seq
    member_id: Id
    number: str
    principal: Code
    field: Code
    ours: list[str] | str | None
    theirs: list[str] | str | None
    rule: Code
    decided: Literal["ours", "theirs"] | None
    at: datetime


class Conflicts(BaseModel):
    """`next` is to be sent as `after`; none on the last page."""

    conflicts: list[Conflict]
    next: str | None


class Settlement(BaseModel):
    keep: Literal["ours", "theirs"] = Field(description="ours goes out to the principal again, theirs is taken")


@router.get("/exports")
async def list_exports(caller: Reader, request: Request, after: str | None = None, limit: Limit = 50) -> Exports:
    """The files that told principals what was changed here, the latest first; a principal sees its own."""
    place = cursor.decode(after, cursor.uuid)
    async with request.app.state.db.transaction(caller.tenant) as tx:
        rows = await store.history(tx.conn, place[0] if place else None, limit)
    return Exports.model_validate({"exports": rows, "next": cursor.encode(rows[-1]["id"]) if len(rows) == limit else None})


@router.post("/exports/{export_id}/ack", response_model=Export)
async def acknowledge_export(export_id: Id, caller: Writer, command: Cmd) -> Response:
    """The principal has taken what this file says; it is not told again. Said twice, it is the same."""

    async def action(tx: Transaction) -> Export:
        return Export.model_validate(await exports.acknowledge(tx, export_id, caller.trail or caller.id))

    return await command.run(action)


@router.get("/conflicts")
async def list_conflicts(caller: Supervisor, request: Request, decided: bool = False, after: str | None = None, limit: Limit = 50) -> Conflicts:
    """Fields that both sides have changed: those that wait for a person, or all (`decided`); the latest first."""
    place = cursor.decode(after, cursor.number)
    async with request.app.state.db.transaction(caller.tenant) as tx:
        rows = await conflict_store.listing(tx.conn, only_open=not decided, before=place[0] if place else None, limit=limit)
    return Conflicts.model_validate({"conflicts": rows, "next": cursor.encode(rows[-1]["id"]) if len(rows) == limit else None})


@router.post("/conflicts/{conflict_id}/settle", status_code=204)
async def settle_conflict(conflict_id: Seq, body: Settlement, caller: Settler, command: Cmd) -> Response:
    """Ours or theirs. 409 when it is settled."""

    async def action(tx: Transaction) -> Response:
        await guarding.settle(tx, conflict_id, body.keep, by(caller))
        return Response(status_code=204)

    return await command.run(action)
