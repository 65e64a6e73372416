"""Ids that sort by time, and the time itself, which is the database's: `Transaction.now`."""

import time
from datetime import datetime, timedelta

import uuid_utils


def new_id() -> str:
    """A UUIDv7."""
    return str(uuid_utils.uuid7())


class Clock:
    """The database's clock for who cannot ask it each time: what it said last, and how long ago that was."""

    def set(self, now: datetime) -> None:
        self._said, self._heard = now, time.monotonic()

    def now(self) -> datetime:
        return self._said + timedelta(seconds=time.monotonic() - self._heard)
