"""The HTTP door of the gateway: OAuth 2 client credentials (RFC 6749, 4.4), public keys, and accounts for administrators."""

import base64
import binascii
from typing import Annotated, Any
from urllib.parse import parse_qsl, unquote_plus

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, SecretStr

from contracts.common import Code, Id
from services.gateway import domain, usecases
from services.gateway.domain import NewClient, NewUser, ScopeNotHeld, TooManyAttempts, User, WrongCredentials
from services.gateway.tokens import LIFE_S, Signer
from services.kit.app import PROBLEMS
from services.kit.auth import Caller, allow
from services.kit.db import Transaction
from services.kit.idempotency import Command, CommandDependency
from services.kit.tickets import MOST, verifying

FORM_BYTES = 16 * 1024
NOT_STORED = {"Cache-Control": "no-store", "Pragma": "no-cache"}
router = APIRouter(tags=["gateway"])
admin = APIRouter(prefix="/api/gateway/v1", tags=["gateway"], responses=PROBLEMS)

accounts = APIRouter(prefix="/api/gateway/v1", tags=["gateway"], responses=PROBLEMS)

Admin = Annotated[Caller, allow("gateway:write", "admin")]
Cmd = Annotated[Command, CommandDependency]


class OAuthError(Exception):
    """An answer of RFC 6749, 5.2."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(error)
        self.body = {"error": error, "error_description": description}
        self.status = status

    def response(self) -> Response:
        challenge = {"WWW-Authenticate": 'Basic realm="entraide"'} if self.status == 401 else {}
        return JSONResponse(self.body, self.status, NOT_STORED | challenge)


@router.post("/oauth/token", summary="A token for a machine, by its own credentials")
async def token(request: Request) -> Response:
    """Form: `grant_type=client_credentials`, optional `scope`; credentials by Basic or in the form. A token lives 15 minutes."""
    try:
        form = await _form(request)
        if form.get("grant_type") != "client_credentials":
            raise OAuthError("unsupported_grant_type", "only client_credentials is known here")
        client_id, secret = _credentials(request.headers.get("authorization"), form)
        try:
            client = await usecases.sign_in_client(request.app.state.db, client_id, secret, request.client.host if request.client else "")
            scopes = domain.grant(client, form.get("scope", "").split())
        except WrongCredentials:
            raise OAuthError("invalid_client", "unknown client or wrong secret", 401) from None
        except TooManyAttempts as refusal:
            raise OAuthError("invalid_client", str(refusal), 429) from None
        except ScopeNotHeld as refusal:
            raise OAuthError("invalid_scope", str(refusal)) from None
    except OAuthError as error:
        return error.response()
    signer: Signer = request.app.state.signer
    signed = signer.sign(client.id, client, scopes, client_id=client.client_id)
    return JSONResponse({"access_token": signed, "token_type": "Bearer", "expires_in": LIFE_S, "scope": " ".join(scopes)}, headers=NOT_STORED)


@router.get("/.well-known/jwks.json", summary="The keys that verify our tokens")
async def public_keys(request: Request) -> Response:
    keys = request.app.state.settings.jwks_file.read_bytes()
    return Response(keys, media_type="application/jwk-set+json", headers={"Cache-Control": "public, max-age=300"})


class SeesBody(BaseModel):
    name: str = Field(min_length=1, max_length=120)
    roles: list[Code] = Field(min_length=1, max_length=10)
    principal_ids: list[Id] = []
    provider_id: Id | None = None
    member_id: Id | None = None

    def sees(self) -> dict[str, Any]:
        return {
            "name": self.name, "roles": tuple(self.roles), "principal_ids": tuple(self.principal_ids),
            "provider_id": self.provider_id, "member_id": self.member_id,
        }  # fmt: skip


class UserBody(SeesBody):
    login: str = Field(max_length=120)
    password: SecretStr
    language: str = "fr"


class ClientBody(SeesBody):
    client_id: str = Field(min_length=3, max_length=80, pattern=r"^[A-Za-z0-9._-]+$")
    secret: SecretStr = Field(description="drawn by chance, 32 characters or more; it is never shown again")
    scopes: list[str] = Field(default=[], description="none: all that the roles may hold")


class UserAnswer(BaseModel):
    id: Id
    active: bool
    version: int


class ClientAnswer(BaseModel):
    id: Id
    client_id: str
    scopes: list[str]


class AccountBody(BaseModel):
    ticket: str = Field(max_length=MOST, description="of reference's `POST /accounts/tickets`")
    password: SecretStr = Field(max_length=256)


class AccountAnswer(BaseModel):
    id: Id
    login: str


@accounts.post("/accounts", status_code=201, summary="Open one's own account, with a ticket")
async def open_account(body: AccountBody, request: Request) -> AccountAnswer:
    """Once a ticket. Errors: 401 `wrong_ticket` for one that is expired, used or not ours; 409 where the member has an account; 422 for a
    password that is too short or contains the login, and the ticket stays good."""
    user = await opened(request, body.ticket, body.password.get_secret_value())
    return AccountAnswer(id=user.id, login=user.login)


async def opened(request: Request, ticket: str, password: str) -> User:
    """Raises `Unavailable`, `WrongTicket`, `AccountExists`, `WrongAccount`."""
    verifier = verifying(request)
    async with request.app.state.db.transaction() as tx:
        return await usecases.open_account(tx, verifier.verify(ticket, tx.now), password)


@admin.post("/users", status_code=201, response_model=UserAnswer, summary="Add an account")
async def create_user(body: UserBody, _: Admin, command: Cmd) -> Response:
    new = NewUser(**body.sees(), login=body.login, password=body.password.get_secret_value(), language=body.language)

    async def action(tx: Transaction) -> UserAnswer:
        user = await usecases.create_user(tx, new)
        return UserAnswer(id=user.id, active=user.active, version=user.version)

    return await command.run(action, 201)


@admin.post("/users/{user_id}/deactivate", response_model=UserAnswer, summary="Close an account and sign it out everywhere")
async def deactivate_user(user_id: Id, _: Admin, command: Cmd) -> Response:
    async def action(tx: Transaction) -> UserAnswer:
        user = await usecases.deactivate_user(tx, user_id)
        return UserAnswer(id=user.id, active=user.active, version=user.version)

    return await command.run(action)


@admin.post("/clients", status_code=201, response_model=ClientAnswer, summary="Add a machine")
async def create_client(body: ClientBody, _: Admin, command: Cmd) -> Response:
    new = NewClient(**body.sees(), client_id=body.client_id, secret=body.secret.get_secret_value(), scopes=tuple(body.scopes))

    async def action(tx: Transaction) -> ClientAnswer:
        client = await usecases.create_client(tx, new)
        return ClientAnswer(id=client.id, client_id=client.client_id, scopes=list(client.scopes))

    return await command.run(action, 201)


async def _form(request: Request) -> dict[str, str]:
    """Raises `OAuthError` for what is not a form, is too long, or says something twice."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise OAuthError("invalid_request", "send a form (application/x-www-form-urlencoded)")
    sent = b""
    async for chunk in request.stream():
        sent += chunk
        if len(sent) > FORM_BYTES:
            raise OAuthError("invalid_request", "the form is too long")
    try:
        pairs = parse_qsl(sent.decode(), max_num_fields=20)
    except ValueError:
        raise OAuthError("invalid_request", "the form cannot be read") from None
    if len({name for name, _ in pairs}) < len(pairs):
        raise OAuthError("invalid_request", "a parameter is given twice")
    return dict(pairs)


def _credentials(authorization: str | None, form: dict[str, str]) -> tuple[str, str]:
    """Client id and secret, given in one way only. Raises `OAuthError`."""
    if authorization is None:
        if form.get("client_id") and form.get("client_secret"):
            return form["client_id"], form["client_secret"]
        raise OAuthError("invalid_client", "send client_id and client_secret, by Basic or in the form", 401)
    scheme, _, coded = authorization.partition(" ")
    if "client_secret" in form:
        raise OAuthError("invalid_request", "credentials are given in two ways")
    try:
        client_id, _, secret = base64.b64decode(coded, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        client_id = secret = ""
    if scheme.lower() != "basic" or not client_id or not secret:
        raise OAuthError("invalid_client", "the Authorization header cannot be read", 401)
    return unquote_plus(client_id), unquote_plus(secret)
