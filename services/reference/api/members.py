"""Members over HTTP: search as typed, the sheet with its rights, provisional members."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from contracts.common import Code, Exact, Id, Insee, Postcode
from services.kit import phones, places
from services.kit.app import PROBLEMS
from services.kit.auth import DESK, STAFF, Caller, allow
from services.kit.bounds import Day
from services.kit.db import Transaction
from services.kit.errors import NotFound
from services.kit.idempotency import Command, CommandDependency
from services.reference.store import members as store
from services.reference.usecases import coverage, members

router = APIRouter(prefix="/api/reference/v1", tags=["members"], responses=PROBLEMS)

Reader = Annotated[Caller, allow("reference:read", *STAFF, "member", "principal", "principal_approver")]
Staff = Annotated[Caller, allow("reference:read", *STAFF)]
DeskWriter = Annotated[Caller, allow("reference:write", *DESK)]
Member = Annotated[Caller, allow("reference:read", "member")]
Cmd = Annotated[Command, CommandDependency]


class ContractBrief(BaseModel):
    contract_id: Id
    number: str
    product: str
    label: str
    starts_on: date
    ends_on: date | None
    state: str
    plate: str | None
    vin: str | None
    relation: str | None = Field(description="to the holder; none for the holder")
    member_id: Id = Field(description="the row of the person that it came by")


class MemberBrief(BaseModel):
    id: Id
    principal_id: Id
    number: str
    civility: str
    last_name: str
    first_name: str
    birth_date: date | None
    phones: list[str]
    emails: list[str]
    address: str
    insee: str | None
    commune: str | None
    postcode: str | None
    language: str
    provisional: bool
    linked_to: Id | None
    survivor_id: Id | None = Field(description="who counts for this member, where that is somebody else")
    ended_on: date | None
    version: int
    contracts: list[ContractBrief]


class Found(BaseModel):
    members: list[MemberBrief]


class Right(BaseModel):
    """What one guarantee gives in this contract year. No `left`, no `cents_left`: without limit. Amounts beyond the caps are the member's,
    unless the principal agrees to them. `used_cents`, `reserved_cents`: of `cap_gross_cents_per_year`."""

    contract_id: Id
    contract: str
    guarantee: Code
    services: list[Code]
    counts: str
    units_per_year: Exact | None
    used: Exact
    reserved: Exact
    left: Exact | None
    cap_gross_cents: int | None
    cap_gross_cents_per_year: int | None
    used_cents: int
    reserved_cents: int
    cents_left: int | None
    member_rate: Exact
    renews_on: date


class MemberSheet(MemberBrief):
    rights: list[Right]


class Provisional(BaseModel):
    """A caller who is not in the data yet."""

    principal_id: Id
    last_name: str = Field(min_length=1, max_length=80)
    first_name: str = Field(default="", max_length=80)
    civility: str = Field(default="", max_length=20)
    birth_date: Day | None = None
    phone: str | None = Field(default=None, max_length=30, description="as typed; stored as E.164 of the postcode's region")
    email: str | None = Field(default=None, max_length=200, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")
    address: str = Field(default="", max_length=300)
    insee: Insee | None = None
    postcode: Postcode | None = None
    language: str = Field(default="fr", pattern=r"^[a-z]{2}$")


class Added(BaseModel):
    member_id: Id
    number: str


@router.get("/members", response_model=Found)
async def find_members(caller: Staff, request: Request, q: Annotated[str, Query(min_length=2, max_length=120, description="as typed")]) -> Response:
    """At most 20: by number, phone or plate in any form, e-mail, name with birth date ("dupont 14/03/1961"), name and town ("dupont lyon"), or a
    name's beginning. A name with a birth date or a town may be misspelt, and so may the date: then the likeliest come first."""
    async with request.app.state.db.connection() as conn:
        rows = await members.search(conn, q)
    return Response(Found.model_validate({"members": list(map(named, rows))}).model_dump_json(), media_type="application/json")


@router.get("/members/{member_id}")
async def read_member(member_id: Id, caller: Reader, request: Request, response: Response) -> MemberSheet:
    """Who it is, what is held, and the rights as a menu. A member reads only their own, a principal its own members. The ETag is what an
    amendment sends back as If-Match."""
    sheet = await _sheet(request, caller, member_id)
    response.headers["ETag"] = f'"{sheet.version}"'
    return sheet


@router.get("/me")
async def read_me(caller: Member, request: Request) -> MemberSheet:
    if caller.member_id is None:
        raise NotFound("no member is linked to this account")
    return await _sheet(request, caller, caller.member_id)


@router.post("/members", status_code=201, response_model=Added)
async def add_member(body: Provisional, caller: DeskWriter, command: Cmd) -> Response:
    """Adds a provisional member; the case goes on, the rights are checked later."""
    postcode = places.place(body.insee, body.postcode).postcode if body.insee else body.postcode
    person = body.model_dump(exclude={"principal_id", "phone", "email"}) | {
        "postcode": postcode,
        "phones": [phones.e164(body.phone, postcode)] if body.phone else [],
        "emails": [body.email.lower()] if body.email else [],
    }

    async def action(tx: Transaction) -> Added:
        row = await members.add_provisional(tx, body.principal_id, person)
        return Added(member_id=row["id"], number=row["number"])

    return await command.run(action, 201)


@router.get("/rights")
async def read_rights(caller: Reader, request: Request, member_id: Id | None = None) -> dict[str, list[Right]]:
    """What a member is entitled to, used and left; a member's own by default."""
    wanted = member_id or caller.member_id
    if wanted is None:
        raise NotFound("say which member: ?member_id=")
    async with request.app.state.db.transaction(caller.tenant) as tx:
        if await store.sheet(tx.conn, wanted) is None:
            raise NotFound("no such member")
        return {"rights": _rights(await coverage.menu(tx.conn, wanted, tx.now))}


async def _sheet(request: Request, caller: Caller, member_id: str) -> MemberSheet:
    async with request.app.state.db.transaction(caller.tenant) as tx:
        row = await store.sheet(tx.conn, member_id)
        if row is None:
            raise NotFound("no such member")
        rights = await coverage.menu(tx.conn, member_id, tx.now)
    return MemberSheet.model_validate(named(row) | {"rights": _rights(rights)})


def named(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "commune": places.name(row["insee"]) if row["insee"] else None}


def _rights(menu: list[coverage.Entitled]) -> list[Right]:
    return [
        Right(
            contract_id=of.contract.id,
            contract=of.contract.number,
            guarantee=of.guarantee.code,
            services=list(of.guarantee.services),
            counts=of.guarantee.counts,
            units_per_year=of.guarantee.units_per_year,
            used=of.rights.used,
            reserved=of.rights.reserved,
            left=of.rights.left(of.guarantee.units_per_year),
            cap_gross_cents=of.guarantee.cap_gross_cents,
            cap_gross_cents_per_year=of.guarantee.cap_gross_cents_per_year,
            used_cents=of.rights.used_cents,
            reserved_cents=of.rights.reserved_cents,
            cents_left=of.rights.cents_left(of.guarantee.cap_gross_cents_per_year),
            member_rate=of.guarantee.member_rate,
            renews_on=of.renews_on,
        )
        for of in menu
    ]
