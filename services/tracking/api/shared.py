"""What the routes of tracking have in common."""

from typing import Annotated

from fastapi import Header, Request

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


def version(if_match: str | None) -> int | None:
    return int(if_match.strip('"')) if if_match else None


def db(request: Request) -> Database:
    found: Database = request.app.state.db
    return found


def hub(request: Request) -> Hub:
    found: Hub = request.app.state.hub
    return found
