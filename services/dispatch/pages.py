"""The extranet of providers without software of their own: offers, missions. They call the same use cases as the API."""

import hashlib
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request, Response

from contracts import reasons
from contracts.common import Id
from services.dispatch.domain.mission import ASSIGNED, Mission, Slot
from services.dispatch.store import lists
from services.dispatch.usecases import answers, cards
from services.dispatch.usecases.callers import PROVIDER, known, own
from services.kit.auth import STAFF, Caller, allow
from services.kit.db import Transaction
from services.kit.errors import Invalid, NotFound, Refusal
from services.kit.idempotency import Command, CommandDependency
from services.kit.web import pages

router = APIRouter(prefix="/extranet", include_in_schema=False)
templates = pages.templates(Path(__file__).parent)

desk = APIRouter(prefix="/pages/dispatch", include_in_schema=False)

AtDesk = Annotated[Caller, allow("dispatch:read", *STAFF)]
Reader = Annotated[Caller, allow("dispatch:read", *PROVIDER)]
Writer = Annotated[Caller, allow("dispatch:write", *PROVIDER)]
Cmd = Annotated[Command, CommandDependency]
Typed = Annotated[str, Form()]
Act = Callable[[Transaction], Awaitable[Mission]]


@router.get("")
async def offers(request: Request, caller: Reader) -> Response:
    return await _offers(request, caller)


@router.post("/offers/{offer_id}/accept")
async def accept(offer_id: Id, zone: Typed, start: Typed, end: Typed, request: Request, caller: Writer, command: Cmd) -> Response:
    async def act(tx: Transaction) -> Mission:
        return await answers.accept(tx, own(caller), offer_id, _slot(start, end, zone), caller.actor)

    return await _do(request, caller, command, act, lambda mission: f"/extranet/missions/{mission.id}")


@router.post("/offers/{offer_id}/decline")
async def decline(offer_id: Id, reason: Typed, request: Request, caller: Writer, command: Cmd) -> Response:
    async def act(tx: Transaction) -> Mission:
        return await answers.decline(tx, own(caller), offer_id, known(reason, reasons.OFFER_DECLINED), caller.actor)

    return await _do(request, caller, command, act, lambda _: "/extranet")


@router.get("/missions")
async def missions(request: Request, caller: Reader) -> Response:
    async with request.app.state.db.transaction(caller.tenant) as tx:
        rows = await lists.own_missions(tx.conn, own(caller), None, None, 100)
        waiting = await lists.own_offers(tx.conn, own(caller))
    return _render(request, caller, "missions.html", tx.now, active="missions", missions=rows, waiting=len(waiting))


@router.get("/missions/{mission_id}")
async def mission(mission_id: Id, request: Request, caller: Reader, seen: str = "", visit: bool = False) -> Response:
    """A live page gets its parts, and nothing while they are as it has `seen` them; the `visit` that it shows is left alone."""
    return await _mission(request, caller, mission_id, seen=seen, visit=visit)


@router.post("/missions/{mission_id}/reconfirm")
async def reconfirm(mission_id: Id, zone: Typed, start: Typed, end: Typed, request: Request, caller: Writer, command: Cmd) -> Response:
    async def act(tx: Transaction) -> Mission:
        return await answers.reconfirm(tx, own(caller), mission_id, _slot(start, end, zone), caller.actor)

    return await _do(request, caller, command, act, lambda mission: f"/extranet/missions/{mission.id}", mission_id)


@router.post("/missions/{mission_id}/give-up")
async def give_up(mission_id: Id, reason: Typed, request: Request, caller: Writer, command: Cmd) -> Response:
    async def act(tx: Transaction) -> Mission:
        return await answers.give_up(tx, own(caller), mission_id, known(reason, reasons.OFFER_DECLINED), caller.actor)

    return await _do(request, caller, command, act, lambda _: "/extranet/missions", mission_id)


