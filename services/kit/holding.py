"""Records of one partition that came and are not applied yet. Those that nobody waits for are held until company comes, or their patience
ends: together they cost one transaction."""

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Sequence

from aiokafka import ConsumerRecord


class Holding:
    """`patience`: how many seconds a record may wait."""

    def __init__(self, patience: Callable[[ConsumerRecord], float], enough: int) -> None:
        self._patience = patience
        self._enough = enough
        self._until = math.inf
        self._records: list[ConsumerRecord] = []
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._records)

    def add(self, records: Sequence[ConsumerRecord]) -> None:
        now = time.monotonic()
        for record in records:
            if self._until <= now:
                break
            self._until = min(self._until, now + self._patience(record))
        self._records += records
        self._changed.set()

    def clear(self) -> None:
        self._records, self._until = [], math.inf
        self._changed.set()

    async def due(self) -> bool:
        """Waits until a batch should be applied; False when nothing is held any more."""
        while self._records and len(self._records) < self._enough and (wait := self._until - time.monotonic()) > 0:
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()
        return bool(self._records)

    def take(self) -> list[ConsumerRecord]:
        """The next batch. What stays has waited as long as the oldest of all."""
        batch, self._records = self._records[: self._enough], self._records[self._enough :]
        if not self._records:
            self._until = math.inf
        return batch
