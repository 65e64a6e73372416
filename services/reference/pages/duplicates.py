"""Who is who at the desk: callers who are not in the data yet, the same person twice, and what was said of both."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response

from contracts.common import Id
from services.kit import phones, places
from services.kit.auth import DESK, Caller, allow
from services.kit.db import Connection, Transaction
from services.kit.errors import Forbidden, Refusal
from services.kit.idempotency import Command, CommandDependency
from services.kit.web import pages
from services.reference.store import identity as store
from services.reference.store import members
from services.reference.usecases import duplicates, identity, proposals

router = APIRouter(include_in_schema=False)
templates = pages.templates(Path(__file__).parents[1])

Reader = Annotated[Caller, allow("reference:read", *DESK, "admin")]
Writer = Annotated[Caller, allow("reference:write", *DESK, "admin")]
Cmd = Annotated[Command, CommandDependency]

CALLERS, PAIRS, LINKS = 20, 20, 10
MAY_MERGE = frozenset(("supervisor", "admin"))


@router.get("/desk/duplicates")
async def show(request: Request, caller: Reader) -> Response:
    """Agents see the callers, supervisors the duplicates too."""
    return await _shown(request, caller)


@router.post("/desk/duplicates/{member_id}/link/{into_id}")
async def link(member_id: Id, into_id: Id, request: Request, caller: Writer, command: Cmd) -> Response:
    return await _settled(request, caller, command, lambda tx: identity.join(tx, member_id, into_id, "linked", caller.actor, caller.id))


@router.post("/desk/duplicates/{member_id}/not/{other_id}")
async def not_this_one(member_id: Id, other_id: Id, request: Request, caller: Writer, command: Cmd) -> Response:
    return await _settled(request, caller, command, lambda tx: proposals.set_aside(tx, member_id, other_id, caller.actor, caller.id))


@router.post("/desk/duplicates/{member_id}/merge/{into_id}")
async def merge(member_id: Id, into_id: Id, request: Request, caller: Writer, command: Cmd) -> Response:
    _only_who_merges(caller)
    return await _settled(request, caller, command, lambda tx: identity.join(tx, member_id, into_id, "merged", caller.actor, caller.id))


@router.post("/desk/duplicates/{one_id}/two/{other_id}")
async def two_people(one_id: Id, other_id: Id, request: Request, caller: Writer, command: Cmd) -> Response:
    _only_who_merges(caller)
    return await _settled(request, caller, command, lambda tx: duplicates.set_aside(tx, one_id, other_id, caller.id))


@router.post("/desk/duplicates/{member_id}/unlink")
async def unlink(member_id: Id, request: Request, caller: Writer, command: Cmd) -> Response:
    return await _settled(request, caller, command, lambda tx: identity.part(tx, member_id, "linked", caller.actor, caller.id))


@router.post("/desk/duplicates/{member_id}/unmerge")
async def unmerge(member_id: Id, request: Request, caller: Writer, command: Cmd) -> Response:
    _only_who_merges(caller)
    return await _settled(request, caller, command, lambda tx: identity.part(tx, member_id, "merged", caller.actor, caller.id))


def _only_who_merges(caller: Caller) -> None:
    if not caller.roles & MAY_MERGE:
        raise Forbidden("a supervisor merges")


async def _settled(request: Request, caller: Caller, command: Command, act: Callable[[Transaction], Awaitable[Any]]) -> Response:
    async def action(tx: Transaction) -> Response:
        await act(tx)
        return Response(status_code=303, headers={"Location": "/desk/duplicates"})

    try:
        done = await command.run(action)
    except Refusal as refusal:
        return await _shown(request, caller, refusal)
    return await _shown(request, caller) if pages.part(request) else done


async def _shown(request: Request, caller: Caller, refusal: Refusal | None = None) -> Response:
    merges = bool(caller.roles & MAY_MERGE)
    async with request.app.state.db.transaction() as tx:
        callers = await _callers(tx.conn)
        pairs = await duplicates.listing(tx.conn, None, PAIRS) if merges else []
        waiting = await store.count_duplicates(tx.conn) if merges else 0
        links = await _links(tx.conn, merges)
    return templates.render(
        request,
        "duplicates_list.html" if pages.part(request) else "duplicates.html",
        now=tx.now,
        caller=caller,
        csrf=caller.csrf or "",
        active="duplicates",
        status=refusal.status if refusal else 200,
        refusal=refusal,
        merges=merges,
        callers=callers,
        pairs=[pair | {"one": _placed(pair["one"]), "other": _placed(pair["other"])} for pair in pairs],
        waiting=waiting,
        links=links,
    )


async def _callers(conn: Connection) -> list[dict[str, Any]]:
    """Provisional members for whom somebody is proposed, each with those."""
    waiting = await store.waiting(conn, CALLERS)
    wanted = {row["provisional_id"] for row in waiting} | {one["member_id"] for row in waiting for one in row["found"]}
    sheets = {row["id"]: _placed(row) for row in await members.sheets(conn, sorted(wanted))}
    return [
        {"person": sheets[row["provisional_id"]], "found": [sheets[one["member_id"]] | {"why": one["why"]} for one in row["found"]]}
        for row in waiting
    ]


async def _links(conn: Connection, merges: bool) -> list[dict[str, Any]]:
    links = [link for link in await store.standing_links(conn, LINKS) if merges or link["kind"] == "linked"]
    sheets = {row["id"]: row for row in await members.sheets(conn, sorted({one for link in links for one in (link["member_id"], link["into_id"])}))}
    return [link | {"member": sheets[link["member_id"]], "into": sheets[link["into_id"]]} for link in links]


def _placed(row: dict[str, Any]) -> dict[str, Any]:
    town = f"{row['postcode'] or ''} {places.name(row['insee'])}".strip() if row["insee"] else row["postcode"] or ""
    return row | {"shown_phones": [phones.national(number) for number in row["phones"]], "town": town}
