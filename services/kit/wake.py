"""Tells the relay that there is something to send: at once in the same process, by one coalesced NOTIFY from another.

The NOTIFY goes out after the commit on a connection of its own: inside a hot transaction it costs two thirds of the commits.
"""

import asyncio
import contextlib

import asyncpg
import structlog

from services.kit.db import Database

CHANNEL = "entraide_outbox"
log = structlog.get_logger()


class Notifier:
    """In the web process: `ring` is given to the database, `run` is a background task."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()

    async def run(self, db: Database) -> None:
        while True:
            await self._rung.wait()
            self._rung.clear()
            with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):  # the relay polls as well
                async with db.connection() as conn:
                    await conn.execute(f"notify {CHANNEL}")


async def listen(db: Database, events: list[asyncio.Event]) -> None:
    """In the worker: sets the relays' events at each NOTIFY; connects again when the connection is lost."""
    while True:
        try:
            async with db.connection() as conn:
                lost = asyncio.Event()

                def heard(*_: object) -> None:
                    for event in events:
                        event.set()

                def gone(*_: object, lost: asyncio.Event = lost) -> None:
                    lost.set()

                conn.add_termination_listener(gone)
                await conn.add_listener(CHANNEL, heard)
                try:
                    await lost.wait()
                finally:
                    conn.remove_termination_listener(gone)
                    await conn.remove_listener(CHANNEL, heard)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError) as failure:
            log.info("listening again", failure=type(failure).__name__)
        await asyncio.sleep(0.5)
