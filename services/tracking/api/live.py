"""The live stream: one per browser. It names what changed; whoever hears asks the owner of each panel again.

With what was `heard`, because the owner of a panel may hear of it later (`services/kit/heard.py`).
"""

import base64
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Header, Query, Request
from sse_starlette import EventSourceResponse, ServerSentEvent

from services.kit.app import PROBLEMS
from services.kit.auth import Caller
from services.kit.bounds import Seq
from services.tracking.api.shared import PREFIX, Reader, db, hub
from services.tracking.store import changes
from services.tracking.stream import MOST, Change, Hub, next_change, seen_by

router = APIRouter(prefix=PREFIX, tags=["stream"], responses=PROBLEMS)
PING_S = 5.0
LOADING_S = 15.0  # a page is not older than that when its browser begins to listen


@router.get("/stream", response_class=EventSourceResponse)
async def stream(
    caller: Reader,
    request: Request,
    last_event_id: Annotated[Seq | None, Query()] = None,
    last_heard: Annotated[Seq | None, Header(alias="Last-Event-ID")] = None,
) -> EventSourceResponse:
    """Ids are the view's sequence: what came after Last-Event-ID is told first. `ping` every 5 s, `end` when the token runs out,
    `reset` when what was missed cannot be told."""
    after = last_event_id if last_heard is None else last_heard
    until = _expiry(request.headers["authorization"].partition(" ")[2])
    return EventSourceResponse(_events(request, hub(request), caller, after, until), ping=3600, headers={"X-Accel-Buffering": "no"})


async def _events(request: Request, hub: Hub, caller: Caller, after: int | None, until: float) -> AsyncIterator[ServerSentEvent]:
    async with hub.listening(caller) as listener:
        sent = hub.last
        for change in await _missed(request, caller, after, sent):
            yield _reset(sent) if change is None else _news(change)
        yield _ping(hub, sent)
        while (left := until - time.time()) > 0:
            change = await next_change(listener, min(PING_S, left))
            if listener.overrun:
                listener.overrun, sent = False, hub.last
                yield _reset(sent)
            elif change is None:
                if left > PING_S:
                    yield _ping(hub, sent)
            elif change.seq > sent:
                sent = change.seq
                yield _news(change)
        yield ServerSentEvent(event="end", data="{}")


async def _missed(request: Request, caller: Caller, after: int | None, last: int) -> list[Change | None]:
    """What came after `after`, up to `last`; one None when that cannot be told. A browser that never listened is told what happened
    since its page was made."""
    if after is not None and after > last:
        return [None]
    async with db(request).connection() as conn:
        if after is None:
            after = await changes.just_before(conn, LOADING_S, MOST - 1)
        _, rows = await changes.since(conn, after, MOST)
    if len(rows) == MOST:
        return [None]
    return [change for row in rows if row["seq"] <= last and (change := seen_by(caller, row))]


def _ping(hub: Hub, seq: int) -> ServerSentEvent:
    return ServerSentEvent(event="ping", id=str(seq), data=_json({"now": hub.now().isoformat()}))


def _news(change: Change) -> ServerSentEvent:
    return ServerSentEvent(id=str(change.seq), data=_json({"topics": change.topics, "heard": change.heard}))


def _reset(seq: int) -> ServerSentEvent:
    return ServerSentEvent(event="reset", id=str(seq), data="{}")


def _json(value: dict[str, Any]) -> str:
    return orjson.dumps(value).decode()


def _expiry(token: str) -> float:
    """Of a token that was verified."""
    payload = token.split(".")[1]
    return float(orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"])
