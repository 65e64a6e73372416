"""The HTTP door of billing: `/api/billing/v1`. Translates; decides nothing."""

from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from contracts.common import Code, Id
from services.billing import usecases
from services.billing.domain.pricing import Price, Tariff
from services.billing.domain.settling import Lacking
from services.billing.store import invoices, views
from services.kit import cursor
from services.kit.app import PROBLEMS
from services.kit.auth import STAFF, Caller, allow
from services.kit.bounds import Day, IfMatch, Limit, version
from services.kit.errors import NotFound
from services.kit.idempotency import Command, CommandDependency

router = APIRouter(prefix="/api/billing/v1", tags=["billing"], responses=PROBLEMS)

PROVIDERS = ("provider", "provider_admin")
PRINCIPALS = ("principal", "principal_approver")
Finance = Annotated[Caller, allow("billing:write", "finance", "admin")]
BillReader = Annotated[Caller, allow("billing:read", *STAFF, *PROVIDERS)]
InvoiceReader = Annotated[Caller, allow("billing:read", *STAFF, *PRINCIPALS)]
FinanceReader = Annotated[Caller, allow("billing:read", "finance", "admin", "auditor")]
Cmd = Annotated[Command, CommandDependency]
After = Annotated[str | None, Query(description="the `next` of the page before")]


class PriceBody(BaseModel):
    """Net, of one unit; the rate is a fraction: 0.20 is 20 %."""

    article: Code
    unit: Code
    unit_price_net: Decimal = Field(ge=0, max_digits=12, decimal_places=6)
    vat_rate: Decimal = Field(ge=0, lt=1, max_digits=6, decimal_places=6)


class TariffBody(BaseModel):
    """Of one provider, or of all for a service. `valid_until` is the last day."""

    provider_id: Id | None = None
    service: Code
    valid_from: Day
    valid_until: Day | None = None
    lines: list[PriceBody] = Field(min_length=1, max_length=200)


class TariffSaved(BaseModel):
    tariff_id: Id
    version: int


class InvoiceBody(BaseModel):
    """The first and the last day of the period."""

    principal_id: Id
    period_from: Day
    period_until: Day


class InvoiceMade(BaseModel):
    invoice_id: Id
    number: str
    charges: int
    net_cents: int
    vat_cents: int
    gross_cents: int


@router.put("/tariffs/{tariff_id}", response_model=TariffSaved)
async def put_tariff(tariff_id: Id, body: TariffBody, caller: Finance, command: Cmd, if_match: IfMatch = None) -> Response:
    """The full tariff as it shall be. What was waiting for it is billed; what was billed stays as it is."""
    lines = tuple(Price(line.article, line.unit, line.unit_price_net, line.vat_rate) for line in body.lines)
    tariff = Tariff(tariff_id, body.provider_id, body.service, body.valid_from, body.valid_until, lines)

    async def action(tx: Any) -> TariffSaved:
        saved = await usecases.put_tariff(tx, tariff, version(if_match))
        return TariffSaved(tariff_id=saved.id, version=saved.version)

    return await command.run(action)


@router.get("/tariffs")
async def list_tariffs(caller: FinanceReader, request: Request, service: Code | None = None) -> dict[str, Any]:
    """The newest first."""
    async with request.app.state.db.transaction(caller.tenant) as tx:
        return {"tariffs": await views.tariffs(tx.conn, service)}


@router.get("/bills")
async def list_bills(
    caller: BillReader,
    request: Request,
    provider_id: Id | None = None,
    state: views.State | None = None,
    case_id: Id | None = None,
    after: After = None,
    limit: Limit = 50,
) -> dict[str, Any]:
    """What providers are owed, newest first. A provider sees its own."""
    async with request.app.state.db.transaction(caller.tenant) as tx:
        rows = await views.bills(
            tx.conn, provider_id=_own(caller) or provider_id, state=state, case_id=case_id, before=views.before(after), limit=limit
        )
    return {"bills": rows, "next": views.following(rows, limit)}


@router.get("/bills/{bill_id}")
async def read_bill(bill_id: Id, caller: BillReader, request: Request) -> dict[str, Any]:
    async with request.app.state.db.transaction(caller.tenant) as tx:
        found = await views.bill(tx.conn, bill_id, _own(caller))
    if found is None:
        raise NotFound("no such bill")
    return found


