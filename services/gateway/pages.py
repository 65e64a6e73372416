"""The pages of the gateway: signing in and out, and what is stuck anywhere."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from services.gateway import domain, usecases
from services.gateway.api import opened
from services.gateway.domain import AccountExists, TooManyAttempts, User, WrongAccount, WrongCredentials
from services.gateway.routes import LOCAL, ROUTES
from services.gateway.sessions import REFUSAL, SESSION, Attached, Sessions, check_origin, cookie
from services.kit import app as kit
from services.kit.errors import Forbidden, NotFound, Unauthenticated
from services.kit.tickets import WrongTicket
from services.kit.web import problems
from services.kit.web.forms import CSRF, Form
from services.kit.web.nav import AT_DESK
from services.kit.web.pages import Templates, templates
from services.kit.web.words import COOKIE as LANGUAGE_COOKIE

router = APIRouter(include_in_schema=False)
STUCK = tuple(dict.fromkeys(service for service in ROUTES.values() if service != LOCAL))


def load() -> Templates:
    return templates(Path(__file__).parent)


def problem(request: Request, wrong: kit.Problem) -> Response:
    """A refusal as a page."""
    shown = problems.problem(wrong.status, trace_id=wrong.trace_id, code=wrong.code)
    pages: Templates = request.app.state.pages
    return pages.problem(request, shown, now=_now(), **_who(request, request.scope.get(SESSION)))


@router.get("/sign-in")
async def sign_in_page(request: Request, next: str = "") -> Response:
    return _sign_in(request, Form(), next)


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Wrong login and wrong password read the same."""
    check_origin(request.scope, dict(request.headers.raw), request.app.state.settings.public_origin)
    sent = {name: value for name, value in (await request.form(max_fields=10)).items() if isinstance(value, str)}
    login, wanted = sent.get("login", ""), sent.get("next", "")
    words = request.app.state.pages.words(request)
    try:
        token, user = await usecases.sign_in(request.app.state.db, login, sent.get("password", ""), request.client.host if request.client else "")
    except WrongCredentials:
        return _sign_in(request, Form({"login": login}, {"sign_in": words.gettext("Identifiant ou mot de passe incorrect.")}), wanted, 401)
    except TooManyAttempts:
        return _sign_in(request, Form({"login": login}, {"sign_in": words.gettext("Trop d’essais. Attendez un quart d’heure.")}), wanted, 429)
    return _entered(request, RedirectResponse(domain.safe_next(wanted) or domain.home(user.roles), 303), token, user)


@router.get("/sign-up")
async def sign_up_page() -> Response:
    """Without a ticket: ask for a code first."""
    return RedirectResponse("/join", 303)


@router.post("/sign-up")
async def sign_up(request: Request) -> Response:
    """Opens the account that the ticket is for, and signs in."""
    check_origin(request.scope, dict(request.headers.raw), request.app.state.settings.public_origin)
    sent = {name: value for name, value in (await request.form(max_fields=10)).items() if isinstance(value, str)}
    say = request.app.state.pages.words(request).gettext
    try:
        user = await opened(request, sent.get("ticket", ""), sent.get("password", ""))
    except WrongAccount:
        error = {"password": say("12 caractères au moins, sans votre identifiant.")}
        return _sign_up(request, Form(sent, error), 422)
    except AccountExists:
        return _sign_up(request, Form({}, {"sign_up": say("Vous avez déjà un compte : connectez-vous.")}), 409)
    except WrongTicket:
        late = say("Trop de temps a passé depuis le code, ou il a déjà servi. Demandez un nouveau code.")
        return _sign_up(request, Form({"again": "yes"}, {"sign_up": late}), 401)
    token = await usecases.enter(request.app.state.db, user, request.client.host if request.client else "")
    return _entered(request, RedirectResponse(domain.home(user.roles), 303), token, user)


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    sessions: Sessions = request.app.state.sessions
    form = await request.form(max_fields=10)
    if form.get(CSRF) != sessions.csrf(_attached(request).session):
        raise Forbidden("this form is not from your session; load the page again", code="csrf")
    token = cookie(request.headers["cookie"].encode("latin-1"), sessions.cookie)
    async with request.app.state.db.transaction() as tx:
        await usecases.sign_out(tx, token)
    sessions.forget(token)
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(sessions.cookie, secure=sessions.secure, httponly=True, samesite="lax")
    return response


@router.get("/")
async def home(request: Request) -> Response:
    return RedirectResponse(domain.home(_attached(request).session.user.roles), 303)


@router.get("/desk/stuck")
async def stuck(request: Request) -> Response:
    attached = _attached(request)
    if AT_DESK.isdisjoint(attached.session.user.roles):
        raise Forbidden
    pages: Templates = request.app.state.pages
    return pages.render(request, "stuck.html", now=_now(), **_who(request, attached), active="stuck", services=STUCK)


@router.api_route("/{path:path}", methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def refused(request: Request) -> Response:
    """What the front refused, or what nobody serves."""
    raise request.scope.get(REFUSAL) or NotFound("nothing is served at this address")


def _sign_in(request: Request, form: Form, wanted: str, status: int = 200) -> Response:
    pages: Templates = request.app.state.pages
    return pages.render(request, "sign_in.html", now=_now(), form=form, next=domain.safe_next(wanted) or "", status=status)


def _sign_up(request: Request, form: Form, status: int) -> Response:
    pages: Templates = request.app.state.pages
    return pages.render(request, "sign_up.html", now=_now(), form=form, status=status)


def _entered(request: Request, response: Response, token: str, user: User) -> Response:
    """The browser is this person's from now on."""
    sessions: Sessions = request.app.state.sessions
    response.set_cookie(sessions.cookie, token, max_age=domain.SESSION // timedelta(seconds=1), secure=sessions.secure, httponly=True, samesite="lax")
    if LANGUAGE_COOKIE not in request.cookies:
        response.set_cookie(LANGUAGE_COOKIE, user.language, max_age=365 * 86_400, secure=sessions.secure, samesite="lax")
    return response


def _attached(request: Request) -> Attached:
    """Raises `Unauthenticated` for a machine, and what the front refused."""
    if refusal := request.scope.get(REFUSAL):
        raise refusal
    attached = request.scope.get(SESSION)
    if not isinstance(attached, Attached):
        raise Unauthenticated("this is for people: sign in")
    return attached


def _who(request: Request, attached: Attached | None) -> dict[str, Any]:
    if attached is None:
        return {}
    sessions: Sessions = request.app.state.sessions
    return {"caller": attached.session.user, "csrf": sessions.csrf(attached.session)}


def _now() -> datetime:
    """For the clock that a page shows."""
    return datetime.fromtimestamp(time.time(), UTC)
