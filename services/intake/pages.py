"""The desk's call page and the actions panel of a case. They call the same use cases as the API."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request, Response

from contracts import reasons
from contracts.common import Id
from services.intake import store, usecases
from services.intake.domain import UNITS, Wish
from services.kit import phones, places
from services.kit.answers import POSITION
from services.kit.auth import DESK, Caller, allow
from services.kit.bounds import Version
from services.kit.db import Transaction
from services.kit.errors import Invalid, NotFound, Refusal
from services.kit.idempotency import Command, CommandDependency
from services.kit.outbox import Position
from services.kit.web import forms, pages

router = APIRouter(include_in_schema=False)
templates = pages.templates(Path(__file__).parent)

Staff = Annotated[Caller, allow("intake:write", *DESK)]
Cmd = Annotated[Command, CommandDependency]

KNOWN = ("member_id", "principal_id", "contract_id", "provisional", "name", "phone", "address", "insee", "postcode")
URGENT = {"towing", "taxi", "locksmith"}
CANCELLING = ("changed_mind", "solved_otherwise", "too_late", "duplicate", "self_arranged", "no_provider_found", "wrong_entry")


@router.get("/desk")
async def desk(request: Request, caller: Staff) -> Response:
    """The call page: who calls, what is covered, open the case."""
    async with request.app.state.db.transaction() as tx:
        now = tx.now
    return _render(request, caller, "desk.html", now, form=forms.Form(), refusal="", active="call")


@router.post("/desk/cases/new")
async def open_case(request: Request, caller: Staff, command: Cmd) -> Response:
    """Opens the case and leads to its live view; what was typed comes back with what was wrong."""
    values = forms.posted(await request.form()).values

    async def action(tx: Transaction) -> Response:
        case = await usecases.open_case(tx, **_case(values, tx.now), by=caller.actor)
        positions = await tx.flush()
        return _go(request, f"/desk/cases/{case.id}?after={positions[-1]}", positions[-1])

    try:
        return await command.run(action, 303)
    except Invalid as refusal:
        async with request.app.state.db.transaction() as tx:
            now = tx.now
        shown = forms.Form(values)
        name = "desk_form.html" if pages.part(request) else "desk.html"
        return _render(request, caller, name, now, form=shown, refusal=str(refusal), active="call", status=422)


@router.get("/pages/intake/cases/{case_id}/actions")
async def actions(case_id: Id, request: Request, caller: Staff) -> Response:
    return await _actions(request, caller, case_id)


@router.post("/pages/intake/cases/{case_id}/needs/{need_id}/cancel")
async def cancel(
    case_id: Id, need_id: Id, reason: Annotated[str, Form()], version: Annotated[Version, Form()], request: Request, caller: Staff, command: Cmd
) -> Response:
    return await _act(request, caller, command, case_id, lambda tx: usecases.cancel(tx, case_id, need_id, reason, caller.actor, version))


@router.post("/pages/intake/cases/{case_id}/notes")
async def add_note(case_id: Id, text: Annotated[str, Form(min_length=1, max_length=4000)], request: Request, caller: Staff, command: Cmd) -> Response:
    return await _act(request, caller, command, case_id, lambda tx: usecases.add_note(tx, case_id, None, text, caller.actor))


@router.post("/pages/intake/cases/{case_id}/close")
async def close(case_id: Id, version: Annotated[Version, Form()], request: Request, caller: Staff, command: Cmd) -> Response:
    return await _act(request, caller, command, case_id, lambda tx: usecases.close(tx, case_id, "by_hand", caller.actor, version))


@router.post("/pages/intake/cases/{case_id}/reopen")
async def reopen(case_id: Id, version: Annotated[Version, Form()], request: Request, caller: Staff, command: Cmd) -> Response:
    return await _act(request, caller, command, case_id, lambda tx: usecases.reopen(tx, case_id, "by_hand", caller.actor, version))


async def _act(request: Request, caller: Caller, command: Command, case_id: str, act: Any) -> Response:
    """A refusal shows in the panel, with the state as it is now."""

    async def action(tx: Transaction) -> dict[str, str]:
        await act(tx)
        return {}

    try:
        await command.run(action)
    except Refusal as refusal:
        return await _actions(request, caller, case_id, refusal)
    return await _actions(request, caller, case_id)


async def _actions(request: Request, caller: Caller, case_id: str, refusal: Refusal | None = None) -> Response:
    async with request.app.state.db.transaction() as tx:
        found = await store.view(tx.conn, case_id)
        now = tx.now
    if found is None:
        raise NotFound("no such case")
    return _render(
        request,
        caller,
        "actions.html",
        now,
        case=found,
        needs=found["needs"],
        notes=found["notes"],
        refusal=str(refusal) if refusal else "",
        reasons=[(code, reasons.text(code, "en" if templates.words(request).lang == "en" else "fr")) for code in CANCELLING],
        status=refusal.status if refusal else 200,
    )


def _render(request: Request, caller: Caller, name: str, now: datetime, status: int = 200, active: str = "", **context: Any) -> Response:
    start, _ = _window({}, now, "Europe/Paris", "gardening")
    more: dict[str, Any] = {"start": start, "known": KNOWN, "usual": {service: quantity for service, (_, quantity) in UNITS.items()}}
    return templates.render(request, name, now=now, caller=caller, csrf=caller.csrf or "", active=active, status=status, **more | context)


def _go(request: Request, address: str, position: Position) -> Response:
    headers = {"HX-Redirect": address} if pages.part(request) else {"Location": address}
    return Response(status_code=204 if pages.part(request) else 303, headers=headers | {POSITION: str(position)})


def _case(values: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """The form as the use case takes it. Raises `Invalid` with what to do."""
    missing = [name for name in ("member_id", "principal_id", "name", "address", "insee") if not values.get(name)]
    if missing:
        raise Invalid("find the caller first: the person is not known yet", code="caller_unknown")
    service = values.get("service", "")
    if service not in UNITS:
        raise Invalid("choose a service", code="service_missing")
    place = places.place(values.get("elsewhere") or values["insee"], None if values.get("elsewhere") else values.get("postcode") or None)
    start, end = _window(values, now, place.zone, service)
    unit, quantity = UNITS[service]
    urgency = values.get("urgency") or ("immediate" if service in URGENT else "planned")
    wish = Wish(place.insee, place.postcode, start, end, urgency, quantity, unit)  # type: ignore[arg-type]  # checked by the domain
    phone = values.get("phone", "")
    return {
        "principal_id": values["principal_id"],
        "member_id": values["member_id"],
        "contract_id": values.get("contract_id") or None,
        "provisional": values.get("provisional") == "true",
        "channel": "phone",
        "card": {
            "beneficiary": {"name": values["name"], "phone": phones.e164(phone) if phone else None},
            "on_site": None,
            "address": values["address"],
            "access": values.get("access", ""),
            "plate": values.get("plate", ""),
        },
        "wanted": [(service, wish, values.get("words", ""))],
    }


def _window(values: Mapping[str, str], now: datetime, zone: str, service: str) -> tuple[datetime, datetime]:
    """What was typed, in the zone of the place; by default tomorrow morning, or the next two hours for what cannot wait."""
    local = now.astimezone(ZoneInfo(zone))
    if not values.get("day"):
        if service in URGENT:
            return now, now + timedelta(hours=2)
        morning = (local + timedelta(days=1)).replace(hour=8, minute=0, second=0, microsecond=0)
        return morning, morning + timedelta(hours=4)
    try:
        start = datetime.fromisoformat(f"{values['day']}T{values.get('from') or '08:00'}")
        end = datetime.fromisoformat(f"{values['day']}T{values.get('until') or '12:00'}")
    except ValueError:
        raise Invalid("write the day as 2026-11-24 and the times as 08:00", code="bad_time") from None
    return start.replace(tzinfo=ZoneInfo(zone)), end.replace(tzinfo=ZoneInfo(zone))
