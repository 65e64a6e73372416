"""Asked again because of news: the answer waits until this service has heard the same.

Services hear of an event one after the other. A browser that was told by one and asks another says what it was told of, as
`Entraide-Heard: topic/source/key/seq` (several with commas); the other answers as soon as it has applied that, or after `PATIENCE_S`
with `Entraide-Behind`, which means: ask again.
"""

import asyncio
import contextlib
import re
from dataclasses import dataclass, field

import asyncpg
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.kit import marks
from services.kit.db import Database
from services.kit.marks import Place

HEARD, BEHIND = b"entraide-heard", b"entraide-behind"
PATIENCE_S = 1.0
LOOK_S = 0.025
MOST = 60
PLACE = re.compile(r"([a-z]{1,40})/([0-9a-z_-]{1,60})/([0-9a-z:-]{1,80})/([0-9]{1,18})")


def parse(text: str) -> Place | None:
    """`topic/source/key/seq`."""
    found = PLACE.fullmatch(text.strip())
    return Place(found[1], found[2], found[3], int(found[4])) if found else None


@dataclass(slots=True, eq=False)
class _Waiting:
    places: set[Place]
    there: asyncio.Event = field(default_factory=asyncio.Event)


class Hearing:
    """Of one web process: all requests that wait look at the marks together."""

    def __init__(self) -> None:
        self._waiting: set[_Waiting] = set()
        self._somebody = asyncio.Event()

    async def reached(self, places: set[Place]) -> bool:
        """Whether this service has applied all of these, as soon as it has; False when the time is over."""
        waiting = _Waiting(places)
        self._waiting.add(waiting)
        self._somebody.set()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await waiting.there.wait()
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(waiting)
        return True

    async def run(self, db: Database) -> None:
        """For ever; looks only while somebody waits."""
        while True:
            await self._somebody.wait()
            if not self._waiting:
                self._somebody.clear()
                continue
            with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):  # who waits is told that we are behind
                await self._look(db)
            await asyncio.sleep(LOOK_S)

    async def _look(self, db: Database) -> None:
        asked = list(self._waiting)
        wanted = {place for one in asked for place in one.places if place.source != db.service}  # what it says it knows
        missing: set[Place] = set()
        if wanted:
            async with db.connection() as conn:
                missing = await marks.missing(conn, wanted)
        for one in asked:
            one.places &= missing
            if not one.places:
                one.there.set()


def _said(scope: Scope) -> bytes | None:
    if scope["type"] == "http":
        for name, value in scope["headers"]:
            if name == HEARD:
                return bytes(value)
    return None


class HeardMiddleware:
    """Pure ASGI. What cannot be read in the header is not waited for."""

    def __init__(self, app: ASGIApp, hearing: Hearing) -> None:
        self._app = app
        self._hearing = hearing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        said = _said(scope)
        if said is None:
            await self._app(scope, receive, send)
            return
        places = {place for text in said.decode("latin-1").split(",")[-MOST:] if (place := parse(text))}
        behind = bool(places) and not await self._hearing.reached(places)

        async def sending(message: Message) -> None:
            if behind and message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (BEHIND, b"1")]
            await send(message)

        await self._app(scope, receive, sending)
