"""Commands: one transaction, one effect per Idempotency-Key, the same answer again.

After draft-ietf-httpapi-idempotency-key-header: 400 missing, 422 other body under the same key; a concurrent equal request waits
for the first and gets its answer. The row commits with the effect; a refusal rolls back and leaves the key free. Kept 48 hours.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from fastapi import Depends, Request, Response
from pydantic import BaseModel

from services.kit.answers import POSITION, Answer
from services.kit.auth import Caller, bearer
from services.kit.db import Connection, Database, Transaction, affected, assuming
from services.kit.errors import BadInput, Forbidden, Invalid

HEADER = "Idempotency-Key"
KEPT_HOURS = 48

Action = Callable[[Transaction], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Command:
    """What a writing route gets as a dependency."""

    db: Database
    caller: Caller
    route: str
    key: str
    body_hash: bytes

    async def run(self, action: Action, status: int = 200) -> Response:
        """Runs `action` in a transaction and stores its answer with it; replays the stored answer to the same key.

        The answer is a model, a dict or list, or a Response. `Entraide-Position` tells which event to wait for in a view.
        """
        mine = False

        async def claim(conn: Connection, settings: tuple[str, ...]) -> datetime:
            nonlocal mine
            [claimed] = await conn.fetch(_CLAIM, self.caller.id, self.route, self.key, self.body_hash, *settings)
            now: datetime = claimed["now"]
            mine = claimed["mine"]
            return now

        async with self.db.transaction(self.caller.tenant, enter=claim) as tx:
            if not mine:
                return await self._stored(tx)
            answer = await action(tx)
            response = answer if isinstance(answer, Response) else _json(answer, status)
            if tx.positions:  # of what the action has flushed itself
                response.headers[POSITION] = str(tx.positions[-1])
            positions = await tx.flush(self._answer(response))
            if positions:
                response.headers[POSITION] = str(positions[-1])
        return response

    async def _stored(self, tx: Transaction) -> Response:
        """The answer of the transaction that had taken the key. Raises `Invalid` where it was taken with another body."""
        stored = await tx.conn.fetchrow(
            "select body_hash, status, headers, body from kit.idempotency where caller = $1 and route = $2 and key = $3",
            self.caller.id,
            self.route,
            self.key,
        )
        assert stored is not None, "the key was taken, then gone"
        if stored["body_hash"] != self.body_hash:
            raise Invalid("this Idempotency-Key was used with another body; take a new key", code="idempotency_key_reused")
        return Response(stored["body"], stored["status"], stored["headers"] | {"Idempotent-Replayed": "true"})

    def _answer(self, response: Response) -> Answer:
        kept = {name: value for name, value in response.headers.items() if name not in ("content-length", "set-cookie")}
        return Answer(self.caller.id, self.route, self.key, response.status_code, kept, bytes(response.body))


async def _command(request: Request) -> Command:
    caller = bearer(request)
    key = request.headers.get(HEADER, "")
    if request.headers.get("content-type", "").startswith(("application/x-www-form-urlencoded", "multipart/form-data")):
        form = await request.form()  # first, and not its body: a route that declares fields has read the stream already
        body = orjson.dumps([(name, value if isinstance(value, str) else value.filename) for name, value in form.multi_items() if name != "csrf"])
        key = key or str(form.get("idempotency_key", ""))
        sent_csrf = request.headers.get("x-csrf") or str(form.get("csrf", ""))
    else:
        body = await request.body()
        sent_csrf = request.headers.get("x-csrf", "")
    if caller.csrf and caller.csrf != sent_csrf:
        raise Forbidden("this form is not from your session; load the page again", code="csrf")
    if not 8 <= len(key) <= 255:
        raise BadInput(f"send a header {HEADER} of 8 to 255 characters, new for each command", code="idempotency_key_missing")
    route = f"{request.method} {request.url.path}"
    return Command(request.app.state.db, caller, route, key, hashlib.sha256(body).digest())


CommandDependency = Depends(_command)

# Waits for a transaction that holds the key.
_CLAIM = f"""
with mine as (
  insert into kit.idempotency (caller, route, key, body_hash, status, headers, body, at)
  values ($1, $2, $3, $4, 0, '{{}}', '', now()) on conflict do nothing returning 1)
select now() as now, exists (select from mine) as mine, {assuming(5)}
"""  # noqa: S608 - our own text


async def purge(db: Database) -> int:
    """Drops answers older than they are kept, a few at a time; returns how many."""
    async with db.transaction() as tx:
        status: str = await tx.conn.execute(
            "delete from kit.idempotency where ctid = any (array(select ctid from kit.idempotency where at < now() - make_interval(hours => $1)"
            " limit 5000))",
            KEPT_HOURS,
        )
    return affected(status)


def _json(answer: Any, status: int) -> Response:
    body = answer.model_dump_json().encode() if isinstance(answer, BaseModel) else orjson.dumps(answer, default=_plain)
    return Response(body, status, media_type="application/json")


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return str(value)
