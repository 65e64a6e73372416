"""Coverage over HTTP: the preview while the caller waits, and the tasks that a decision left."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from contracts.common import Actor, Cents, Code, Exact, Id, Insee
from contracts.reasons import text
from services.kit import places
from services.kit.app import PROBLEMS
from services.kit.auth import DESK, STAFF, Caller, allow
from services.kit.bounds import Day, Moment
from services.kit.db import Transaction
from services.kit.errors import NotFound
from services.kit.idempotency import Command, CommandDependency
from services.reference.domain.choice import Grant, Verdict
from services.reference.domain.entitlement import CONTRACT_ZONE, Claim, Rights, RightsKey
from services.reference.usecases import coverage, proposals

router = APIRouter(prefix="/api/reference/v1", tags=["coverage"], responses=PROBLEMS)

Reader = Annotated[Caller, allow("reference:read", *STAFF, "member", "principal", "principal_approver")]
DeskWriter = Annotated[Caller, allow("reference:write", *DESK)]
Cmd = Annotated[Command, CommandDependency]


class Ask(BaseModel):
    """May this be covered? `place` is the INSEE code of the commune. Without a contract, the member's best is taken."""

    member_id: Id
    contract_id: Id | None = None
    service: Code
    place: Insee
    start: Moment
    quantity: Decimal = Field(default=Decimal(1), gt=0, le=100, decimal_places=2)
    unit: Code = "unit"
    occurred_on: Day | None = Field(default=None, description="the day of what made it necessary")
    estimate_gross_cents: Annotated[Cents, Field(ge=0)] | None = None


class Reason(BaseModel):
    code: str
    fr: str
    en: str


class Preview(BaseModel):
    """What the decision would be now. Nothing is reserved: the binding answer comes when the need is added."""

    granted: bool
    reason: Reason | None = Field(description="why not")
    contract_id: Id | None
    guarantee: str | None
    units: Exact | None = Field(description="that would be reserved")
    units_left: Exact | None = Field(description="before; none without limit")
    cap_gross_cents: int | None = Field(description="what would be promised; beyond it is the member's")
    gross_cents_left: int | None = Field(description="of the year's amount, before; none without limit")
    approval_cents: int | None = Field(description="what the principal would have to agree to first")
    member_rate: Exact | None
    renews_on: date | None
    trace: list[Reason]


class Outcome(BaseModel):
    outcome: Code


@router.post("/coverage/preview")
async def preview_coverage(body: Ask, caller: Reader, request: Request) -> Preview:
    """At once, while the caller waits. Changes nothing, so it takes no Idempotency-Key."""
    place = places.place(body.place)
    claim = Claim(
        member_id=body.member_id,
        principal_id=None,
        contract_id=body.contract_id,
        service=body.service,
        insee=place.insee,
        departement=place.departement,
        starts_at=body.start,
        ends_at=body.start + timedelta(hours=2),
        quantity=body.quantity,
        unit=body.unit,
        occurred_on=body.occurred_on,
        estimate_gross_cents=body.estimate_gross_cents,
    )
    async with request.app.state.db.transaction(caller.tenant) as tx:
        claim = replace(claim, declared_on=tx.now.astimezone(CONTRACT_ZONE).date())
        person, verdict, rights = await coverage.preview(tx.conn, claim)
    if person is None:
        raise NotFound("no such member")
    return _preview(verdict, rights)


@router.post("/tasks/{task_id}/close", response_model=Outcome)
async def close_task(task_id: Id, body: Outcome, caller: DeskWriter, command: Cmd) -> Response:
    """Settles a task that reference opened: a need that goes on although it is not, or no longer, covered."""
    by = Actor.model_validate({"kind": caller.kind, "id": caller.id})

    async def action(tx: Transaction) -> Outcome:
        if not await proposals.settle(tx, task_id, body.outcome, by, caller.id):
            await coverage.settle(tx, task_id, body.outcome, by)
        return body

    return await command.run(action)


def _preview(verdict: Verdict, rights: Mapping[RightsKey, Rights]) -> Preview:
    trace = [_reason(code) for code in verdict.trace]
    if isinstance(verdict, Grant):
        guarantee = verdict.guarantee
        return Preview(
            granted=True,
            reason=None,
            contract_id=verdict.key.contract_id,
            guarantee=guarantee.code,
            units=verdict.units,
            units_left=rights.get(verdict.key, Rights()).left(guarantee.units_per_year),
            cap_gross_cents=verdict.cap_gross_cents,
            gross_cents_left=rights.get(verdict.key, Rights()).cents_left(guarantee.cap_gross_cents_per_year),
            approval_cents=verdict.approval_cents,
            member_rate=guarantee.member_rate,
            renews_on=verdict.renews_on,
            trace=trace,
        )
    return Preview(
        granted=False,
        reason=_reason(verdict.reason),
        contract_id=verdict.contract_id,
        guarantee=verdict.guarantee,
        units=None,
        units_left=None,
        cap_gross_cents=None,
        gross_cents_left=None,
        approval_cents=None,
        member_rate=None,
        renews_on=verdict.renews_on,
        trace=trace,
    )


def _reason(code: str) -> Reason:
    return Reason(code=code, fr=text(code, "fr"), en=text(code, "en"))
