"""Yardstick `bare_post`: a FastAPI POST with a validated body that commits a state row and an outbox row, and nothing more:
no sign-in, no idempotency, no rules. One uvicorn worker on uvloop and httptools, one statement on asyncpg, 16 clients.
"""

import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import orjson
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from uuid_utils import uuid7

from tests.bench.engines import Engines, Scratch, child, ready, scratch, scratch_given
from tests.bench.load import Load, Served, load

CONNECTIONS = 16
TABLES = """
CREATE TABLE cases (id uuid PRIMARY KEY, body jsonb NOT NULL, at timestamptz NOT NULL DEFAULT now());
CREATE TABLE outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key text NOT NULL, body bytea NOT NULL);
"""
SAVE = "WITH saved AS (INSERT INTO cases (id, body) VALUES ($1, $2)) INSERT INTO outbox (key, body) VALUES ($3, $4)"


class Place(BaseModel):
    lat: float
    lon: float
    label: str


class Need(BaseModel):
    service: str
    place: Place
    note: str = ""


class Call(BaseModel):
    principal: str
    member: str
    phone: str
    caller: str
    language: str
    needs: list[Need]


def calls(n: int) -> list[str]:
    """Bodies of about 400 bytes."""
    place = {"lat": 48.85661, "lon": 2.35222, "label": "12 rue de la Paix, Paris"}
    note = "Engine warning light, stopped on the hard shoulder, two adults and one child"
    need = {"service": "roadside.tow", "place": place, "note": note}
    return [
        json.dumps(
            {
                "principal": "principal-07",
                "member": f"M-{i:08d}",
                "phone": f"+336{i:08d}",
                "caller": "Camille Martin",
                "language": "fr",
                "needs": [need],
            }
        )
        for i in range(n)
    ]


def app(place: Scratch, port: int) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with asyncpg.create_pool(
            place.engines.dsn, min_size=CONNECTIONS, max_size=CONNECTIONS, server_settings=place.settings
        ) as app.state.pool:
            ready(str(port))
            yield

    api = FastAPI(lifespan=lifespan)

    @api.post("/cases", status_code=201)
    async def open_case(call: Call) -> dict[str, str]:
        case, state = uuid7(), call.model_dump_json()
        event = orjson.dumps({"id": str(uuid7()), "type": "case.opened", "key": str(case), "seq": 1, "data": call.model_dump()})
        await api.state.pool.execute(SAVE, str(case), state, str(case), event)
        return {"id": str(case)}

    return api


async def rate(engines: Engines, seconds: float = 4) -> Served:
    async with scratch(engines, "bare_post") as place:
        db = await place.connect()
        await db.execute(TABLES)
        await db.close()
        async with child("tests.bench.bare_post", "serve", place) as port:
            return await load(Load(int(port), "/cases", calls(1000), seconds=seconds))


def serve() -> None:
    listening = socket.create_server(("127.0.0.1", 0), backlog=128)
    api = app(scratch_given(), listening.getsockname()[1])
    config = uvicorn.Config(api, loop="uvloop", http="httptools", access_log=False, log_level="warning")
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    serve()
