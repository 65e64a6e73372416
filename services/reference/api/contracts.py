"""Contracts over HTTP: one of them, as it was known at any time."""

from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from contracts.common import Id
from services.kit.app import PROBLEMS
from services.kit.auth import STAFF, Caller, allow
from services.kit.bounds import Moment
from services.kit.errors import NotFound
from services.reference.domain.entitlement import CONTRACT_ZONE
from services.reference.store import contracts as store

router = APIRouter(prefix="/api/reference/v1", tags=["contracts"], responses=PROBLEMS)

Reader = Annotated[Caller, allow("reference:read", *STAFF, "member", "principal", "principal_approver")]


class Contract(BaseModel):
    """As it was known at an instant. `in_force`: on that day, in Paris, by what was known."""

    contract_id: Id
    number: str
    principal_id: Id
    member_id: Id
    product: str
    label: str
    starts_on: date
    ends_on: date | None = Field(description="the last day covered")
    state: Literal["active", "suspended"]
    plate: str | None
    vin: str | None
    version: int
    in_force: bool
    known_until: datetime | None = Field(description="when it changed; none while this is what is known")


@router.get("/contracts/{contract_id}")
async def read_contract(contract_id: Id, caller: Reader, request: Request, at: Moment | None = None) -> Contract:
    """Now, or as it was known `at` an instant: what was decided then stays explainable."""
    async with request.app.state.db.transaction(caller.tenant) as tx:
        asked = at or tx.now
        row = await store.known_at(tx.conn, contract_id, asked)
    if row is None:
        raise NotFound("no such contract, or not known yet at that time")
    day = asked.astimezone(CONTRACT_ZONE).date()
    in_force = row["state"] == "active" and row["starts_on"] <= day and (row["ends_on"] is None or day <= row["ends_on"])
    return Contract.model_validate(row | {"contract_id": row["id"], "in_force": in_force, "known_until": row["until"]})
