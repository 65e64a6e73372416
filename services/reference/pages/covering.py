"""Decisions as people read them: why on the case page, what waits for the principal on its board, what a change would have altered."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response

from contracts import reasons
from contracts.common import Id
from services.kit import places
from services.kit.auth import STAFF, Caller, allow
from services.kit.bounds import typed_cents
from services.kit.db import Transaction
from services.kit.errors import NotFound, Refusal
from services.kit.idempotency import Command, CommandDependency
from services.kit.web import forms, pages
from services.reference.store import approvals
from services.reference.usecases import coverage, explaining, retroactive, words

router = APIRouter(include_in_schema=False)
templates = pages.templates(Path(__file__).parents[1])

AtDesk = Annotated[Caller, allow("reference:read", *STAFF)]
Supervisor = Annotated[Caller, allow("reference:write", "supervisor")]
Files = Annotated[Caller, allow("reference:read", "supervisor", "admin")]
Principal = Annotated[Caller, allow("reference:read", "principal", "principal_approver")]
Approver = Annotated[Caller, allow("reference:write", "principal_approver")]
Cmd = Annotated[Command, CommandDependency]

PAGE = 50
SHOWN = timedelta(days=30)  # of recorded changes, on the page of what they would have altered


@router.get("/pages/reference/cases/{case_id}/coverage")
async def of_case(case_id: Id, request: Request, caller: AtDesk) -> Response:
    """Each need's decision with every rule tried; a supervisor answers for the principal, or grants a gesture."""
    return await _of_case(request, caller, case_id)


@router.post("/pages/reference/cases/{case_id}/approvals/{approval_id}/{answer}")
async def answer_at_desk(
    case_id: Id, approval_id: Id, answer: Literal["grant", "refuse"], request: Request, caller: Supervisor, command: Cmd
) -> Response:
    return await _on_case(request, caller, command, case_id, await _answering(request, caller, approval_id, answer))


@router.post("/pages/reference/cases/{case_id}/needs/{need_id}/goodwill")
async def give(case_id: Id, need_id: Id, request: Request, caller: Supervisor, command: Cmd) -> Response:
    values = forms.posted(await request.form()).values

    async def act(tx: Transaction) -> None:
        await coverage.grant_goodwill(tx, need_id, typed_cents(values.get("amount", "")), words.gesture(values.get("reason", "")), caller.actor)

    return await _on_case(request, caller, command, case_id, act)


@router.get("/board/approvals")
async def board_approvals(request: Request, caller: Principal) -> Response:
    """What the principal must agree to, and what it answered last."""
    return await _approvals(request, caller)


@router.post("/board/approvals/{approval_id}/{answer}")
async def answer_on_board(approval_id: Id, answer: Literal["grant", "refuse"], request: Request, caller: Approver, command: Cmd) -> Response:
    act = await _answering(request, caller, approval_id, answer)

    async def action(tx: Transaction) -> Response:
        await act(tx)
        return Response(status_code=303, headers={"Location": "/board/approvals"})

    try:
        done = await command.run(action)
    except NotFound:
        raise
    except Refusal as refusal:
        return await _approvals(request, caller, refusal)
    return await _approvals(request, caller) if pages.part(request) else done


@router.get("/board/coverage/{case_id}")
async def board_case(case_id: Id, request: Request, caller: Principal) -> Response:
    """Why the needs of one of its cases are covered or not."""
    async with request.app.state.db.transaction(caller.tenant) as tx:
        found = await explaining.case(tx.conn, case_id)
    if not found:
        raise NotFound("no decision was taken about such a case")
    return _render(request, caller, "board_coverage.html", tx.now, active="board", needs=found, case_id=case_id)


@router.get("/desk/files/retroactive")
async def altered(request: Request, caller: Files) -> Response:
    """The needs that what was recorded in the last 30 days would have decided otherwise."""
    async with request.app.state.db.transaction() as tx:
        found, more = await retroactive.altered(tx.conn, tx.now - SHOWN, None, PAGE)
    return _render(request, caller, "retroactive.html", tx.now, active="files", found=found, more=more)


async def _answering(request: Request, caller: Caller, approval_id: str, answer: str) -> Callable[[Transaction], Awaitable[None]]:
    values = forms.posted(await request.form()).values

    async def act(tx: Transaction) -> None:
        await coverage.answer(tx, approval_id, None if answer == "grant" else words.refusing(values.get("reason", "")), caller.actor)

    return act


async def _on_case(request: Request, caller: Caller, command: Command, case_id: str, act: Callable[[Transaction], Awaitable[None]]) -> Response:
    """A refusal shows in the panel, with the state as it is now."""

    async def action(tx: Transaction) -> Response:
        await act(tx)
        return Response(status_code=303, headers={"Location": f"/desk/cases/{case_id}"})

    try:
        done = await command.run(action)
    except NotFound:
        raise
    except Refusal as refusal:
        return await _of_case(request, caller, case_id, refusal)
    return await _of_case(request, caller, case_id) if pages.part(request) else done


async def _of_case(request: Request, caller: Caller, case_id: str, refusal: Refusal | None = None) -> Response:
    async with request.app.state.db.transaction() as tx:
        found = await explaining.case(tx.conn, case_id)
    return _render(request, caller, "case_coverage.html", tx.now, refusal, needs=found, case_id=case_id, may="supervisor" in caller.roles)


async def _approvals(request: Request, caller: Caller, refusal: Refusal | None = None) -> Response:
    async with request.app.state.db.transaction(caller.tenant) as tx:
        waiting = await approvals.listing(tx.conn, ["asked"], None, PAGE)
        answered = await approvals.answered(tx.conn, PAGE)
    name = "approvals_list.html" if pages.part(request) else "approvals.html"
    may = "principal_approver" in caller.roles
    return _render(request, caller, name, tx.now, refusal, active="approvals", waiting=waiting, answered=answered, may=may)


def _render(request: Request, caller: Caller, name: str, now: datetime, refusal: Refusal | None = None, active: str = "", **context: Any) -> Response:
    lang: Literal["fr", "en"] = "en" if templates.words(request).lang == "en" else "fr"

    def reason(code: str) -> str:
        return reasons.text(code, lang)

    return templates.render(
        request,
        name,
        now=now,
        caller=caller,
        csrf=caller.csrf or "",
        active=active,
        status=refusal.status if refusal else 200,
        refusal=refusal,
        reason=reason,
        failed=reasons.COVERAGE_REFUSED,
        places=places.name,
        why_not=[(code, reason(code)) for code in words.REFUSING],
        gestures=[(code, reason(code)) for code in words.GESTURES],
        **context,
    )
