"""The provider's bills, the money of a case for the desk, the invoices for finance. Read only."""

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response

from contracts.common import Id
from services.billing.store import views
from services.kit.auth import STAFF, Caller, allow
from services.kit.web import pages

router = APIRouter(include_in_schema=False)
templates = pages.templates(Path(__file__).parent)

SHOWN = 50
Provider = Annotated[Caller, allow("billing:read", "provider", "provider_admin")]
Staff = Annotated[Caller, allow("billing:read", *STAFF)]
Finance = Annotated[Caller, allow("billing:read", "finance", "admin", "auditor")]


@router.get("/extranet/bills")
async def bills(request: Request, caller: Provider, after: str | None = None) -> Response:
    """The caller's own."""
    async with request.app.state.db.transaction(caller.tenant) as tx:
        rows = await views.bills(tx.conn, provider_id=caller.provider_id, state=None, case_id=None, before=views.before(after), limit=SHOWN)
        sums = await views.owed(tx.conn, caller.provider_id)
    return _render(request, caller, "bills.html", tx.now, active="bills", bills=rows, sums=sums, following=views.following(rows, SHOWN))


@router.get("/desk/invoices")
async def invoices(request: Request, caller: Finance, after: str | None = None) -> Response:
    async with request.app.state.db.transaction(caller.tenant) as tx:
        rows = await views.invoices(tx.conn, principal_ids=None, before=views.before(after), limit=SHOWN)
    return _render(request, caller, "invoices.html", tx.now, active="invoices", invoices=rows, following=views.following(rows, SHOWN))


@router.get("/pages/billing/cases/{case_id}/money")
async def money(case_id: Id, request: Request, caller: Staff) -> Response:
    """What each prestation of the case costs, and who pays. A case without any shows that nothing is billed yet."""
    async with request.app.state.db.transaction(caller.tenant) as tx:
        rows = await views.money_of_case(tx.conn, case_id)
    return _render(request, caller, "money_part.html" if pages.part(request) else "money.html", tx.now, rows=rows)


def _render(request: Request, caller: Caller, name: str, now: Any, active: str = "", **context: Any) -> Response:
    return templates.render(request, name, now=now, caller=caller, csrf=caller.csrf or "", active=active, **context)
