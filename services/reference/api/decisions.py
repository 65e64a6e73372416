"""Decisions over HTTP: why they were taken, what a gesture grants all the same, which of them a change would alter."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from contracts.common import Cents, Code, Exact, Id
from contracts.reasons import text
from services.kit import cursor
from services.kit.app import PROBLEMS
from services.kit.auth import STAFF, Caller, allow
from services.kit.bounds import Limit, Moment
from services.kit.db import Transaction
from services.kit.errors import NotFound
from services.kit.idempotency import Command, CommandDependency
from services.reference.usecases import coverage, explaining, retroactive, words
from services.reference.usecases.explaining import Explained
from services.reference.usecases.retroactive import Altered

router = APIRouter(prefix="/api/reference/v1", tags=["decisions"], responses=PROBLEMS)

Reader = Annotated[Caller, allow("reference:read", *STAFF, "member", "principal", "principal_approver")]
Staff = Annotated[Caller, allow("reference:read", *STAFF)]
Giver = Annotated[Caller, allow("reference:write", "supervisor", "principal_approver")]
Cmd = Annotated[Command, CommandDependency]


class Rule(BaseModel):
    code: str
    fr: str
    en: str


class Tried(BaseModel):
    """A contract, or one of its guarantees: its rules in the order they were tried. Those after the first that failed were not."""

    contract_id: Id | None
    contract: str | None
    product: str | None
    guarantee: str | None
    good: bool = Field(description="every rule passed")
    chosen: bool
    rules: list[Rule]


class Decision(BaseModel):
    """The last decision about a need, and everything that was tried for it. `asked`: the principal must agree first."""

    need_id: Id
    case_id: Id
    member_id: Id
    service: Code
    starts_at: datetime
    status: Code = Field(description="asked, granted, refused, lost, released or consumed")
    decided_at: datetime | None
    reason: Rule | None
    contract_id: Id | None
    guarantee: str | None
    units: Exact
    cap_gross_cents: int | None
    member_rate: Exact
    renews_on: date | None
    approval_cents: int | None
    approval_due: datetime | None
    goodwill_by: Code | None
    goodwill_reason: Rule | None
    rules: list[Rule]
    tried: list[Tried]


class Gesture(BaseModel):
    """`reason`: a code of the family `goodwill`. Amounts beyond the cap are the member's."""

    reason: Code
    cap_gross_cents: Annotated[Cents, Field(gt=0)]


class Given(BaseModel):
    need_id: Id


class Change(BaseModel):
    """A need whose decision would be another by what is known now. Nothing was changed."""

    need_id: Id
    case_id: Id
    service: Code
    starts_at: datetime
    decided_at: datetime
    was: str
    was_reason: Rule | None
    was_guarantee: str | None
    would_be: str
    would_be_reason: Rule | None
    would_be_guarantee: str | None
    would_be_cap_gross_cents: int | None


class Changes(BaseModel):
    needs: list[Change]
    next: str | None = Field(description="there may be more, also where this page is empty")


@router.get("/coverage/{need_id}")
async def explain(need_id: Id, caller: Reader, request: Request) -> Decision:
    """Why a need is covered or not, in words. A principal or a member reads their own."""
    async with request.app.state.db.transaction(caller.tenant) as tx:
        found = await explaining.need(tx.conn, need_id)
    if found is None:
        raise NotFound("no decision was taken about such a need")
    return _decision(found)


@router.post("/coverage/{need_id}/goodwill", response_model=Given)
async def grant_goodwill(need_id: Id, body: Gesture, caller: Giver, command: Cmd) -> Response:
    """Grants a refused need as a gesture, up to an amount; it takes neither units nor amounts of the guarantee."""

    async def action(tx: Transaction) -> Given:
        await coverage.grant_goodwill(tx, need_id, body.cap_gross_cents, words.gesture(body.reason), caller.actor)
        return Given(need_id=need_id)

    return await command.run(action)


@router.get("/retroactive")
async def list_altered(
    caller: Staff,
    request: Request,
    since: Annotated[Moment, Query(description="changes that were recorded from then on")],
    after: Annotated[str | None, Query(description="the `next` of the page before")] = None,
    limit: Limit = 50,
) -> Changes:
    """Needs that a change of contracts, guarantees or terms would have decided otherwise, had it been known then."""
    place = cursor.decode(after, cursor.uuid)
    async with request.app.state.db.transaction() as tx:
        found, last = await retroactive.altered(tx.conn, since, place[0] if place else None, limit)
    return Changes(needs=[_change(one) for one in found], next=cursor.encode(last) if last else None)


def _decision(found: Explained) -> Decision:
    cover = found.cover
    return Decision(
        need_id=cover.need_id,
        case_id=cover.case_id,
        member_id=cover.claim.member_id,
        service=cover.claim.service,
        starts_at=cover.claim.starts_at,
        status=cover.status,
        decided_at=cover.decided_at,
        reason=_rule(cover.reason),
        contract_id=cover.contract_id,
        guarantee=cover.guarantee,
        units=cover.units,
        cap_gross_cents=cover.cap_gross_cents,
        member_rate=cover.member_rate,
        renews_on=cover.renews_on,
        approval_cents=cover.approval_cents,
        approval_due=cover.approval_due,
        goodwill_by=cover.goodwill_by,
        goodwill_reason=_rule(cover.goodwill_reason),
        rules=_rules(cover.trace),
        tried=[
            Tried(
                contract_id=one.tried.contract_id,
                contract=one.contract,
                product=one.product,
                guarantee=one.tried.guarantee,
                good=one.good,
                chosen=one.chosen,
                rules=_rules(one.tried.trace),
            )
            for one in found.tried
        ],
    )


def _change(one: Altered) -> Change:
    cover = one.cover
    assert cover.decided_at
    return Change(
        need_id=cover.need_id,
        case_id=cover.case_id,
        service=cover.claim.service,
        starts_at=cover.claim.starts_at,
        decided_at=cover.decided_at,
        was=one.was,
        was_reason=_rule(cover.reason),
        was_guarantee=cover.guarantee,
        would_be=one.would_be,
        would_be_reason=_rule(one.reason),
        would_be_guarantee=one.guarantee,
        would_be_cap_gross_cents=one.cap_gross_cents,
    )


def _rules(codes: Iterable[str]) -> list[Rule]:
    return [Rule(code=code, fr=text(code, "fr"), en=text(code, "en")) for code in codes]


def _rule(code: str | None) -> Rule | None:
    return _rules([code])[0] if code else None
