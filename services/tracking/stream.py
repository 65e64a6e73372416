"""The live stream between the two processes: the worker tells once per burst of commits, each web process hears and hands on.

Messages name what changed, never a person and no state: whoever hears asks its own service again.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import structlog

from services.kit.auth import Caller
from services.kit.db import Database
from services.tracking.store import changes

BURST_S = 0.05
POLL_S = 1.0
MOST = 500  # more changes than that since a browser listened last: it is told to ask for everything
log = structlog.get_logger()

_noted = asyncio.Event()


def told() -> None:
    """Changes were noted in a transaction that is about to commit."""
    _noted.set()


async def notify(db: Database) -> None:
    """In the worker, for ever: one NOTIFY after the commits of a burst, on a connection of its own."""
    while True:
        await _noted.wait()
        _noted.clear()
        try:
            async with db.connection() as conn:
                await changes.tell(conn)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as failure:  # the web processes poll as well
            log.info("not told", failure=type(failure).__name__)
        await asyncio.sleep(BURST_S)


@dataclass(frozen=True, slots=True)
class Change:
    """`heard`: up to where the view has heard of the case; what another service knows by then is asked for with it."""

    seq: int
    topics: tuple[str, ...]
    heard: tuple[str, ...]


def seen_by(caller: Caller, row: dict[str, Any]) -> Change | None:
    """What a caller is told of a change; None for another's."""
    place = _place(caller, row)
    if place is None:
        return None
    return Change(row["seq"], (row["topic"], place) if place else (row["topic"],), tuple(row["heard"]))


def _place(caller: Caller, row: dict[str, Any]) -> str | None:
    """The page of all that is the caller's; empty where there is none, None for another's change."""
    if caller.staff:
        return "" if row["case_id"] is None else "desk"
    if row["case_id"] is None or row["provider_ids"] is None:
        return None
    if row["principal_id"] in caller.principal_ids:
        return "board"
    if caller.member_id and row["member_id"] == caller.member_id:
        return "me"
    if caller.provider_id and caller.provider_id in row["provider_ids"]:
        return "extranet"
    return None


@dataclass(slots=True, eq=False)
class Listener:
    caller: Caller
    queue: asyncio.Queue[Change] = field(default_factory=lambda: asyncio.Queue(MOST))
    overrun: bool = False


class Hub:
    """In the web process: hears of changes and hands each to those it concerns."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._heard = asyncio.Event()
        self._moved = asyncio.Event()
        self._clock: tuple[datetime, float] | None = None
        self.last = 0

    async def run(self, db: Database) -> None:
        async with db.connection() as conn:
            self.last = await changes.last(conn)
        while True:
            try:
                await self._listen(db)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as failure:
                log.info("listening again", failure=type(failure).__name__)
                await asyncio.sleep(0.5)

    @property
    def listeners(self) -> int:
        return len(self._listeners)

    async def moved(self, patience: float) -> None:
        """Returns at the next change, or when the time is over."""
        try:
            async with asyncio.timeout(patience):
                await self._moved.wait()
        except TimeoutError:
            pass

    def now(self) -> datetime:
        """The database's clock."""
        assert self._clock is not None, "asked before the hub ran"
        at, read = self._clock
        return at + timedelta(seconds=time.monotonic() - read)

    @asynccontextmanager
    async def listening(self, caller: Caller) -> AsyncIterator[Listener]:
        listener = Listener(caller)
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    async def _listen(self, db: Database) -> None:
        async with db.connection() as conn:
            await conn.add_listener(changes.CHANNEL, self._ring)
            try:
                while not conn.is_closed():
                    await self._read(conn)
                    try:
                        async with asyncio.timeout(POLL_S):
                            await self._heard.wait()
                    except TimeoutError:
                        pass
                    self._heard.clear()
            finally:
                if not conn.is_closed():
                    await conn.remove_listener(changes.CHANNEL, self._ring)

    def _ring(self, *_: object) -> None:
        self._heard.set()

    async def _read(self, conn: Any) -> None:
        more = True
        while more:
            now, rows = await changes.since(conn, self.last, MOST)
            self._clock = now, time.monotonic()
            for row in rows:
                self._hand_on(row)
            if rows:
                self.last = rows[-1]["seq"]
                self._moved.set()
                self._moved = asyncio.Event()
            more = len(rows) == MOST

    def _hand_on(self, row: dict[str, Any]) -> None:
        for listener in self._listeners:
            change = seen_by(listener.caller, row)
            if change is None:
                continue
            try:
                listener.queue.put_nowait(change)
            except asyncio.QueueFull:
                listener.overrun = True


async def next_change(listener: Listener, patience: float) -> Change | None:
    """None when nothing came in time."""
    try:
        async with asyncio.timeout(patience):
            return await listener.queue.get()
    except TimeoutError:
        return None
