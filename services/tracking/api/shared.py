"""What the routes of tracking have in common."""

from typing import Annotated

from fastapi import Header, Request

from contracts.common import Actor
from services.kit.auth import DESK, Caller, allow
from services.kit.db import Database
from services.kit.idempotency import Command, CommandDependency
from services.tracking.stream import Hub

PREFIX = "/api/tracking/v1"
Reader = Annotated[Caller, allow("tracking:read")]
Desk = Annotated[Caller, allow("tracking:write", *DESK)]
AtWork = Annotated[Caller, allow("tracking:write", *DESK, "provider", "provider_admin")]
Cmd = Annotated[Command, CommandDependency]
IfMatch = Annotated[str | None, Header(pattern=r'^"[0-9]+"$', description="the version that it was read with")]


def actor(caller: Caller) -> Actor:
    """A provider acts as itself, a person of the desk under their own id."""
    return Actor(kind=caller.kind, id=caller.provider_id or caller.member_id or _uuid(caller.id))


def version(if_match: str | None) -> int | None:
    return int(if_match.strip('"')) if if_match else None


def db(request: Request) -> Database:
    found: Database = request.app.state.db
    return found


def hub(request: Request) -> Hub:
    found: Hub = request.app.state.hub
    return found


def _uuid(text: str) -> str | None:
    return text if len(text) == 36 and text.count("-") == 4 else None
