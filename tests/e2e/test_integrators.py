"""What `docs/integrators.md` says to a provider's software: every command of the page, as it stands there."""

import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import pytest

from deploy import operations, providers
from deploy.demo.catalogue import siret
from deploy.platform import connections
from deploy.providers import Added
from deploy.running import Running
from services.dispatch.usecases.providers import upsert_provider
from tests.conftest import eventually
from tests.e2e.stage import SERVICE, Stage

PAGE = (Path(__file__).parents[2] / "docs" / "integrators.md").read_text(encoding="utf-8")
SHELL = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
[READER] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@dataclass
class Software:
    """A provider's own, made of the page alone. `knows`: the variables its commands use."""

    stage: Stage
    running: Running
    added: Added
    knows: dict[str, str]

    def say(self, path: str) -> Any:
        """The answer to the command of the page that names this path."""
        [command] = [block for block in SHELL if path in block]
        done = subprocess.run(["bash", "-c", command], env=os.environ | self.knows, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def feed(self) -> list[dict[str, Any]]:
        """What is new."""
        page = self.say("/feed")
        self.knows["AFTER"] = page["next"]
        items: list[dict[str, Any]] = page["items"]
        return items

    async def hears(self, kind: str) -> dict[str, Any]:
        """The next document of this kind."""

        def told() -> dict[str, Any] | None:
            return next((document for document in self.feed() if document["kind"] == kind), None)

        document: dict[str, Any] = await eventually(told, seconds=60, every=0.5)
        return document

    async def is_offered(self) -> dict[str, Any]:
        """A case, its mission proposed to this provider by hand; what the feed says of it."""
        member = self.stage.members.pop()
        case = await self.stage.open_case(member)
        async with self.stage.desk() as desk:

            async def mission() -> Any:
                return (await desk.get("/api/dispatch/v1/missions", params={"case_id": case["case_id"]})).raise_for_status().json()["missions"]

            [found] = await eventually(mission, seconds=60, every=0.5)
            proposal = {"provider_ids": [self.added.provider.id]}

            async def proposed() -> bool:
                answer = await desk.post(f"/api/dispatch/v1/missions/{found['id']}/offers", json=proposal)
                return answer.is_success

            await eventually(proposed, seconds=60, every=0.5)  # before coverage is decided nobody is asked
        document = await self.hears("offered")
        assert (document["service"], "contact" in document) == (SERVICE, False)
        self.knows |= {"OFFER": document["offer_id"], "MISSION": document["mission_id"]}
        return document

    async def accepts(self) -> None:
        """Is offered another one, and takes it."""
        await self.is_offered()
        assert self.say("/accept")["status"] == "accepted"
        assert (await self.hears("accepted"))["contact"]["name"]

    async def on_site(self, what: str) -> dict[str, Any]:
        """Tracking hears of an acceptance a moment later: 404 until then."""

        def told() -> Any:
            answer = self.say(f"/missions/$MISSION/{what}")
            return None if answer.get("status") == 404 else answer

        answer: dict[str, Any] = await eventually(told, seconds=60, every=0.5)
        return answer


@pytest.fixture
async def software(stage: Stage) -> AsyncIterator[Software]:
    """Gone afterwards: other journeys count on the firms of the stage."""
    running = Running(stage.url, stage.platform.stack.folder, **connections(stage.platform.stack))  # type: ignore[arg-type]
    town = stage.members[0].town.insee
    row = {"code": "page_reader", "label": "Lisière", "siret": siret(430_001), "insee": town, "door": "kafka", "capacity_per_day": "20"}
    added = await providers.add(running, row | {"areas": f"{SERVICE} 500"})
    start = datetime.now(UTC) + timedelta(hours=1)
    knows = {"URL": stage.url, "CLIENT_ID": added.client.client_id, "CLIENT_SECRET": added.client.secret, "AFTER": ""}
    knows |= {"START": start.isoformat(), "END": (start + timedelta(hours=2)).isoformat()}
    made = Software(stage, running, added, knows)
    made.knows["TOKEN"] = made.say("/oauth/token")["access_token"]
    yield made
    async with operations.database(running, "dispatch") as db, db.transaction() as tx:
        await upsert_provider(tx, replace(added.provider, ended_on=(date.today() - timedelta(days=1)).isoformat()))


@pytest.mark.timeout(400)
async def test_the_page_takes_a_provider_through_every_answer(software: Software) -> None:
    assert software.feed() == []

    declined = await software.is_offered()
    assert software.say("/decline")["status"] == "declined"
    assert software.say("/decline")["status"] == "declined"
    refusal = software.say("/accept")
    assert (refusal["status"], refusal["code"]) == (409, "already_answered")
    assert set(refusal) == {"type", "title", "status", "detail", "code", "trace_id"}

    await software.accepts()
    assert software.say("/reconfirm")["status"] == "accepted"
    assert (await software.on_site("start"))["state"] == "in_progress"
    assert (await software.on_site("complete"))["state"] == "done"

    await software.accepts()
    assert software.say("/give-up")["status"] == "taken_back"

    await software.accepts()
    assert (await software.on_site("fail"))["state"] == "failed"

    software.knows["AFTER"] = ""

    def all_told() -> list[dict[str, Any]]:
        items = software.say("/feed")["items"]
        return items if {"started", "done"} <= {item["kind"] for item in items} else []

    told = await eventually(all_told, seconds=60, every=0.5)
    assert [item["position"] for item in told] == list(range(1, len(told) + 1))
    assert declined in told
    with _reading(software.added) as documents:
        assert [json.loads(next(documents)) for _ in told] == told

    standing = await providers.standing(software.running, "page_reader")
    assert (standing.answer, standing.unsent) == ("accepted", 0)
    assert standing.told >= len(told) and list(standing.lag) == [f"provider.{software.added.provider.id}.software"]


@contextmanager
def _reading(added: Added) -> Iterator[IO[str]]:
    """The reader of the page, and what it prints."""
    assert added.reader
    broker = {"KAFKA_BOOTSTRAP": added.reader.bootstrap, "KAFKA_USER": added.reader.user, "KAFKA_PASSWORD": added.reader.password}
    environment = os.environ | broker | {"KAFKA_SECURITY": "SASL_PLAINTEXT"}
    process = subprocess.Popen([sys.executable, "-c", READER], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield process.stdout
    finally:
        process.kill()
        process.communicate()
