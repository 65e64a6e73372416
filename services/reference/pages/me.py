"""The member's own pages: what they are entitled to, and what is paid back to them."""

from datetime import date
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from services.kit import cursor
from services.kit.auth import Caller, allow
from services.kit.errors import NotFound
from services.kit.web import pages
from services.reference.usecases import portal

router = APIRouter(include_in_schema=False)
templates = pages.templates(Path(__file__).parents[1])

Member = Annotated[Caller, allow("reference:read", "member")]
LISTED = 30


@router.get("/me")
async def rights(request: Request, caller: Member) -> Response:
    async with request.app.state.db.transaction(caller.tenant) as tx:
        found = await portal.rights(tx.conn, _own(caller), tx.now)
    return templates.render(request, "my_rights.html", now=tx.now, caller=caller, csrf=caller.csrf or "", active="me", found=found)


@router.get("/me/statements")
async def statements(request: Request, caller: Member, q: Annotated[str, Query(max_length=80)] = "", after: str | None = None) -> Response:
    before = cursor.decode(after, date.fromisoformat, cursor.uuid)
    async with request.app.state.db.transaction(caller.tenant) as tx:
        found = await portal.statements(tx.conn, _own(caller), tx.now, q, before, LISTED)
    more = cursor.encode(found.rows[-1]["issued_on"], found.rows[-1]["id"]) if len(found.rows) == LISTED else None
    shown: dict[str, Any] = {"found": found, "q": q, "more": more, "later": after}
    return templates.render(request, "my_statements.html", now=tx.now, caller=caller, csrf=caller.csrf or "", active="statements", **shown)


def _own(caller: Caller) -> str:
    if caller.member_id is None:
        raise NotFound("no member is linked to this account")
    return caller.member_id
