"""The HTTP door of intake: `/api/intake/v1`. Translates; decides nothing."""

from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from contracts.cards import Contact
from contracts.common import Cents, Code, Id, Insee, Postcode
from contracts.intake import Urgency
from services.intake import store, usecases
from services.intake.domain import UNITS, Case, Wish
from services.kit import cursor, phones, places
from services.kit.app import PROBLEMS
from services.kit.auth import DESK, Caller, allow
from services.kit.bounds import Day, IfMatch, Limit, Moment, version
from services.kit.errors import Forbidden, NotFound
from services.kit.idempotency import Command, CommandDependency

router = APIRouter(prefix="/api/intake/v1", tags=["intake"], responses=PROBLEMS)

Channel = Literal["phone", "desk", "email", "sms", "ivr", "web", "portal", "batch", "partner"]
Writer = Annotated[Caller, allow("intake:write", "agent", "supervisor", "member", "principal")]
Staff = Annotated[Caller, allow("intake:write", *DESK)]
Reader = Annotated[Caller, allow("intake:read")]
Cmd = Annotated[Command, CommandDependency]


class Person(BaseModel):
    name: str = Field(min_length=1, max_length=120)
    phone: str | None = Field(default=None, max_length=30, description="as typed; stored as E.164")


class WishBody(BaseModel):
    """Where, when and how much. `place` is the INSEE code of the commune, times carry an offset."""

    place: Insee
    postcode: Postcode | None = None
    start: Moment
    end: Moment
    urgency: Urgency = "planned"
    quantity: Decimal | None = Field(default=None, max_digits=8, decimal_places=2)


class NeedBody(WishBody):
    service: Code
    words: str = Field(default="", max_length=2000, description="the need in the caller's words")
    occurred_on: Day | None = Field(default=None, description="the day of what made it necessary")
    estimate_gross_cents: Annotated[Cents, Field(ge=0)] | None = Field(default=None, description="what it may cost, where that is known")


class OpenCase(BaseModel):
    """A call for help: who, under which contract, what is needed."""

    principal_id: Id
    member_id: Id
    contract_id: Id | None = None
    provisional: bool = False
    channel: Channel = "desk"
    beneficiary: Person
    on_site: Person | None = None
    address: str = Field(min_length=1, max_length=300)
    access: str = Field(default="", max_length=300)
    plate: str = Field(default="", max_length=12)
    needs: list[NeedBody] = Field(min_length=1, max_length=10)


class NeedOpened(BaseModel):
    need_id: Id
    number: str
    service: str


class CaseOpened(BaseModel):
    case_id: Id
    number: str = Field(description="nine digits, the last one checks the others (ISO 7064 MOD 11,10)")
    version: int
    needs: list[NeedOpened]


class Reasoned(BaseModel):
    reason: Code


class AtRisk(Reasoned):
    limit_cents: Annotated[Cents, Field(ge=0)]


class NoteBody(BaseModel):
    text: str = Field(min_length=1, max_length=4000)
    need_id: Id | None = None


FieldName = Annotated[str, Field(max_length=80)]
FieldText = Annotated[str, Field(max_length=4000)]


class DraftBody(BaseModel):
    form: dict[FieldName, FieldText] = Field(max_length=50, description="the case form as it stands")


@router.post("/cases", status_code=201, response_model=CaseOpened)
async def open_case(body: OpenCase, caller: Writer, command: Cmd) -> Response:
    """Opens a case. A member opens only their own."""
    if "member" in caller.roles and caller.member_id != body.member_id:
        raise Forbidden("a member opens cases of their own")

    async def action(tx: Any) -> CaseOpened:
        case = await usecases.open_case(
            tx,
            principal_id=body.principal_id,
            member_id=body.member_id,
            contract_id=body.contract_id,
            provisional=body.provisional,
            channel=body.channel,
            card=_card(body),
            wanted=[(need.service, needed(need), need.words) for need in body.needs],
            by=caller.actor,
        )
        return _opened(case)

    return await command.run(action, 201)


@router.get("/cases")
async def list_cases(
    caller: Reader,
    request: Request,
    number: Annotated[str | None, Query(max_length=20)] = None,
    phone: Annotated[str | None, Query(max_length=30)] = None,
    member_id: Id | None = None,
    state: Literal["open", "closed"] | None = None,
    after: Annotated[str | None, Query(description="the `next` of the page before")] = None,
    limit: Limit = 50,
) -> dict[str, Any]:
    """Cases, newest first. `number` may hold spaces, `phone` is taken as typed."""
    place = cursor.decode(after, cursor.instant, cursor.uuid)
    async with request.app.state.db.transaction(caller.tenant) as tx:
        rows = await store.search(
            tx.conn,
            number=number and "".join(number.split("-")[0].split()),
            phone=phone and phones.e164(phone),
            member_id=member_id,
            is_open=None if state is None else state == "open",
            before=place,
            limit=limit,
        )
    more = cursor.encode(rows[-1]["opened_at"], rows[-1]["id"]) if len(rows) == limit else None
    return {"cases": rows, "next": more}


@router.get("/cases/{case_id}")
async def read_case(case_id: Id, caller: Reader, request: Request, response: Response) -> dict[str, Any]:
    """One case with its needs, card and notes; the ETag is what a change sends back as If-Match."""
    async with request.app.state.db.transaction(caller.tenant) as tx:
        found = await store.view(tx.conn, case_id)
    if found is None:
        raise NotFound("no such case")
    response.headers["ETag"] = f'"{found["version"]}"'
    return found


