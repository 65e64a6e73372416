"""The web process of tracking on a port of its own, and who knocks at it."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from deploy.stack import Stack
from services.kit.clock import new_id
from services.kit.migrate import migrate
from services.tracking import main, stream
from services.tracking.settings import Settings
from services.tracking.stream import Hub
from tests.conftest import eventually
from tests.integration.tracking_harness import Tracking, connect
from tests.kit.harness import running
from tests.tokens import Keys

API = "/api/tracking/v1"


class Doors:
    def __init__(self, tracking: Tracking, keys: Keys, hub: Hub, address: str) -> None:
        self.tracking = tracking
        self.hub = hub
        self.keys = keys
        self.http = httpx.AsyncClient(base_url=address, timeout=10)

    def token(self, role: str, subject: str = "", **claims: Any) -> str:
        return self.keys.token("tracking", subject or new_id(), role, **claims)

    async def get(self, token: str, path: str, **query: Any) -> httpx.Response:
        return await self.http.get(API + path, params=query, headers={"Authorization": f"Bearer {token}"})

    async def post(self, token: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        sent = {"Authorization": f"Bearer {token}", "Idempotency-Key": new_id()} | headers
        return await self.http.post(API + path, json=body, headers=sent)

    async def page(self, token: str, path: str, **query: Any) -> httpx.Response:
        return await self.http.get(path, params=query, headers={"Authorization": f"Bearer {token}", "Accept": "text/html"})

    async def send(self, token: str, path: str, **form: str) -> httpx.Response:
        """A form, as a browser with htmx sends it."""
        sent = {"idempotency_key": new_id()} | form
        return await self.http.post(path, data=sent, headers={"Authorization": f"Bearer {token}", "Accept": "text/html", "HX-Request": "true"})

    async def caught_up(self) -> bool:
        """Whether the web process has heard all that was said so far."""
        return self.hub.last == (await self.tracking.fetch("select max(seq) as last from change"))[0]["last"]

    async def listen(self, token: str, until: int, **query: Any) -> list[tuple[str, str, Any]]:
        """(event, id, data) as they come, until there are `until` of them or the stream ends."""
        heard: list[tuple[str, str, Any]] = []
        said: dict[str, str] = {}
        async with self.http.stream("GET", f"{API}/stream", params=query, headers={"Authorization": f"Bearer {token}"}) as answer:
            async for line in answer.aiter_lines():
                if line:
                    name, _, value = line.partition(": ")
                    said[name] = value
                elif said:
                    heard.append((said.get("event", "message"), said.get("id", ""), json.loads(said["data"])))
                    said = {}
                    if len(heard) == until:
                        break
        return heard


@pytest.fixture(scope="module")
async def doors(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Doors]:
    await migrate(stack.environment("tracking", migrating=True)["ENTRAIDE_DATABASE_URL_OWNER"], Path("services/tracking/migrations"))
    keys = Keys(tmp_path_factory.mktemp("keys"))
    values = {name.removeprefix("ENTRAIDE_").lower(): value for name, value in stack.environment("tracking").items()}
    app = main.create(Settings.model_validate(values | {"jwks_file": keys.jwks_file}))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", ws="none"))
    tracking = Tracking(await connect(stack))
    await tracking.loop_back()
    async with running(stream.notify(tracking.db)):
        serving = asyncio.create_task(server._serve())
        await eventually(lambda: server.started)
        doors = Doors(tracking, keys, app.state.hub, f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}")
        yield doors
        await doors.http.aclose()
        server.should_exit = True
        await serving
    await tracking.db.close()
