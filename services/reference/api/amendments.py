"""Members over HTTP: amending one, what was changed of it, and consents."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from contracts.common import Code, Id, Insee, Postcode
from services.kit import cursor
from services.kit.app import PROBLEMS
from services.kit.auth import DESK, STAFF, Caller, allow
from services.kit.bounds import Day, IfMatch, Limit, Seq, version
from services.kit.db import Transaction
from services.kit.errors import BadInput, NotFound
from services.kit.idempotency import Command, CommandDependency
from services.reference.store import amendments as store
from services.reference.usecases import amendments
from services.reference.usecases.amendments import by, by_purpose

router = APIRouter(prefix="/api/reference/v1", tags=["members"], responses=PROBLEMS)

Reader = Annotated[Caller, allow("reference:read", *STAFF, "member")]
Staff = Annotated[Caller, allow("reference:read", *STAFF)]
Writer = Annotated[Caller, allow("reference:write", *DESK, "member")]
Cmd = Annotated[Command, CommandDependency]

Short = Annotated[str, Field(max_length=80)]


class Amendment(BaseModel):
    """What is to be otherwise; a field that is not sent stays. Phones as typed: overseas numbers by the postcode's region."""

    model_config = ConfigDict(extra="forbid")

    phones: list[Annotated[str, Field(max_length=30)]] = Field(default=[], max_length=5)
    emails: list[Annotated[str, Field(max_length=200)]] = Field(default=[], max_length=5)
    address: str = Field(default="", max_length=300)
    insee: Insee | None = None
    postcode: Postcode | None = None
    language: str = Field(default="fr", pattern=r"^[a-z]{2}$")
    civility: str = Field(default="", max_length=20)
    last_name: str = Field(default="", min_length=1, max_length=80, description="by staff, with a reason")
    first_name: Short = Field(default="", description="by staff, with a reason")
    birth_date: Day | None = Field(default=None, description="by staff, with a reason")
    reason: str = Field(default="", max_length=200)

    def wanted(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.model_fields_set - {"reason"}}


class Amended(BaseModel):
    """`version` is the next change's If-Match."""

    member_id: Id
    version: int
    phones: list[str]
    emails: list[str]
    address: str
    insee: str | None
    postcode: str | None
    language: str
    civility: str


class Change(BaseModel):
    """One field at one time. `acknowledged_at`: since when the principal has it."""

    id: Seq
    field: Code
    old: list[str] | str | None
    new: list[str] | str | None
    reason: str | None
    by_kind: Code
    by_id: str | None
    door: Code
    at: datetime
    exported_at: datetime | None
    acknowledged_at: datetime | None


class Changes(BaseModel):
    """`next` is to be sent as `after`; none on the last page."""

    changes: list[Change]
    next: str | None


class ConsentBody(BaseModel):
    given: bool
    proof: str = Field(min_length=1, max_length=500, description="what shows it: words that were agreed to, a call, a document's reference")


class Said(BaseModel):
    given: bool
    proof: str
    by_kind: Code
    door: Code
    at: datetime


class Consent(BaseModel):
    """The last word, and those before it, the latest first."""

    purpose: Code
    given: bool
    since: datetime
    history: list[Said]


class Consents(BaseModel):
    consents: list[Consent]


@router.patch("/members/{member_id}", response_model=Amended)
async def amend_member(member_id: Id, body: Amendment, caller: Writer, command: Cmd, if_match: IfMatch = None) -> Response:
    """By an agent, or by the member: their own alone, another's is 404. If-Match: the version that it was read with; 412 when somebody has
    changed it since. Everybody who has an open case of this member hears of it."""
    if if_match is None:
        raise BadInput("send the member's version as If-Match", code="if_match_missing")
    own(caller, member_id)

    async def action(tx: Transaction) -> Response:
        row = await amendments.amend(tx, member_id, body.wanted(), by(caller), version(if_match), body.reason)
        made = Amended.model_validate(row | {"member_id": row["id"]})
        return Response(made.model_dump_json(), media_type="application/json", headers={"ETag": f'"{made.version}"'})

    return await command.run(action)


@router.get("/members/{member_id}/changes")
async def list_changes(member_id: Id, caller: Staff, request: Request, after: str | None = None, limit: Limit = 50) -> Changes:
    """Who changed what of a member, and by which door, the latest first."""
    place = cursor.decode(after, cursor.number)
    async with request.app.state.db.transaction(caller.tenant) as tx:
        rows = await store.history(tx.conn, member_id, place[0] if place else None, limit)
    return Changes.model_validate({"changes": rows, "next": cursor.encode(rows[-1]["id"]) if len(rows) == limit else None})


@router.get("/members/{member_id}/consents")
async def read_consents(member_id: Id, caller: Reader, request: Request) -> Consents:
    """To what a member has agreed, purpose by purpose, with all that was said before."""
    own(caller, member_id)
    async with request.app.state.db.transaction(caller.tenant) as tx:
        if await store.standing(tx.conn, member_id) is None:
            raise NotFound("no such member")
        rows = await store.consents(tx.conn, member_id)
    return Consents(consents=[Consent.model_validate(one) for one in by_purpose(rows)])


@router.put("/members/{member_id}/consents/{purpose}", status_code=204)
async def put_consent(member_id: Id, purpose: Code, body: ConsentBody, caller: Writer, command: Cmd) -> Response:
    """Given or withdrawn, with what shows it. What was said before stays readable."""
    own(caller, member_id)

    async def action(tx: Transaction) -> Response:
        await amendments.consent(tx, member_id, purpose, given=body.given, proof=body.proof, by=by(caller))
        return Response(status_code=204)

    return await command.run(action)


def own(caller: Caller, member_id: str) -> None:
    """Raises `NotFound` for another's."""
    if not caller.staff and caller.member_id != member_id:
        raise NotFound("no such member")
