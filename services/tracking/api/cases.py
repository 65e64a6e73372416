"""The case view of every door, each in its own words."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request

from contracts.common import Id
from services.kit.app import PROBLEMS
from services.kit.bounds import Limit, Position, Rank
from services.kit.errors import Forbidden, NotFound
from services.tracking.api.shared import PREFIX, Reader, db, hub
from services.tracking.store import cases
from services.tracking.store.cases import Filter
from services.tracking.usecases import read
from services.tracking.usecases.search import Sort, following, narrowed, own, place, plain

router = APIRouter(prefix=PREFIX, tags=["cases"], responses=PROBLEMS)


@router.get("/cases")
async def list_cases(
    caller: Reader,
    request: Request,
    state: str | None = None,
    waiting_for: str | None = None,
    principal_id: Id | None = None,
    service: str | None = None,
    q: Annotated[str | None, Query(max_length=120, description="case number, phone as typed, plate or name")] = None,
    sort: Sort = "opened",
    after: Annotated[str | None, Query(description="the `next` of the page before")] = None,
    limit: Limit = 50,
) -> dict[str, Any]:
    """Newest first, or by what falls due first; with the count of all that match."""
    wanted = own(caller, narrowed(q, state=state, waiting_for=waiting_for, principal_id=principal_id, service=service))
    async with db(request).transaction(caller.tenant) as tx:
        rows = await cases.listing(tx.conn, wanted, sort, place(after), limit)
        total = await cases.count(tx.conn, wanted)
    return {"cases": rows, "next": following(rows, sort, limit), "total": total}


@router.get("/totals")
async def totals(caller: Reader, request: Request) -> dict[str, Any]:
    """How much the view holds, and whether anything in it could not happen."""
    if not caller.staff:
        raise Forbidden("this is for staff")
    async with db(request).connection() as conn:
        return await cases.totals(conn)


@router.get("/board")
async def board(caller: Reader, request: Request, after: str | None = None, limit: Limit = 50) -> dict[str, Any]:
    """A principal's own cases: how many in each state, and the newest of them."""
    if not caller.principal_ids:
        raise Forbidden("this is for principals")
    wanted = own(caller, Filter())
    async with db(request).transaction(caller.tenant) as tx:
        rows = await cases.listing(tx.conn, wanted, "opened", place(after), limit)
        return {"states": await cases.counts(tx.conn, wanted), "cases": rows, "next": following(rows, "opened", limit)}


@router.get("/cases/{key}")
async def read_case(
    key: Annotated[str, Path(max_length=40, description="id or number, spaces allowed")], caller: Reader, request: Request, after: Position = None
) -> dict[str, Any]:
    """One case, by id or number, in the words of whoever asks."""
    return await read.case(db(request), hub(request), caller, plain(key), after)


@router.get("/cases/{case_id}/timeline")
async def timeline(
    case_id: Id,
    caller: Reader,
    request: Request,
    after: Position = None,
    before: Annotated[Rank | None, Query(description="the `next` of the page before")] = None,
    limit: Limit = 100,
) -> dict[str, Any]:
    """What happened, newest first; for staff."""
    if not caller.staff:
        raise NotFound("no such case")
    late = await read.wait_for(db(request), hub(request), caller, after)
    async with db(request).connection() as conn:
        rows = await cases.timeline(conn, case_id, before, limit)
    if not rows and late is None:
        raise NotFound("no such case")
    return {"events": rows, "next": rows[-1]["place"] if len(rows) == limit else None, "recording": late is not None}