@router.post("/cases/{case_id}/needs", status_code=201, response_model=CaseOpened)
async def add_need(case_id: Id, body: NeedBody, caller: Writer, command: Cmd, if_match: IfMatch = None) -> Response:
    """One more service in the same case."""
    made = needed(body)

    async def action(tx: Any) -> CaseOpened:
        return _opened(await usecases.add_need(tx, case_id, body.service, made, body.words, caller.actor, version(if_match)))

    return await command.run(action, 201)


@router.put("/cases/{case_id}/needs/{need_id}", response_model=CaseOpened)
async def amend_need(case_id: Id, need_id: Id, body: WishBody, caller: Writer, command: Cmd, if_match: IfMatch = None) -> Response:
    """The full wish as it shall be. 409 once somebody is at work."""

    async def action(tx: Any) -> CaseOpened:
        return _opened(await usecases.amend(tx, case_id, need_id, wish(body, None), caller.actor, version(if_match)))

    return await command.run(action)


@router.post("/cases/{case_id}/needs/{need_id}/cancel", response_model=CaseOpened)
async def cancel_need(case_id: Id, need_id: Id, body: Reasoned, caller: Writer, command: Cmd, if_match: IfMatch = None) -> Response:
    """409 once somebody is at work. Should a visit have started without our knowing yet, the log takes the cancellation back."""

    async def action(tx: Any) -> CaseOpened:
        return _opened(await usecases.cancel(tx, case_id, need_id, body.reason, caller.actor, version(if_match)))

    return await command.run(action)


@router.post("/cases/{case_id}/needs/{need_id}/at-risk", response_model=CaseOpened)
async def go_at_risk(case_id: Id, need_id: Id, body: AtRisk, caller: Staff, command: Cmd, if_match: IfMatch = None) -> Response:
    """Goes on without a coverage decision, within the principal's limit."""

    async def action(tx: Any) -> CaseOpened:
        return _opened(await usecases.go_at_risk(tx, case_id, need_id, body.limit_cents, body.reason, caller.actor, version(if_match)))

    return await command.run(action)


@router.post("/cases/{case_id}/notes", status_code=201)
async def add_note(case_id: Id, body: NoteBody, caller: Writer, command: Cmd) -> Response:
    async def action(tx: Any) -> dict[str, str]:
        return {"note_id": await usecases.add_note(tx, case_id, body.need_id, body.text, caller.actor)}

    return await command.run(action, 201)


@router.post("/cases/{case_id}/close", response_model=CaseOpened)
async def close_case(case_id: Id, body: Reasoned, caller: Staff, command: Cmd, if_match: IfMatch = None) -> Response:
    """409 while a need is open."""

    async def action(tx: Any) -> CaseOpened:
        return _opened(await usecases.close(tx, case_id, body.reason, caller.actor, version(if_match)))

    return await command.run(action)


@router.post("/cases/{case_id}/reopen", response_model=CaseOpened)
async def reopen_case(case_id: Id, body: Reasoned, caller: Staff, command: Cmd, if_match: IfMatch = None) -> Response:
    async def action(tx: Any) -> CaseOpened:
        return _opened(await usecases.reopen(tx, case_id, body.reason, caller.actor, version(if_match)))

    return await command.run(action)


@router.put("/drafts/{draft_id}")
async def save_draft(draft_id: Id, body: DraftBody, caller: Staff, command: Cmd) -> Response:
    """Keeps a case form that is not sent yet; only its author sees it."""

    async def action(tx: Any) -> dict[str, int]:
        version = await store.save_draft(tx.conn, draft_id, caller.id, body.form, tx.now)
        if version is None:
            raise NotFound("no such draft")
        return {"version": version}

    return await command.run(action)


@router.get("/drafts")
async def list_drafts(caller: Staff, request: Request) -> dict[str, Any]:
    async with request.app.state.db.connection() as conn:
        return {"drafts": await store.drafts(conn, caller.id)}


@router.delete("/drafts/{draft_id}", status_code=204)
async def delete_draft(draft_id: Id, caller: Staff, command: Cmd) -> Response:
    async def action(tx: Any) -> Response:
        await store.delete_draft(tx.conn, draft_id, caller.id)
        return Response(status_code=204)

    return await command.run(action)


def wish(body: WishBody, service: str | None) -> Wish:
    """Raises `Invalid` for an unknown commune."""
    place = places.place(body.place, body.postcode)
    unit, usual = UNITS.get(service or "", ("hour", Decimal(1)))
    return Wish(place.insee, place.postcode, body.start, body.end, body.urgency, body.quantity or usual, unit)


def needed(body: NeedBody) -> Wish:
    """As `wish`, with what made it necessary and what it may cost."""
    return replace(wish(body, body.service), occurred_on=body.occurred_on, estimate_gross_cents=body.estimate_gross_cents)


def _card(body: OpenCase) -> dict[str, Any]:
    return {
        "beneficiary": _contact(body.beneficiary),
        "on_site": body.on_site and _contact(body.on_site),
        "address": body.address,
        "access": body.access,
        "plate": body.plate,
    }


def _contact(person: Person) -> dict[str, Any]:
    return Contact(name=person.name, phone=phones.e164(person.phone) if person.phone else None).model_dump()


def _opened(case: Case) -> CaseOpened:
    needs = [NeedOpened(need_id=need.id, number=f"{case.number}-{need.rank}", service=need.service) for need in case.needs]
    return CaseOpened(case_id=case.id, number=case.number, version=case.version, needs=needs)
