"""Changes pushed to a principal's own software: signed, in order, once more rather than never, and given up with a task."""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest
import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from contracts.common import Actor
from deploy.stack import Stack
from services.kit.deadlines import Deadlines
from services.reference.usecases import amendments, webhooks
from services.reference.usecases.amendments import PUSH, By
from services.reference.usecases.webhooks import BadTargets, Target
from tests.conftest import eventually
from tests.integration.reference_harness import Reference, reference

__all__ = ["reference"]

ROOT = Path(__file__).parents[2]
SECRET = "whsec_" + base64.b64encode(b"a key of thirty-two bytes, no less").decode()
AGENT = By(Actor(kind="agent"), "desk", staff=True)


@dataclass
class Crm:
    """A principal's software: takes what is signed rightly and not older than five minutes, once per id."""

    port: int = 0
    answers: list[int] = field(default_factory=list)  # of the next requests; then 204
    requests: list[str] = field(default_factory=list)  # their ids
    taken: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def hook(self, request: Request) -> Response:
        body = await request.body()
        message_id, stamp, given = (request.headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
        key = base64.b64decode(SECRET.removeprefix("whsec_"))
        expected = base64.b64encode(hmac.new(key, f"{message_id}.{stamp}.".encode() + body, hashlib.sha256).digest()).decode()
        if given != f"v1,{expected}":
            return Response(status_code=401)
        self.requests.append(message_id)
        answer = self.answers.pop(0) if self.answers else 204
        if answer < 300:
            self.taken.setdefault(message_id, json.loads(body))
        return Response(status_code=answer)

    def phones(self) -> list[str]:
        """As they were told, in order."""
        return [change["new"][0] for document in self.taken.values() for change in document["data"]["changes"] if change["field"] == "phones"]


@asynccontextmanager
async def listening() -> AsyncIterator[Crm]:
    crm = Crm()
    app = Starlette(routes=[Route("/hook", crm.hook, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="off"))
    serving = asyncio.create_task(server._serve())
    await eventually(lambda: server.started)
    crm.port = server.servers[0].sockets[0].getsockname()[1]
    yield crm
    server.should_exit = True
    await serving


@pytest.fixture
async def crm(reference: Reference, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Crm]:
    async with reference.db.transaction() as tx:
        await tx.conn.execute("delete from kit.deadline where kind = $1", PUSH)  # of members of other tests
    async with listening() as crm:
        monkeypatch.setattr(webhooks, "targets", {"banque_orvane": Target(url=crm.url, secret=SecretStr(SECRET))})
        yield crm


async def amend(reference: Reference, member_id: str, phone: str) -> None:
    async with reference.db.transaction() as tx:
        await amendments.amend(tx, member_id, {"phones": [phone]}, AGENT, None)


async def fire(reference: Reference) -> None:
    """All that is due."""
    deadlines = Deadlines(reference.db, {PUSH: webhooks.push})
    while await deadlines.step():
        pass


async def hurry(reference: Reference) -> None:
    """As if the waits were over."""
    async with reference.db.transaction() as tx:
        await tx.conn.execute("update kit.deadline set due_at = now() where kind = $1", PUSH)
    await fire(reference)


async def test_what_was_changed_at_once_is_one_signed_message(reference: Reference, crm: Crm) -> None:
    member_id = await reference.fresh_member()
    async with reference.db.transaction() as tx:
        await amendments.amend(tx, member_id, {"phones": ["0639980011"], "language": "en"}, AGENT, None)
    await fire(reference)
    [(message_id, document)] = crm.taken.items()
    assert message_id == await reference.value("select distinct amendment from member_change where member_id = $1", member_id)
    number = await reference.value("select number from member where id = $1", member_id)
    assert (document["type"], document["data"]["member"], document["data"]["principal"]) == ("member.changed", number, "banque_orvane")
    assert [(one["field"], one["old"], one["new"]) for one in document["data"]["changes"]] == [
        ("phones", [], ["+33639980011"]),
        ("language", "fr", "en"),
    ]
    await hurry(reference)
    assert len(crm.requests) == 1


async def test_a_members_changes_arrive_in_their_order_though_the_first_try_failed(reference: Reference, crm: Crm) -> None:
    member_id, other = await reference.fresh_member(), await reference.fresh_member()
    crm.answers = [503]
    for phone in ("0639980021", "0639980022", "0639980023"):
        await amend(reference, member_id, phone)
    await fire(reference)
    assert crm.taken == {}
    await amend(reference, other, "0639980029")
    await fire(reference)
    assert crm.phones() == ["+33639980029"], "another member does not wait"
    await hurry(reference)
    assert crm.phones()[1:] == ["+33639980021", "+33639980022", "+33639980023"]
    assert crm.requests[0] == crm.requests[2], "the same id again"


async def test_the_waits_grow(reference: Reference, crm: Crm) -> None:
    member_id = await reference.fresh_member()
    crm.answers = [500] * 4
    await amend(reference, member_id, "0639980031")
    waits = []
    for _ in range(4):
        await hurry(reference)
        waits.append(await reference.value("select extract(epoch from due_at - now()) from kit.deadline where kind = $1", PUSH))
    assert all(2 * later > 3 * sooner for sooner, later in pairwise(waits)), waits


async def test_after_the_last_try_a_person_is_told_once_and_again_when_it_is_well(reference: Reference, crm: Crm) -> None:
    member_id, other = await reference.fresh_member(), await reference.fresh_member()
    crm.answers = [500] * (2 * webhooks.TRIES)
    await amend(reference, member_id, "0639980041")
    await amend(reference, other, "0639980042")
    for _ in range(webhooks.TRIES):
        await hurry(reference)
    assert len(crm.requests) == 2 * webhooks.TRIES
    task_id = str(await reference.value("select task_id from webhook_trouble"))
    opened = "select count(*) from kit.outbox where type = 'common.task_opened.v1' and convert_from(payload, 'utf8') like '%webhook_silent%'"
    assert await reference.value(opened) == 1
    assert await reference.value("select bool_and(push_failed and acknowledged_at is null) from member_change where member_id = $1", member_id)
    await amend(reference, member_id, "0639980043")
    await fire(reference)
    assert crm.phones() == ["+33639980043"], "what follows is told"
    assert [name for name, _ in await reference.told(task_id)] == ["common.task_opened.v1", "common.task_closed.v1"]


async def test_a_principal_without_an_address_is_told_by_files_alone(reference: Reference, crm: Crm) -> None:
    member_id = await reference.fresh_member("home_lys", "assur_lys")
    await amend(reference, member_id, "0639980051")
    await fire(reference)
    assert crm.requests == []
    assert await reference.value("select count(*) from kit.deadline where kind = $1", PUSH) == 0


async def test_nobody_listening_is_a_failed_try_and_no_redirection_is_followed(reference: Reference, crm: Crm) -> None:
    member_id = await reference.fresh_member()
    crm.answers = [307]
    await amend(reference, member_id, "0639980061")
    await fire(reference)
    assert len(crm.requests) == 1 and crm.taken == {}
    webhooks.targets = {"banque_orvane": Target(url="http://127.0.0.1:9/hook", secret=SecretStr(SECRET))}
    await hurry(reference)
    assert await reference.value("select max(push_tries) from member_change where member_id = $1", member_id) == 2


async def test_a_worker_killed_after_it_was_heard_says_it_again_under_the_same_id(
    reference: Reference, crm: Crm, stack: Stack, tmp_path: Path
) -> None:
    member_id = await reference.fresh_member()
    for phone in ("0639980071", "0639980072"):
        await amend(reference, member_id, phone)
    marker = tmp_path / "reached"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.webhook_process", crm.url, SECRET),
        cwd=ROOT,
        env=os.environ
        | stack.environment("reference")
        | {"ENTRAIDE_FAILPOINT": "webhook.taken", "ENTRAIDE_FAILPOINT_FILE": str(marker), "ENTRAIDE_FAILPOINT_SKIP": "0"},
    )
    await eventually(lambda: marker.exists() and psutil.Process(process.pid).status() == psutil.STATUS_STOPPED, seconds=60)
    process.kill()
    assert await process.wait() == -9

    async def released() -> bool:
        await fire(reference)
        return len(crm.taken) == 2

    await eventually(released, seconds=20)
    assert crm.phones() == ["+33639980071", "+33639980072"]
    assert len(crm.requests) == 3 and len(set(crm.requests)) == 2 and crm.requests[0] == crm.requests[1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[orvane]\nurl = "http://crm.example.com/hook"\nsecret = "{secret}"', "only https"),
        ('[orvane]\nurl = "http://127.0.0.1.example.com/hook"\nsecret = "{secret}"', "only https"),
        ('[orvane]\nurl = "https://crm.example.com/hook"\nsecret = "whsec_c2hvcnQ="', "24 to 64 bytes"),
        ('[orvane]\nurl = "https://crm.example.com/hook"\nsecret = "whsec_§"', "whsec_ and base64"),
        ('[orvane]\nurl = "https://crm.example.com/hook"', "orvane.secret"),
        ("[orvane", "is no TOML file"),
    ],
)
def test_addresses_that_cannot_be_meant_stop_the_worker_and_show_no_secret(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "webhooks.toml"
    file.write_text(text.format(secret=SECRET))
    with pytest.raises(BadTargets, match=said) as wrong:
        webhooks.read(file)
    assert SECRET not in str(wrong.value) and "c2hvcnQ" not in str(wrong.value)


def test_a_file_of_addresses_is_read(tmp_path: Path) -> None:
    file = tmp_path / "webhooks.toml"
    file.write_text(f'[orvane]\nurl = "https://crm.example.com/hook"\nsecret = "{SECRET}"\n')
    assert webhooks.read(file)["orvane"].url == "https://crm.example.com/hook" and SECRET not in repr(webhooks.read(file))


def test_what_integrators_are_told_to_do_verifies_our_signature() -> None:
    page = (ROOT / "docs" / "integrators.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```python verify.py\n(.*?)```", page, re.DOTALL)
    said: dict[str, Any] = {}
    exec(block, said)
    body = b'{"type": "member.changed"}'
    headers = Target(url="https://crm.example.com", secret=SecretStr(SECRET)).signed("message", datetime.now(UTC), body)
    assert said["verify"](SECRET, headers, body)
    assert not said["verify"](SECRET, headers, body + b" ")
    old = Target(url="https://crm.example.com", secret=SecretStr(SECRET)).signed("message", datetime.now(UTC) - timedelta(minutes=6), body)
    assert not said["verify"](SECRET, old, body)
