"""A small service of the kit's making, for its web promises: tokens, one writing route, one slow one."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import uvicorn
from fastapi import APIRouter, FastAPI, Response
from joserfc import jwt
from joserfc.jwk import ECKey
from pydantic import BaseModel, Field

from services.kit import app as kit_app
from services.kit.auth import Caller, allow
from services.kit.db import Transaction
from services.kit.errors import Conflict
from services.kit.idempotency import Command, CommandDependency
from tests.kit.harness import Service, call


class Keys:
    """The gateway's part: signs tokens and keeps the file of public keys."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.rotate("first")

    def rotate(self, kid: str) -> None:
        self.key = ECKey.generate_key("P-256", {"kid": kid, "use": "sig", "alg": "ES256"})
        self.file.write_bytes(orjson.dumps({"keys": [self.key.as_dict(private=False)]}))

    def token(self, audience: str, **changed: Any) -> str:
        claims = {
            "iss": "entraide", "sub": "claire", "aud": [audience, "other"], "exp": int(time.time()) + 900, "roles": ["agent"], "scope": "test:write",
        } | changed  # fmt: skip
        header = {"alg": "ES256", "kid": self.key.kid}
        return jwt.encode(header, {name: value for name, value in claims.items() if value is not ...}, self.key)


class Call(BaseModel):
    case_id: str = Field(pattern="^[0-9a-f-]{36}$")
    name: str = Field(max_length=20)
    refused: bool = False


router = APIRouter()
AGENT = allow("test:write", "agent")


@router.get("/me")
async def me(caller: Caller = AGENT) -> dict[str, str]:
    return {"id": caller.id}


@router.post("/calls")
async def calls(body: Call, command: Command = CommandDependency) -> Response:
    async def action(tx: Transaction) -> dict[str, str]:
        await tx.conn.execute("insert into effect (source, key, seq, kind, worker) values ('call', $1, 1, $2, 'web')", body.case_id, body.name)
        tx.emit(call(body.case_id))
        if body.refused:
            raise Conflict("this case is closed", code="case_closed")
        return {"case_id": body.case_id}

    return await command.run(action, 201)


@router.post("/slow")
async def slow(command: Command = CommandDependency) -> Response:
    async def action(tx: Transaction) -> dict[str, str]:
        await tx.conn.execute("insert into effect (source, key, seq, worker) values ('slow', $1, 1, 'web')", command.key)
        await tx.conn.execute("select pg_sleep(0.005)")
        return {}

    return await command.run(action)


@router.get("/broken")
async def broken() -> None:
    raise LookupError("Dupont")


@router.get("/down")
async def down() -> None:
    raise ConnectionRefusedError("10.0.0.1 refused Dupont")


def make(service: Service) -> FastAPI:
    return kit_app.create(service.name, service.settings, [router])


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[int]:
    """On a socket, whose port it yields."""
    with socket.create_server(("127.0.0.1", 0), backlog=500) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
        task = asyncio.create_task(server._serve([listening]))
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            await task
