"""What the routes of tracking have in common."""

from typing import Annotated

from fastapi import Request

from services.kit.auth import DESK, Caller, allow
from services.kit.db import Database
from services.kit.idempotency import Command, CommandDependency
from services.tracking.stream import Hub

PREFIX = "/api/tracking/v1"
Reader = Annotated[Caller, allow("tracking:read")]
Desk = Annotated[Caller, allow("tracking:write", *DESK)]
AtWork = Annotated[Caller, allow("tracking:write", *DESK, "provider", "provider_admin")]
Cmd = Annotated[Command, CommandDependency]


def db(request: Request) -> Database:
    found: Database = request.app.state.db
    return found


def hub(request: Request) -> Hub:
    found: Hub = request.app.state.hub
    return found
