"""The stuck list of a service as a page: what its consumers could not apply, and what a supervisor may do about it. Every service includes it."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request, Response

from services.kit import drainer, parking, pausing
from services.kit.auth import STAFF, Caller, allow
from services.kit.bounds import Seq
from services.kit.db import Database, Transaction
from services.kit.errors import NotFound, Refusal
from services.kit.idempotency import Command, CommandDependency
from services.kit.web import pages

Action = Literal["retry", "skip", "done", "resume"]
Typed = Annotated[str, Form(max_length=500)]
Cmd = Annotated[Command, CommandDependency]

MAY_ACT = frozenset({"supervisor", "admin"})


def router(service: str) -> APIRouter:
    """`/pages/<service>/stuck`: the list, and by POST what is done to one of its keys, under the caller's id."""
    made = APIRouter(prefix=f"/pages/{service}", include_in_schema=False)
    shown = pages.templates(pages.KIT)

    @made.get("/stuck")
    async def stuck(request: Request, caller: Annotated[Caller, allow(f"{service}:read", *STAFF)]) -> Response:
        return await listed(request, caller)

    @made.post("/stuck")
    async def act(
        action: Annotated[Action, Form()],
        topic: Typed,
        reason: Annotated[str, Form(min_length=3, max_length=500)],
        request: Request,
        caller: Annotated[Caller, allow(f"{service}:write", *MAY_ACT)],
        command: Cmd,
        key: Typed = "",
        record: Annotated[Seq | None, Form()] = None,
    ) -> Response:
        async def effect(tx: Transaction) -> dict[str, str]:
            await _act(tx, action, topic, key, record, caller.id, reason)
            return {}

        try:
            await command.run(effect)
        except Refusal as refusal:
            return await listed(request, caller, refusal)
        return await listed(request, caller)

    async def listed(request: Request, caller: Caller, refusal: Refusal | None = None) -> Response:
        db: Database = request.app.state.db
        rows = await parking.listing(db)
        async with db.transaction() as tx:
            paused = await pausing.paused_topics(tx.conn)
        return shown.render(
            request,
            "stuck_part.html" if pages.part(request) else "stuck_page.html",
            now=tx.now,
            caller=caller,
            csrf=caller.csrf or "",
            active="stuck",
            status=refusal.status if refusal else 200,
            part=service,
            stuck=rows,
            paused=paused,
            may_act=not MAY_ACT.isdisjoint(caller.roles),
            refused=refusal is not None,
        )

    return made


async def _act(tx: Transaction, action: Action, topic: str, key: str, record: int | None, by_whom: str, reason: str) -> None:
    """Raises `NotFound`, and `Conflict` when another record is first by now."""
    if action == "resume":
        if not await pausing.resume(tx, topic, by_whom, reason):
            raise NotFound(f"{topic} is not paused")
    elif action == "retry":
        await drainer.retry(tx, topic, key, by_whom, reason)
    else:
        await drainer.dismiss(tx, topic, key, "skip" if action == "skip" else "done_by_hand", by_whom, reason, record)
