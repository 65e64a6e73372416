"""What members come to see, over HTTP: rights and reimbursements, and both on paper. A member reads their own, staff anybody's."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from contracts.common import Code, Exact, Id
from services.kit import cursor
from services.kit.app import PROBLEMS
from services.kit.auth import STAFF, Caller, allow
from services.kit.bounds import Limit
from services.kit.errors import NotFound
from services.kit.web.words import language
from services.reference.store import catalog
from services.reference.usecases import papers, portal
from services.reference.usecases.papers import Paper
from services.reference.usecases.portal import Due, Held, Standing

router = APIRouter(prefix="/api/reference/v1/me", tags=["portal"], responses=PROBLEMS)

Reader = Annotated[Caller, allow("reference:read", *STAFF, "member")]
Whose = Annotated[Id | None, Query(description="for staff; a member reads their own")]
Typed = Annotated[str, Query(max_length=80, description="words, dates (14/03/2026, 03/2026) and amounts (120,50) that a statement must hold")]

PAPER: dict[int | str, dict[str, Any]] = {200: {"content": {"application/pdf": {}}}}
ON_PAPER = 500  # statements at most


class GuaranteeRights(BaseModel):
    """In this contract year. No `left`: without limit. Amounts beyond the cap are the member's. `opens_on`: until then nothing is due."""

    guarantee: Code
    services: list[Code]
    counts: str
    units_per_year: Exact | None
    used: Exact
    reserved: Exact
    left: Exact | None
    cap_gross_cents: int | None
    member_rate: Exact
    opens_on: date | None


class ContractRights(BaseModel):
    """`guarantees` only while it is in force; they start anew on `renews_on`. `ends_on` is the last day covered."""

    contract_id: Id
    number: str
    product: Code
    label: str
    principal: str
    starts_on: date
    ends_on: date | None
    standing: Standing
    renews_on: date | None
    plate: str | None
    vin: str | None
    guarantees: list[GuaranteeRights]


class MyRights(BaseModel):
    member_id: Id
    as_of: date
    contracts: list[ContractRights]


class Statement(BaseModel):
    """`due_on`: when what is pending will be paid; `paid_on`: when the rest was. Amounts in cents, VAT included."""

    id: Id
    reference: str
    issued_on: date
    label: str
    contract_id: Id | None
    contract: str | None
    paid_gross_cents: int
    pending_gross_cents: int
    due_on: date | None
    paid_on: date | None


class MyStatements(BaseModel):
    """The latest first. `pending_gross_cents`: of all, not only of those listed."""

    statements: list[Statement]
    pending_gross_cents: int
    pending_due_on: date | None
    next: str | None


@router.get("/rights")
async def my_rights(caller: Reader, request: Request, member_id: Whose = None) -> MyRights:
    """Contracts, guarantees, units used and left in this contract year, with its end. Errors: 404 for another's."""
    async with request.app.state.db.transaction(caller.tenant) as tx:
        found = await portal.rights(tx.conn, _whose(caller, member_id), tx.now)
    return MyRights(member_id=found.member["id"], as_of=found.today, contracts=list(map(_contract, found.contracts)))


@router.get("/rights.pdf", response_class=Response, responses=PAPER)
async def my_rights_on_paper(caller: Reader, request: Request, member_id: Whose = None) -> Response:
    """The same, to print. Errors: 404 for another's."""
    async with request.app.state.db.transaction(caller.tenant) as tx:
        found = await portal.rights(tx.conn, _whose(caller, member_id), tx.now)
    return await _paper(papers.rights(found, language(request)), f"rights-{found.member['number']}")


@router.get("/statements")
async def my_statements(
    caller: Reader, request: Request, member_id: Whose = None, q: Typed = "", after: str | None = None, limit: Limit = 50
) -> MyStatements:
    """What the principal has paid back or will. Errors: 400 for a cursor that is not ours, 404 for another's."""
    before = cursor.decode(after, date.fromisoformat, cursor.uuid)
    async with request.app.state.db.transaction(caller.tenant) as tx:
        found = await portal.statements(tx.conn, _whose(caller, member_id), tx.now, q, before, limit)
    more = cursor.encode(found.rows[-1]["issued_on"], found.rows[-1]["id"]) if len(found.rows) == limit else None
    return MyStatements(
        statements=[Statement.model_validate(row) for row in found.rows],
        pending_gross_cents=found.pending_gross_cents,
        pending_due_on=found.pending_due_on,
        next=more,
    )


@router.get("/statements.pdf", response_class=Response, responses=PAPER)
async def my_statements_on_paper(caller: Reader, request: Request, member_id: Whose = None, q: Typed = "") -> Response:
    """The latest 500 of what is looked for, to print. Errors: 404 for another's."""
    whose = _whose(caller, member_id)
    async with request.app.state.db.transaction(caller.tenant) as tx:
        found = await portal.statements(tx.conn, whose, tx.now, q, None, ON_PAPER)
        mine = await portal.rights(tx.conn, whose, tx.now)
        labels = await catalog.principal_labels(tx.conn)
    sender = labels.get(mine.member["principal_id"], "")
    return await _paper(papers.statements(mine.member, found, sender, language(request)), f"statements-{mine.member['number']}")


@router.get("/statements/{statement_id}.pdf", response_class=Response, responses=PAPER)
async def my_statement_on_paper(statement_id: Id, caller: Reader, request: Request, member_id: Whose = None) -> Response:
    """One of them, to print. Errors: 404 for another's."""
    async with request.app.state.db.transaction(caller.tenant) as tx:
        member, row = await portal.statement(tx.conn, _whose(caller, member_id), tx.now, statement_id)
        labels = await catalog.principal_labels(tx.conn)
    paper = papers.statement(member, row, labels.get(member["principal_id"], ""), language(request))
    return await _paper(paper, f"statement-{row['reference']}")


def _whose(caller: Caller, asked: str | None) -> str:
    """Raises `NotFound`."""
    wanted = asked or caller.member_id
    if wanted is None:
        raise NotFound("say which member: ?member_id=")
    if not caller.staff and wanted != caller.member_id:
        raise NotFound("no such member")
    return wanted


def _contract(held: Held) -> ContractRights:
    names = ("contract_id", "number", "product", "label", "principal", "starts_on", "ends_on", "standing", "renews_on", "plate", "vin")
    return ContractRights(**{name: getattr(held, name) for name in names}, guarantees=list(map(_guarantee, held.rights)))


def _guarantee(due: Due) -> GuaranteeRights:
    guarantee, rights = due.entitled.guarantee, due.entitled.rights
    return GuaranteeRights(
        guarantee=guarantee.code,
        services=list(guarantee.services),
        counts=guarantee.counts,
        units_per_year=guarantee.units_per_year,
        used=rights.used,
        reserved=rights.reserved,
        left=rights.left(guarantee.units_per_year),
        cap_gross_cents=guarantee.cap_gross_cents,
        member_rate=guarantee.member_rate,
        opens_on=due.opens_on,
    )


async def _paper(paper: Paper, name: str) -> Response:
    safe = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "-_") else "_" for sign in name)
    headers: dict[str, Any] = {"Content-Disposition": f'attachment; filename="{safe}.pdf"', "Cache-Control": "no-store"}
    return Response(await papers.pdf(paper), media_type="application/pdf", headers=headers)