@router.post("/bills/{bill_id}/approve")
async def approve_bill(bill_id: Id, caller: Finance, command: Cmd) -> Response:
    """By hand, a bill that was too high to be approved by itself."""

    async def action(tx: Any) -> dict[str, str]:
        if await views.bill(tx.conn, bill_id, None) is None:
            raise NotFound("no such bill")
        await usecases.approve(tx, bill_id)
        return {"bill_id": bill_id, "state": "approved"}

    return await command.run(action)


@router.get("/charges")
async def list_charges(
    caller: InvoiceReader,
    request: Request,
    principal_id: Id | None = None,
    invoiced: bool | None = None,
    case_id: Id | None = None,
    after: After = None,
    limit: Limit = 50,
) -> dict[str, Any]:
    """What principals owe, need by need, newest first. A principal sees its own."""
    async with request.app.state.db.transaction(caller.tenant) as tx:
        rows = await views.charges(
            tx.conn, principal_ids=_principals(caller, principal_id), invoiced=invoiced, case_id=case_id, before=views.before(after), limit=limit
        )
    return {"charges": rows, "next": views.following(rows, limit)}


@router.get("/waiting")
async def list_waiting(
    caller: FinanceReader, request: Request, lacking: Lacking | None = None, after: After = None, limit: Limit = 50
) -> dict[str, Any]:
    """What was done and cannot be billed or charged yet, oldest first."""
    place = cursor.decode(after, cursor.uuid)
    async with request.app.state.db.transaction(caller.tenant) as tx:
        rows = await views.waiting(tx.conn, lacking=lacking, after=place[0] if place else None, limit=limit)
    return {"waiting": rows, "next": cursor.encode(rows[-1]["id"]) if len(rows) == limit else None}


@router.post("/invoices", status_code=201, response_model=InvoiceMade)
async def make_invoice(body: InvoiceBody, caller: Finance, command: Cmd) -> Response:
    """One invoice over what is charged up to the end of the period and stands on none yet. 409 `nothing_to_invoice` when nothing does."""

    async def action(tx: Any) -> InvoiceMade:
        made = await usecases.invoice(tx, body.principal_id, body.period_from, body.period_until)
        return InvoiceMade(
            invoice_id=made.id,
            number=made.number,
            charges=len(made.charges),
            net_cents=made.net_cents,
            vat_cents=made.vat_cents,
            gross_cents=made.gross_cents,
        )

    return await command.run(action, 201)


@router.get("/invoices")
async def list_invoices(
    caller: InvoiceReader, request: Request, principal_id: Id | None = None, after: After = None, limit: Limit = 50
) -> dict[str, Any]:
    """Newest first. A principal sees its own."""
    async with request.app.state.db.transaction(caller.tenant) as tx:
        rows = await views.invoices(tx.conn, principal_ids=_principals(caller, principal_id), before=views.before(after), limit=limit)
    return {"invoices": rows, "next": views.following(rows, limit)}


@router.get("/invoices/{invoice_id}")
async def read_invoice(invoice_id: Id, caller: InvoiceReader, request: Request) -> dict[str, Any]:
    """With its lines and its VAT by rate."""
    async with request.app.state.db.transaction(caller.tenant) as tx:
        found = await invoices.view(tx.conn, invoice_id)
    if found is None or (not caller.staff and found["principal_id"] not in caller.principal_ids):
        raise NotFound("no such invoice")
    return found


@router.get("/ledger/balance")
async def read_balance(caller: FinanceReader, request: Request) -> dict[str, Any]:
    """The sum of each account, debits positive; all together they are 0."""
    async with request.app.state.db.transaction(caller.tenant) as tx:
        accounts = await views.balance(tx.conn)
    return {"accounts": accounts, "total_cents": sum(accounts.values())}


def _own(caller: Caller) -> str | None:
    """The provider whose rows an outsider sees; None for staff. A provider without id sees nothing: its id is one that nobody has."""
    return None if caller.staff else caller.provider_id or usecases.FIRST


def _principals(caller: Caller, asked: str | None) -> list[str] | None:
    if caller.staff:
        return [asked] if asked else None
    return [one for one in caller.principal_ids if asked in (None, one)]
