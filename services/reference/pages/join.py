"""Opening one's own account: who one is, the code that was sent, a password. The last form goes to the gateway, with the ticket."""

import time
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

from fastapi import APIRouter, Request, Response

from services.kit.auth import address
from services.kit.bounds import typed_day
from services.kit.errors import Invalid
from services.kit.tickets import signing
from services.kit.web import forms, pages
from services.reference.domain.joining import Channel
from services.reference.usecases import joining
from services.reference.usecases.joining import TooManyCodes, WrongCode

router = APIRouter(prefix="/join", include_in_schema=False)
templates = pages.templates(Path(__file__).parents[1])

Step = Literal["who", "code", "password"]
MOST = 40


@router.get("")
async def who(request: Request) -> Response:
    signing(request)
    return _shown(request, "who", forms.Form())


@router.post("/code")
async def code(request: Request) -> Response:
    """The same page whether or not there is such a member."""
    signing(request)
    values = forms.posted(await request.form(max_fields=10)).values
    birth_date, errors = _typed(request, values)
    if errors or birth_date is None:
        return _shown(request, "who", forms.Form(values, errors), 422)
    try:
        async with request.app.state.db.transaction() as tx:
            channel: Channel = "sms" if values.get("channel") == "sms" else "email"
            await joining.ask(tx, values["number"], birth_date, channel, address(request))
    except TooManyCodes as refusal:
        return _late(request, "who", values, refusal)
    return _shown(request, "code", forms.Form(values))


@router.post("/ticket")
async def ticket(request: Request) -> Response:
    signer = signing(request)
    values = forms.posted(await request.form(max_fields=10)).values
    birth_date, errors = _typed(request, values)
    if errors or birth_date is None:
        return _shown(request, "who", forms.Form(values, errors), 422)
    try:
        typed = "".join(values.get("code", "").split())
        made, login = await joining.answer(request.app.state.db, signer, values["number"], birth_date, typed[:MOST], address(request))
    except WrongCode:
        say = templates.words(request).gettext
        error = {"join": say("Ce code n’est pas le bon, ou n’est plus valable.")}
        return _shown(request, "code", forms.Form(values | {"code": ""}, error), 422)
    except TooManyCodes as refusal:
        return _late(request, "code", values | {"code": ""}, refusal)
    return _shown(request, "password", forms.Form({"login": login}), ticket=made)


def _typed(request: Request, values: Mapping[str, str]) -> tuple[date | None, dict[str, str]]:
    """The birth date, and what is wrong with the form, field by field."""
    say = templates.words(request).gettext
    errors = {}
    number = values.get("number", "")
    if not 3 <= len(number) <= MOST or "\0" in number:
        errors["number"] = say("À remplir.")
    try:
        return typed_day(values.get("birth_date", "")), errors
    except Invalid:
        return None, errors | {"birth_date": say("À remplir.")}


def _late(request: Request, step: Step, values: Mapping[str, str], refusal: TooManyCodes) -> Response:
    say = templates.words(request).gettext
    response = _shown(request, step, forms.Form(values, {"join": say("Trop d’essais. Attendez une heure, ou appelez-nous.")}), refusal.status)
    response.headers["Retry-After"] = str(refusal.extra["retry_after"])
    return response


def _shown(request: Request, step: Step, form: forms.Form, status: int = 200, **more: Any) -> Response:
    now = datetime.fromtimestamp(time.time(), UTC)
    return templates.render(request, "join.html", now=now, step=step, form=form, status=status, **more)
