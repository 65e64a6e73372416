"""What people change of a member is pushed at once to its principal's own software, where the settings name an address for it.

Standard Webhooks (github.com/standard-webhooks/standard-webhooks): `webhook-id`, `webhook-timestamp`, `webhook-signature: v1,<base64>`,
HMAC-SHA256 of `id.timestamp.body`. The id is that of the amendment, the same at each try. A member's amendments arrive in their order: the
next waits for the one before it, until that is taken or given up.
"""

import base64
import hashlib
import hmac
import tomllib
from collections.abc import Mapping
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
import structlog
from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError, field_validator

from contracts.common import Code, TaskClosed, TaskOpened
from services.kit import deadlines, failpoints
from services.kit.clock import new_id
from services.kit.db import Database, Transaction
from services.kit.deadlines import Deadlines
from services.reference.store import pushes as store
from services.reference.usecases.amendments import PUSH

TRIES = 12  # the last one two hours and a half after the first
FIRST_WAIT = timedelta(seconds=4)
TIMEOUT_S = 5
ANSWER_WITHIN = timedelta(hours=8)  # a person looks at an address that does not answer

log = structlog.get_logger()


class Target(BaseModel):
    """Where a principal listens. `secret`: `whsec_` and base64, as Standard Webhooks write it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(max_length=500)
    secret: SecretStr

    @field_validator("url")
    @classmethod
    def _not_to_be_overheard(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and _here(parts.hostname)):
            raise ValueError("only https, or http to 127.0.0.1")
        return url

    @field_validator("secret")
    @classmethod
    def _long_enough(cls, secret: SecretStr) -> SecretStr:
        try:
            key = _key(secret)
        except ValueError:  # also of binascii
            raise ValueError("whsec_ and base64") from None
        if not 24 <= len(key) <= 64:
            raise ValueError("24 to 64 bytes")
        return secret

    def signed(self, message_id: str, now: datetime, body: bytes) -> dict[str, str]:
        """The headers that go with this body."""
        stamp = str(int(now.timestamp()))
        digest = hmac.digest(_key(self.secret), b".".join((message_id.encode(), stamp.encode(), body)), hashlib.sha256)
        return {"webhook-id": message_id, "webhook-timestamp": stamp, "webhook-signature": f"v1,{base64.b64encode(digest).decode()}"}


Targets = Mapping[str, Target]
targets: Targets = {}  # by a principal's code; set once by the worker from its settings
_TARGETS = TypeAdapter(dict[Code, Target])


class BadTargets(ValueError):
    """The file of webhooks cannot be meant; it says what is wrong, and no secret."""


def read(file: Path) -> Targets:
    """A TOML file, a table a principal: `[orvane]`, `url`, `secret`. Raises `BadTargets`."""
    try:
        return _TARGETS.validate_python(tomllib.loads(file.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise BadTargets(f"{file.name} is no TOML file") from None
    except ValidationError as wrong:
        said = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in wrong.errors(include_url=False, include_input=False))
        raise BadTargets(f"{file.name}: {said}") from None


async def run(db: Database) -> None:
    """In the worker, for ever; apart from other deadlines, which wait for nobody outside."""
    await Deadlines(db, {PUSH: push}).run()


async def push(tx: Transaction, member_id: str) -> None:
    """The deadline of a member: its oldest amendment that was not pushed; those after it follow."""
    amendment = await store.next_of(tx.conn, member_id)
    if amendment is None:
        return
    target = targets.get(amendment["principal"])
    if target is None or await _sent(target, amendment, tx.now):
        failpoints.hit("webhook.taken")
        await store.done(tx.conn, member_id, amendment["amendment"], tx.now)
        if target:
            await _well_again(tx, amendment["principal_id"])
    else:
        tries = amendment["tries"] + 1
        if tries < TRIES:
            await store.tried(tx.conn, member_id, amendment["amendment"], tries)
            await deadlines.put(tx.conn, PUSH, member_id, tx.now + FIRST_WAIT * 2 ** (tries - 1))
            return
        await store.done(tx.conn, member_id, amendment["amendment"], tx.now, failed=True)
        await _given_up(tx, amendment["principal_id"])
    if await store.next_of(tx.conn, member_id):
        await deadlines.put(tx.conn, PUSH, member_id, tx.now)


def document(amendment: Mapping[str, Any]) -> bytes:
    """What a principal's software is sent. Values as in the API; `member` is the member's number there."""
    changes = [one | {"by": one["by"] if one["by"] == "member" else "agent"} for one in amendment["changes"]]
    data = {"member": amendment["number"], "principal": amendment["principal"], "changes": changes}
    return orjson.dumps({"type": "member.changed", "timestamp": amendment["at"], "data": data}, option=orjson.OPT_UTC_Z)


async def _sent(target: Target, amendment: Mapping[str, Any], now: datetime) -> bool:
    """Any 2xx takes it; a redirection is not followed."""
    body = document(amendment)
    headers = {"content-type": "application/json", **target.signed(amendment["amendment"], now, body)}
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as http:
            answer = await http.post(target.url, content=body, headers=headers)
    except httpx.HTTPError as failure:
        log.info("webhook not taken", principal=amendment["principal"], failure=type(failure).__name__)
        return False
    if not answer.is_success:
        log.info("webhook not taken", principal=amendment["principal"], status=answer.status_code)
    return answer.is_success


async def _given_up(tx: Transaction, principal_id: str) -> None:
    """One task a principal, however much it was not told; the next file out still tells it all."""
    task_id = new_id()
    if await store.trouble(tx.conn, principal_id, task_id):
        tx.emit(TaskOpened(task_id=task_id, kind="webhook_silent", role="supervisor", due_at=tx.now + ANSWER_WITHIN))


async def _well_again(tx: Transaction, principal_id: str) -> None:
    if task_id := await store.over(tx.conn, principal_id):
        tx.emit(TaskClosed(task_id=task_id, outcome="resolved_itself"))


def _key(secret: SecretStr) -> bytes:
    return base64.b64decode(secret.get_secret_value().removeprefix("whsec_"), validate=True)


def _here(host: str | None) -> bool:
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False
