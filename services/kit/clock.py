"""Ids that sort by time, and the time itself, which is the database's: `Transaction.now`."""

import time
from datetime import datetime, timedelta
from typing import Any

import uuid_utils


def new_id() -> str:
    """A UUIDv7."""
    return str(uuid_utils.uuid7())


class Clock:
    """The database's clock for who cannot ask it each time: what it said last, and how long ago that was."""

    async def ask(self, conn: Any) -> None:
        asked = time.monotonic()
        self._said: datetime = await conn.fetchval("select clock_timestamp()")
        self._at = (asked + time.monotonic()) / 2  # it was said on the way

    def now(self) -> datetime:
        return self._said + timedelta(seconds=time.monotonic() - self._at)
