"""The desk's fragments: who calls, what they are entitled to, what the answer to a need would be."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import orjson
from fastapi import APIRouter, Request, Response

from contracts import reasons
from contracts.common import Id
from services.kit import phones, places
from services.kit.auth import DESK, Caller, allow
from services.kit.bounds import typed_day, typed_quantity
from services.kit.db import Transaction
from services.kit.errors import Invalid, NotFound
from services.kit.idempotency import Command, CommandDependency
from services.kit.web import forms, pages
from services.reference.domain.entitlement import CONTRACT_ZONE
from services.reference.pages import amending
from services.reference.pages.amending import communes, placed
from services.reference.store import catalog
from services.reference.store import members as store
from services.reference.usecases import choices, identity, members, proposals

router = APIRouter(prefix="/pages/reference", include_in_schema=False)
templates = pages.templates(Path(__file__).parents[1])

Staff = Annotated[Caller, allow("reference:read", *DESK)]
Writer = Annotated[Caller, allow("reference:write", *DESK)]
Cmd = Annotated[Command, CommandDependency]

NAMED = 8  # communes that an ambiguous name is answered with


@router.get("/callers")
async def callers(request: Request, caller: Staff, q: str = "") -> Response:
    """One hit: the person. Several: a list. None: a form, so that the case can be opened all the same."""
    async with request.app.state.db.transaction() as tx:
        rows = await members.search(tx.conn, q) if len(q.strip()) > 1 else []
        if len(rows) == 1:
            return await _person(request, caller, tx, rows[0])
        if rows:
            return _render(request, caller, "several.html", tx.now, rows=[placed(row) for row in rows])
        return await _unknown(request, caller, tx, forms.Form({"phone" if any(map(str.isdigit, q)) else "last_name": q}))


@router.get("/callers/{member_id}")
async def known_caller(member_id: Id, request: Request, caller: Staff) -> Response:
    async with request.app.state.db.transaction() as tx:
        row = await store.sheet(tx.conn, member_id)
        if row is None:
            raise NotFound("no such member")
        return await _person(request, caller, tx, row)


@router.post("/provisional")
async def provisional(request: Request, caller: Writer, command: Cmd) -> Response:
    """Somebody who is not in the data yet. What was typed comes back with what was wrong."""
    values = forms.posted(await request.form()).values

    async def action(tx: Transaction) -> dict[str, str]:
        row = await members.add_provisional(tx, values["principal_id"], person)
        return {"member_id": row["id"]}

    person, errors = _typed(request, values)
    added = None if errors else orjson.loads((await command.run(action)).body)["member_id"]
    async with request.app.state.db.transaction() as tx:
        row = await store.sheet(tx.conn, added) if added else None
        return await (_person(request, caller, tx, row) if row else _unknown(request, caller, tx, forms.Form(values, errors)))


@router.post("/callers/{member_id}/link/{into_id}")
async def link(member_id: Id, into_id: Id, request: Request, caller: Writer, command: Cmd) -> Response:
    """The caller is somebody who is known after all: from here on the form is about that one."""

    async def action(tx: Transaction) -> dict[str, str]:
        return {"member_id": (await identity.join(tx, member_id, into_id, "linked", caller.actor, caller.id)).member_id}

    counts = orjson.loads((await command.run(action)).body)["member_id"]
    async with request.app.state.db.transaction() as tx:
        row = await store.sheet(tx.conn, counts)
        assert row is not None
        return await _person(request, caller, tx, row)


@router.post("/coverage")
async def coverage(request: Request, caller: Staff) -> Response:
    """The decision as it would be now, while the caller waits. Changes nothing, so it takes no key."""
    values = forms.posted(await request.form()).values
    member_id, service = values.get("member_id", ""), values.get("service", "")
    if not member_id or not service:
        raise Invalid("choose the person and the service first")
    async with request.app.state.db.transaction() as tx:
        at = _wanted(values.get("day", ""), tx.now)
        quantity = _quantity(values.get(f"usual-{service}", ""))
        insee = values.get("elsewhere") or values.get("insee") or ""
        choice = await choices.answer(tx.conn, choices.claim(member_id, service, insee, at, quantity))
        labels = {row["code"]: row["label"] for row in await catalog.products(tx.conn, at.date())} if choice.contract else {}
    return _render(request, caller, "answer.html", tx.now, choice=choice, at=at, labels=labels, moved="moved" in values)


async def _person(request: Request, caller: Caller, tx: Transaction, row: Mapping[str, Any]) -> Response:
    menu = await choices.menu(tx.conn, row["id"], row["insee"] or _ANYWHERE, tx.now)
    principals = {one["principal_id"]: one["label"] for one in await catalog.principals(tx.conn, _day(tx.now))}
    about = await amending.about(tx, row)
    likely = await proposals.candidates(tx.conn, row["id"]) if row["provisional"] and not row["survivor_id"] else []
    principal = principals.get(row["principal_id"], "")
    response = _render(request, caller, "person.html", tx.now, principal=principal, menu=menu, likely=likely, **about)
    response.headers["HX-Trigger-After-Swap"] = "caller-known"
    return response


async def _unknown(request: Request, caller: Caller, tx: Transaction, form: forms.Form) -> Response:
    principals = [(one["principal_id"], one["label"]) for one in await catalog.principals(tx.conn, _day(tx.now))]
    return _render(request, caller, "unknown.html", tx.now, form=form, principals=principals, status=422 if form.errors else 200)


def _render(request: Request, caller: Caller, name: str, now: datetime, status: int = 200, **context: Any) -> Response:
    def reason(code: str) -> str:
        return reasons.text(code, "en" if templates.words(request).lang == "en" else "fr")

    return templates.render(request, name, now=now, caller=caller, csrf=caller.csrf or "", status=status, today=_day(now), reason=reason, **context)


_ANYWHERE = "75056"  # a provisional member without a commune is refused before the place counts


def _typed(request: Request, values: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """A provisional member as the use case takes it, and what is wrong, field by field."""
    say = templates.words(request).gettext
    errors = {name: say("À remplir.") for name in ("last_name", "phone", "commune", "principal_id") if not values.get(name)}
    found = communes(values.get("commune", ""))
    if len(found) != 1 and "commune" not in errors:
        near = ", ".join(f"{row['name']} ({row['postcodes'].split('|')[0]})" for row in found[:NAMED])
        errors["commune"] = say("Précisez : %(near)s", near=near) if found else say("Cette commune n’existe pas : tapez son nom ou son code postal.")
    place = places.place(found[0]["insee"]) if len(found) == 1 else None
    number = ""
    try:
        number = phones.e164(values.get("phone", ""), place.postcode if place else None)
    except Invalid:
        errors.setdefault("phone", say("Ce n’est pas un numéro de téléphone."))
    person = {
        **{name: values.get(name, "") for name in ("last_name", "first_name", "address")},
        "civility": "", "birth_date": None, "phones": [number], "emails": [], "language": "fr",
        "insee": place and place.insee, "postcode": place and place.postcode,
    }  # fmt: skip
    return person, errors


def _wanted(day: str, now: datetime) -> datetime:
    """Tomorrow morning, unless another day was typed."""
    wanted = typed_day(day) if day else _day(now) + timedelta(days=1)
    return datetime.combine(wanted, time(8), ZoneInfo("Europe/Paris"))


def _quantity(typed: str) -> Decimal:
    return max(typed_quantity(typed), Decimal(0)) if typed else Decimal(1)


def _day(now: datetime) -> date:
    return now.astimezone(CONTRACT_ZONE).date()
