"""What principals must agree to, over HTTP: listed to those who may answer, granted or refused once."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from contracts.common import Code, Exact, Id
from services.kit import cursor
from services.kit.app import PROBLEMS
from services.kit.auth import STAFF, Caller, allow
from services.kit.bounds import Limit
from services.kit.db import Transaction
from services.kit.idempotency import Command, CommandDependency
from services.reference.store import approvals as store
from services.reference.usecases import coverage, words

router = APIRouter(prefix="/api/reference/v1", tags=["approvals"], responses=PROBLEMS)

Reader = Annotated[Caller, allow("reference:read", *STAFF, "principal", "principal_approver")]
Answerer = Annotated[Caller, allow("reference:write", "supervisor", "principal_approver")]
Cmd = Annotated[Command, CommandDependency]
State = Literal["asked", "granted", "refused", "expired", "withdrawn"]


class Approval(BaseModel):
    """An amount that the principal must agree to before a need is covered. `withdrawn`: nobody need answer any more."""

    id: Id
    case_id: Id
    need_id: Id
    principal_id: Id
    service: Code
    insee: str
    starts_at: datetime
    ends_at: datetime
    quantity: Exact
    unit: Code
    contract_id: Id | None
    contract: str | None
    product: str | None
    guarantee: Code | None
    amount_cents: int = Field(description="gross, that the principal may have to pay of the provider's price")
    asked_at: datetime
    due_at: datetime = Field(description="without an answer until then, the need is refused")
    state: State
    reason: Code | None
    answered_at: datetime | None


class Approvals(BaseModel):
    approvals: list[Approval]
    next: str | None


class Why(BaseModel):
    reason: Code


class Answered(BaseModel):
    approval_id: Id
    state: State


@router.get("/approvals")
async def list_approvals(
    caller: Reader,
    request: Request,
    state: State = "asked",
    after: Annotated[str | None, Query(description="the `next` of the page before")] = None,
    limit: Limit = 50,
) -> Approvals:
    """The oldest first; a principal sees its own."""
    place = cursor.decode(after, cursor.uuid)
    async with request.app.state.db.transaction(caller.tenant) as tx:
        rows = await store.listing(tx.conn, [state], place[0] if place else None, limit)
    return Approvals(approvals=[_shown(row) for row in rows], next=cursor.encode(rows[-1]["id"]) if len(rows) == limit else None)


@router.post("/approvals/{approval_id}/grant", response_model=Answered)
async def grant_approval(approval_id: Id, caller: Answerer, command: Cmd) -> Response:
    """The need is covered up to the amount; by a supervisor in the principal's name."""

    async def action(tx: Transaction) -> Answered:
        await coverage.answer(tx, approval_id, None, caller.actor)
        return Answered(approval_id=approval_id, state="granted")

    return await command.run(action)


@router.post("/approvals/{approval_id}/refuse", response_model=Answered)
async def refuse_approval(approval_id: Id, body: Why, caller: Answerer, command: Cmd) -> Response:
    """The need is refused. `reason`: a code of the family `approval_refused`."""

    async def action(tx: Transaction) -> Answered:
        await coverage.answer(tx, approval_id, words.refusing(body.reason), caller.actor)
        return Answered(approval_id=approval_id, state="refused")

    return await command.run(action)


def _shown(row: Mapping[str, Any]) -> Approval:
    return Approval.model_validate(dict(row))
