"""What both sides have changed: a panel of the files' page, where a supervisor decides."""

from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request, Response

from services.kit.auth import Caller, allow
from services.kit.bounds import Seq
from services.kit.db import Transaction
from services.kit.errors import Conflict
from services.kit.idempotency import Command, CommandDependency
from services.kit.web import pages
from services.reference.store import conflicts as store
from services.reference.usecases import guarding
from services.reference.usecases.amendments import by

router = APIRouter(prefix="/desk/files/conflicts", include_in_schema=False)
templates = pages.templates(Path(__file__).parents[1])

WHO = ("supervisor", "admin")
Reader = Annotated[Caller, allow("reference:read", *WHO)]
Writer = Annotated[Caller, allow("reference:write", *WHO)]
Cmd = Annotated[Command, CommandDependency]

SHOWN = 50


@router.get("")
async def show(request: Request, caller: Reader) -> Response:
    """Those that wait for a person, and the latest that a rule or a person has decided."""
    return await _shown(request, caller)


@router.post("/{conflict_id}")
async def settle(conflict_id: Seq, keep: Annotated[Literal["ours", "theirs"], Form()], request: Request, caller: Writer, command: Cmd) -> Response:
    async def action(tx: Transaction) -> Response:
        await guarding.settle(tx, conflict_id, keep, by(caller))
        return Response(status_code=303, headers={"Location": "/desk/files"})

    try:
        done = await command.run(action)
    except Conflict as refusal:
        return await _shown(request, caller, refusal)
    return await _shown(request, caller) if pages.part(request) else done


async def _shown(request: Request, caller: Caller, refusal: Conflict | None = None) -> Response:
    async with request.app.state.db.transaction() as tx:
        waiting = await store.listing(tx.conn, only_open=True, before=None, limit=SHOWN)
        latest = await store.listing(tx.conn, only_open=False, before=None, limit=SHOWN)
    rows = waiting + [row for row in latest if row["decided"]]
    return templates.render(
        request,
        "conflicts.html" if pages.part(request) else "conflicts_page.html",
        now=tx.now,
        caller=caller,
        csrf=caller.csrf or "",
        active="files",
        status=refusal.status if refusal else 200,
        refusal=refusal,
        rows=rows[:SHOWN],
        waiting=len(waiting),
    )
