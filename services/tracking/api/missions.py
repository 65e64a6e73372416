"""What happens on site: start, complete, fail, expected time; corrections and ratings afterwards."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from contracts.common import Code, Id
from services.kit.app import PROBLEMS
from services.kit.bounds import IfMatch, Moment, version
from services.kit.errors import Forbidden, NotFound
from services.tracking.api.shared import PREFIX, AtWork, Cmd, Desk, Reader, db
from services.tracking.domain import visit as domain
from services.tracking.domain.visit import Visit
from services.tracking.store import visits
from services.tracking.usecases import work
from services.tracking.usecases.work import speaks_for

router = APIRouter(prefix=PREFIX, tags=["missions"], responses=PROBLEMS)


class LineBody(BaseModel):
    article: Code
    unit: Code
    quantity: Decimal = Field(max_digits=10, decimal_places=3)


class Completion(BaseModel):
    """What was done, in articles of the tariff. Times only where they differ from what was recorded."""

    lines: list[LineBody] = Field(min_length=1, max_length=50)
    started_at: Moment | None = None
    completed_at: Moment | None = None


class Failure(BaseModel):
    reason: Code


class Eta(BaseModel):
    eta: Moment


class Correction(BaseModel):
    lines: list[LineBody] = Field(min_length=1, max_length=50)
    reason: Code


class Rating(BaseModel):
    rating: int = Field(ge=1, le=5)


class VisitShown(BaseModel):
    visit_id: Id
    case_id: Id
    need_id: Id
    mission_id: Id
    provider_id: Id
    service: str
    state: domain.State
    appointment_start: datetime
    appointment_end: datetime
    eta: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    prestation_id: Id | None
    lines: list[LineBody]
    reason: str | None
    version: int


@router.get("/missions/{mission_id}", response_model=VisitShown)
async def read(mission_id: Id, caller: Reader, request: Request, response: Response) -> VisitShown:
    """The visit of a mission: the provider's own, or any for the desk."""
    if not caller.staff and not caller.provider_id:
        raise NotFound("no such visit")
    async with db(request).transaction(caller.tenant) as tx:
        visit = await visits.of_mission(tx.conn, mission_id, caller.provider_id)
    if visit is None:
        raise NotFound("no such visit")
    response.headers["ETag"] = f'"{visit.version}"'
    return shown(visit)


@router.post("/missions/{mission_id}/start", response_model=VisitShown)
async def start(mission_id: Id, caller: AtWork, command: Cmd, if_match: IfMatch = None) -> Response:
    """Somebody is at work. 409 `need_cancelled` when the cancellation came first."""

    async def action(tx: Any) -> VisitShown:
        return shown(await work.start(tx, mission_id, speaks_for(caller), caller.actor, version(if_match)))

    return await command.run(action)


@router.post("/missions/{mission_id}/complete", response_model=VisitShown)
async def complete(mission_id: Id, body: Completion, caller: AtWork, command: Cmd, if_match: IfMatch = None) -> Response:
    """The work is done; bill and charge are made from these lines."""

    async def action(tx: Any) -> VisitShown:
        found = await work.complete(
            tx, mission_id, speaks_for(caller), lines(body.lines), body.started_at, body.completed_at, caller.actor, version(if_match)
        )
        return shown(found)

    return await command.run(action)


@router.post("/missions/{mission_id}/fail", response_model=VisitShown)
async def fail(mission_id: Id, body: Failure, caller: AtWork, command: Cmd, if_match: IfMatch = None) -> Response:
    """The visit did not serve, with a coded reason."""

    async def action(tx: Any) -> VisitShown:
        return shown(await work.fail(tx, mission_id, speaks_for(caller), body.reason, caller.actor, version(if_match)))

    return await command.run(action)


@router.post("/missions/{mission_id}/eta", response_model=VisitShown)
async def change_eta(mission_id: Id, body: Eta, caller: AtWork, command: Cmd) -> Response:
    """When the worker is expected now."""

    async def action(tx: Any) -> VisitShown:
        return shown(await work.change_eta(tx, mission_id, speaks_for(caller), body.eta, caller.actor))

    return await command.run(action)


@router.post("/prestations/{prestation_id}/correct", response_model=VisitShown)
async def correct(prestation_id: Id, body: Correction, caller: Desk, command: Cmd, if_match: IfMatch = None) -> Response:
    """All lines as they should have been."""

    async def action(tx: Any) -> VisitShown:
        return shown(await work.correct(tx, prestation_id, lines(body.lines), body.reason, caller.actor, version(if_match)))

    return await command.run(action)


@router.post("/needs/{need_id}/satisfaction")
async def rate(need_id: Id, body: Rating, caller: Reader, command: Cmd) -> Response:
    """The member's own rating of what was done."""
    member_id = caller.member_id
    if member_id is None or "tracking:write" not in caller.scopes:
        raise Forbidden("only the member rates")

    async def action(tx: Any) -> Rating:
        visit = await work.rate(tx, need_id, member_id, body.rating, caller.actor)
        return Rating(rating=visit.rating or body.rating)

    return await command.run(action)


def lines(given: list[LineBody]) -> tuple[domain.Line, ...]:
    return tuple(domain.Line(line.article, line.unit, line.quantity) for line in given)


def shown(visit: Visit) -> VisitShown:
    return VisitShown(
        visit_id=visit.id,
        case_id=visit.case_id,
        need_id=visit.need_id,
        mission_id=visit.mission_id,
        provider_id=visit.provider_id,
        service=visit.service,
        state=visit.state,
        appointment_start=visit.start,
        appointment_end=visit.end,
        eta=visit.eta,
        started_at=visit.started_at,
        completed_at=visit.completed_at,
        prestation_id=visit.prestation_id,
        lines=[LineBody(article=line.article, unit=line.unit, quantity=line.quantity) for line in visit.lines],
        reason=visit.reason,
        version=visit.version,
    )
