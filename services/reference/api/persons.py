"""A person's own over HTTP: what is held of them as a file, and its erasure."""

from datetime import date
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from contracts.common import Id
from services.kit.app import PROBLEMS
from services.kit.auth import Caller, allow
from services.kit.db import Transaction
from services.kit.idempotency import Command, CommandDependency
from services.reference.usecases import persons

router = APIRouter(prefix="/api/reference/v1", tags=["persons"], responses=PROBLEMS)

Reader = Annotated[Caller, allow("reference:read", "supervisor", "admin")]
Writer = Annotated[Caller, allow("reference:write", "supervisor", "admin")]
Cmd = Annotated[Command, CommandDependency]


class Gone(BaseModel):
    code: str
    where: str
    fr: str
    en: str


class Kept(Gone):
    """`until`: the last day, where there is one."""

    until: date | None


class Erased(BaseModel):
    """All rows of the person, what is erased, and what stays with the reason."""

    members: list[Id]
    erased: list[Gone]
    kept: list[Kept]


@router.get("/members/{member_id}/data")
async def read_data(member_id: Id, caller: Reader, request: Request) -> Response:
    """Everything that reference holds of the person, as a file. What the other services hold: `entraide person export`."""
    async with request.app.state.db.transaction() as tx:
        held: dict[str, Any] = await persons.data(tx.conn, member_id)
    headers = {"Content-Disposition": f'attachment; filename="{member_id}.json"', "Cache-Control": "no-store"}
    return Response(orjson.dumps(held, default=str, option=orjson.OPT_INDENT_2), media_type="application/json", headers=headers)


@router.post("/members/{member_id}/erase", response_model=Erased)
async def erase(member_id: Id, caller: Writer, command: Cmd) -> Response:
    """Erases the person everywhere, for ever: here at once, elsewhere within seconds, in the log within a day. 409 while a case is open."""

    async def action(tx: Transaction) -> Erased:
        return Erased.model_validate(await persons.erase(tx, member_id, caller.actor), from_attributes=True)

    return await command.run(action)
