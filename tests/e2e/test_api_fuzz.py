"""Every API of every service, asked what its own description allows and what it does not: nothing breaks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup

from services.gateway import usecases as gateway
from services.gateway.domain import NewClient
from services.kit.db import Database
from tests.e2e.stage import Stage, playing
from tests.rules.documents import app_of
from tests.rules.test_shape import OURS

pytestmark = pytest.mark.timeout(900)

EXAMPLES = 8  # of each operation, both of what is allowed and of what is not
ROLES = ("agent", "supervisor", "finance", "admin")
SECRET = "fuzz-fuzz-fuzz-fuzz-fuzz-fuzz-fuzz"


@pytest.fixture(scope="module")
async def stage() -> AsyncIterator[Stage]:
    """Of its own, since what is asked leaves traces."""
    async with playing() as stage:
        db = await Database.connect("gateway", stage.platform.stack.environment("gateway")["ENTRAIDE_DATABASE_URL"], size=1)
        try:
            async with db.transaction() as tx:
                await gateway.create_client(tx, NewClient(client_id="fuzz", secret=SECRET, name="Fuzz", roles=ROLES))
        finally:
            await db.close()
        yield stage


def ask(described: dict[str, Any], url: str, token: str) -> int:
    """How many requests were answered. Raises at the first that broke something."""
    asked = 0
    schema = schemathesis.openapi.from_dict(described)
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path.endswith("/stream"):
            continue  # answers for as long as somebody listens
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @settings(
                max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )  # fmt: skip
            @given(case=operation.as_strategy(generation_mode=mode))
            def once(case: Any) -> None:
                nonlocal asked
                response = case.call(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30)
                case.validate_response(response, checks=(not_a_server_error,))
                asked += 1

            with suppress(Unsatisfiable):  # nothing can be wrong with a request that holds nothing
                once()
    return asked


async def test_nothing_that_an_api_is_asked_breaks_it(stage: Stage, tmp_path: Path) -> None:
    async with httpx.AsyncClient(base_url=stage.url) as http:
        form = {"grant_type": "client_credentials", "client_id": "fuzz", "client_secret": SECRET}
        token = (await http.post("/oauth/token", data=form)).raise_for_status().json()["access_token"]
        asked = {}
        for service in OURS:
            described = app_of(service, tmp_path).openapi()
            asked[service] = await asyncio.to_thread(ask, described, stage.url, token)
        assert all(count > EXAMPLES for count in asked.values())


class Broken(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(500 if "stage=broken" in self.path else 200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


def test_an_api_that_breaks_on_what_it_allows_is_found() -> None:
    parameter = {"name": "stage", "in": "query", "required": True, "schema": {"enum": ["sound", "broken"]}}
    described = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/x": {"get": {"parameters": [parameter], "responses": {}}}}}
    with ThreadingHTTPServer(("127.0.0.1", 0), Broken) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(FailureGroup, match="Server error"):
            ask(described, f"http://127.0.0.1:{server.server_port}", "none")
        server.shutdown()