@desk.get("/cases/{case_id}/offers")
async def case_offers(case_id: Id, request: Request, caller: AtDesk) -> Response:
    """For the desk: what each need of a case was offered to whom."""
    async with request.app.state.db.transaction() as tx:
        found = [await lists.mission(tx.conn, row["id"]) for row in await lists.missions(tx.conn, None, case_id, None, 20)]
    lang: Literal["fr", "en"] = "fr" if templates.words(request).lang == "fr" else "en"
    return _render(request, caller, "case_offers.html", tx.now, missions=found[::-1], reason=lambda code: reasons.text(code, lang))


async def _do(request: Request, caller: Caller, command: Cmd, act: Act, goes_to: Callable[[Mission], str], mission_id: str | None = None) -> Response:
    """A refusal shows on the page it came from, with the state as it is now."""

    async def action(tx: Transaction) -> Response:
        address = goes_to(await act(tx))
        if pages.part(request):
            return Response(status_code=204, headers={"HX-Redirect": address})
        return Response(status_code=303, headers={"Location": address})

    try:
        return await command.run(action)
    except NotFound:
        raise
    except Refusal as refusal:
        return await (_mission(request, caller, mission_id, refusal) if mission_id else _offers(request, caller, refusal))


async def _offers(request: Request, caller: Caller, refusal: Refusal | None = None) -> Response:
    async with request.app.state.db.transaction(caller.tenant) as tx:
        rows = [_timed(row) for row in await lists.own_offers(tx.conn, own(caller))]
    return _render(request, caller, "offers.html", tx.now, refusal, active="offers", offers=rows, waiting=len(rows))


async def _mission(
    request: Request, caller: Caller, mission_id: str, refusal: Refusal | None = None, seen: str = "", visit: bool = False
) -> Response:
    async with request.app.state.db.transaction(caller.tenant) as tx:
        found = await cards.own_mission(tx, own(caller), mission_id)
        waiting = await lists.own_offers(tx.conn, own(caller))
    if found is None:
        raise NotFound("no such mission")
    stamp = hashlib.sha256(repr(found).encode()).hexdigest()[:16]
    if stamp == seen:
        return Response(status_code=204)
    return _render(
        request, caller, "mission_live.html" if pages.part(request) else "mission.html", tx.now, refusal, active="missions", mission=_timed(found),
        waiting=len(waiting), mine=found["status"] in ASSIGNED, visit=visit, stamp=stamp, oob=False,
    )  # fmt: skip


def _render(
    request: Request, caller: Caller, name: str, now: datetime, refusal: Refusal | None = None, active: str = "", waiting: int = 0, **context: Any
) -> Response:
    lang = templates.words(request).lang
    return templates.render(
        request,
        name,
        now=now,
        caller=caller,
        csrf=caller.csrf or "",
        active=active,
        counts={"offers": waiting},
        waiting=waiting,
        status=refusal.status if refusal else 200,
        refusal=refusal and refusal.code,
        local_input=_local_input,
        declining=[(code, texts[0] if lang == "fr" else texts[1]) for code, texts in reasons.OFFER_DECLINED.items()],
        **context,
    )


def _timed(row: dict[str, Any]) -> dict[str, Any]:
    """With the wish as instants, the changed one where there is one."""
    wanted = (row["amendment"] or row)["wanted"]
    return row | {"start": datetime.fromisoformat(wanted["start"]), "end": datetime.fromisoformat(wanted["end"])}


def _local_input(moment: datetime, zone: str) -> str:
    """As a field of type datetime-local takes it."""
    return moment.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M")


def _slot(start: str, end: str, zone: str) -> Slot:
    """Times as typed, in the zone of the place. Raises `Invalid`."""
    try:
        there = ZoneInfo(zone)
        return Slot(datetime.fromisoformat(start).replace(tzinfo=there), datetime.fromisoformat(end).replace(tzinfo=there))
    except (ValueError, KeyError, OSError):
        raise Invalid("write the times as 2026-11-24T08:00", code="bad_time") from None
