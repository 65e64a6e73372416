"""The files of principals: what was loaded, and the rows that could not be taken, to be mended or dropped."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Request, Response

from services.kit.auth import Caller, allow
from services.kit.bounds import Seq
from services.kit.db import Transaction
from services.kit.errors import Refusal
from services.kit.idempotency import Command, CommandDependency
from services.kit.web import forms, pages
from services.reference.store import runs
from services.reference.usecases import repairs
from services.reference.usecases.mapping import MODELS

router = APIRouter(include_in_schema=False)
templates = pages.templates(Path(__file__).parents[1])

WHO = ("supervisor", "admin")
Reader = Annotated[Caller, allow("reference:read", *WHO)]
Writer = Annotated[Caller, allow("reference:write", *WHO)]
Cmd = Annotated[Command, CommandDependency]

RUNS = 20
ROWS = 50


@router.get("/desk/files")
async def show(request: Request, caller: Reader) -> Response:
    return await _shown(request, caller)


@router.post("/desk/files/rows/{row}/mend")
async def mend(row: Seq, request: Request, caller: Writer, command: Cmd) -> Response:
    """The fields as they should have been; what was typed comes back with what is still wrong."""
    cells = forms.posted(await request.form()).values
    return await _settled(request, caller, command, lambda tx: repairs.mend(tx, row, cells, caller.id), row, cells)


@router.post("/desk/files/rows/{row}/drop")
async def drop(row: Seq, request: Request, caller: Writer, command: Cmd) -> Response:
    return await _settled(request, caller, command, lambda tx: repairs.drop(tx, row, caller.id), row, {})


async def _settled(
    request: Request, caller: Caller, command: Command, act: Callable[[Transaction], Awaitable[None]], row: int, cells: dict[str, str]
) -> Response:
    async def action(tx: Transaction) -> Response:
        await act(tx)
        return Response(status_code=303, headers={"Location": "/desk/files"})

    try:
        done = await command.run(action)
    except Refusal as refusal:
        return await _shown(request, caller, refusal, row, cells)
    return await _shown(request, caller) if pages.part(request) else done


async def _shown(
    request: Request, caller: Caller, refusal: Refusal | None = None, typed_in: int | None = None, typed: dict[str, str] | None = None
) -> Response:
    async with request.app.state.db.transaction() as tx:
        latest = await runs.history(tx.conn, None, RUNS)
        refused = await runs.refused(tx.conn, limit=ROWS)
        waiting = await runs.count_open(tx.conn)
    rows = [row | {"fields": _fields(row, typed if row["id"] == typed_in else None)} for row in refused]
    return templates.render(
        request,
        "files_list.html" if pages.part(request) else "files.html",
        now=tx.now,
        caller=caller,
        csrf=caller.csrf or "",
        active="files",
        status=refusal.status if refusal else 200,
        refusal=refusal,
        typed_in=typed_in,
        runs=latest,
        rows=rows,
        waiting=waiting,
    )


def _fields(row: dict[str, Any], typed: dict[str, str] | None) -> list[tuple[str, str]]:
    """Every field of such a row, as it was in the file or as it was typed since."""
    cells = (orjson.loads(row["cells"]) if row["cells"] else {}) | (typed or {})
    return [(name, cells.get(name, "")) for name in MODELS[row["kind"]].model_fields]
