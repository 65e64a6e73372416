"""What the desk asks and orders: missions, candidates, proposals by hand; and the network of providers. Missions are read by providers too."""

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from contracts.common import Code, Departement, Id, Insee, Label, Postcode
from contracts.reasons import MISSION_CANCELLED
from services.dispatch.api.common import PREFIX, Cmd, MissionState, Reasoned, SlotBody
from services.dispatch.domain.mission import Mission
from services.dispatch.domain.provider import Area, Provider
from services.dispatch.store import lists, providers
from services.dispatch.usecases import cards, desk
from services.dispatch.usecases.callers import PROVIDER, known, own
from services.dispatch.usecases.providers import place, upsert_provider
from services.kit import cursor
from services.kit.app import PROBLEMS
from services.kit.auth import DESK, STAFF, Caller, allow
from services.kit.bounds import Day, Limit
from services.kit.db import Transaction
from services.kit.errors import NotFound

router = APIRouter(prefix=PREFIX, tags=["dispatch: desk"], responses=PROBLEMS)

Anybody = Annotated[Caller, allow("dispatch:read", *STAFF, *PROVIDER)]
Reader = Annotated[Caller, allow("dispatch:read", *STAFF)]
Agent = Annotated[Caller, allow("dispatch:write", *DESK)]
Keeper = Annotated[Caller, allow("dispatch:write", "supervisor", "admin")]
State = Literal["waiting", "searching", "offered", "unfilled", "accepted", "started", "done", "cancelled"]
After = Annotated[str | None, Query(description="the `next` of the page before")]


class Proposal(BaseModel):
    provider_ids: list[Id] = Field(min_length=1, max_length=50)


class Assignment(SlotBody):
    provider_id: Id
    reason: Code


class AreaBody(BaseModel):
    service: Code
    radius_km: int = Field(ge=0, le=500)
    departements: list[Departement] = []


class ProviderBody(BaseModel):
    """The full state as it shall be. `place` is the INSEE code of the provider's commune."""

    code: Code
    label: Label
    siret: str = Field(pattern=r"^[0-9]{14}$")
    place: Insee
    postcode: Postcode | None = None
    areas: list[AreaBody] = Field(max_length=200)
    door: Literal["extranet", "polling", "kafka"]
    capacity_per_day: int = Field(ge=0, le=100_000)
    ended_on: Day | None = None


@router.get("/missions")
async def list_missions(
    caller: Anybody, request: Request, state: State | None = None, case_id: Id | None = None, after: After = None, limit: Limit = 50
) -> dict[str, Any]:
    """Newest first. A provider reads what it accepted, staff everything."""
    before = cursor.decode(after, cursor.uuid)
    async with request.app.state.db.transaction(caller.tenant) as tx:
        if caller.staff:
            rows = await lists.missions(tx.conn, state, case_id, before[0] if before else None, limit)
        else:
            rows = await lists.own_missions(tx.conn, own(caller), state, before[0] if before else None, limit)
    last = rows[-1]["id" if caller.staff else "offer_id"] if len(rows) == limit else None
    return {"missions": rows, "next": last and cursor.encode(last)}


@router.get("/missions/{mission_id}")
async def read_mission(mission_id: Id, caller: Anybody, request: Request) -> dict[str, Any]:
    """A provider sees its own part; who and where exactly from acceptance on."""
    async with request.app.state.db.transaction(caller.tenant) as tx:
        if caller.staff:
            found = await lists.mission(tx.conn, mission_id)
        else:
            found = await cards.own_mission(tx, own(caller), mission_id)
    if found is None:
        raise NotFound("no such mission")
    return found


@router.get("/missions/{mission_id}/candidates")
async def list_candidates(mission_id: Id, caller: Reader, request: Request) -> dict[str, Any]:
    """Who would be asked next, the best first, with the parts of the score; and the others with the code that excludes them."""
    async with request.app.state.db.transaction() as tx:
        mission, ranking = await desk.candidates(tx, mission_id)
    return {
        "mission_id": mission.id,
        "status": mission.status,
        "candidates": [
            {
                "provider_id": found.provider.id,
                "code": found.provider.code,
                "label": found.provider.label,
                "score": found.score,
                "distance_km": found.distance_km,
                "load": found.load,
                "capacity": found.provider.capacity_per_day,
                "declines": found.declines,
                "why": found.why,
            }
            for found in ranking.ranked
        ],
        "excluded": [
            {"provider_id": found.provider.id, "code": found.provider.code, "label": found.provider.label, "reason": found.code}
            for found in ranking.excluded
        ],
    }


@router.post("/missions/{mission_id}/offers", status_code=201, response_model=MissionState)
async def propose(mission_id: Id, body: Proposal, caller: Agent, command: Cmd) -> Response:
    """To one or several providers at once: the first acceptance wins."""

    async def action(tx: Transaction) -> MissionState:
        return _state(await desk.propose(tx, mission_id, body.provider_ids, caller.actor))

    return await command.run(action, 201)


@router.post("/missions/{mission_id}/assign", response_model=MissionState)
async def assign(mission_id: Id, body: Assignment, caller: Agent, command: Cmd) -> Response:
    """Accepted by hand in the provider's name, whoever has it now. 409 once somebody is at work."""

    async def action(tx: Transaction) -> MissionState:
        return _state(await desk.assign(tx, mission_id, body.provider_id, body.slot, body.reason, caller.actor))

    return await command.run(action)


@router.post("/missions/{mission_id}/reassign", response_model=MissionState)
async def reassign(mission_id: Id, body: Reasoned, caller: Agent, command: Cmd) -> Response:
    """Taken from its provider, with a reason of the family `mission_cancelled`; the next is asked."""
    reason = known(body.reason, MISSION_CANCELLED)

    async def action(tx: Transaction) -> MissionState:
        return _state(await desk.reassign(tx, mission_id, reason, caller.actor))

    return await command.run(action)


@router.get("/providers")
async def list_providers(caller: Reader, request: Request, after: After = None, limit: Limit = 50) -> dict[str, Any]:
    """By code."""
    place_before = cursor.decode(after, cursor.text)
    async with request.app.state.db.transaction() as tx:
        rows = await lists.providers(tx.conn, place_before[0] if place_before else None, limit)
    return {"providers": rows, "next": cursor.encode(rows[-1]["code"]) if len(rows) == limit else None}


@router.get("/providers/{provider_id}")
async def read_provider(provider_id: Id, caller: Anybody, request: Request) -> dict[str, Any]:
    async with request.app.state.db.transaction(caller.tenant) as tx:
        found = await providers.read(tx.conn, provider_id)
    if found is None:
        raise NotFound("no such provider")
    return asdict(found)


@router.put("/providers/{provider_id}")
async def put_provider(provider_id: Id, body: ProviderBody, caller: Keeper, command: Cmd) -> Response:
    """Makes a provider or changes it; the same state again changes nothing."""
    wanted = Provider(
        id=provider_id,
        code=body.code,
        label=body.label,
        siret=body.siret,
        place=place(body.place, body.postcode),
        areas=tuple(Area(area.service, area.radius_km, tuple(area.departements)) for area in body.areas),
        door=body.door,
        capacity_per_day=body.capacity_per_day,
        ended_on=body.ended_on.isoformat() if body.ended_on else None,
    )

    async def action(tx: Transaction) -> dict[str, Any]:
        return asdict(await upsert_provider(tx, wanted))

    return await command.run(action)


def _state(mission: Mission) -> MissionState:
    return MissionState(mission_id=mission.id, status=mission.status, version=mission.version)
