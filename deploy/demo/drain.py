"""Waiting until the platform has nothing left to do."""

import asyncio
from dataclasses import dataclass

import asyncpg

from deploy import operations
from deploy.operations import Standing
from deploy.running import Running

EVERY_S = 0.4


@dataclass(frozen=True, slots=True)
class Left:
    """What is still to be done, and what will not be done by itself."""

    unpublished: int
    lag: int
    open_cases: int
    stuck: int

    @property
    def nothing(self) -> bool:
        return not (self.unpublished or self.lag or self.open_cases)

    def __str__(self) -> str:
        return f"{self.unpublished} to be sent, {self.lag} to be read, {self.open_cases} cases open, {self.stuck} stuck"


async def drain(running: Running, patience_s: float = 60) -> Left:
    """Until all outboxes are empty, everything is read and every case closed, twice in a row; or until patience ends."""
    loop = asyncio.get_running_loop()
    give_up = loop.time() + patience_s
    before: list[int] = []
    while True:
        found = await operations.all_standing(running)
        left = _left(found, await _open_cases(running))
        rows = [one.last_row for one in found]
        if (left.nothing and rows == before) or loop.time() > give_up:
            return left
        before = rows
        await asyncio.sleep(EVERY_S)


def _left(found: list[Standing], open_cases: int) -> Left:
    return Left(
        unpublished=sum(one.unpublished for one in found),
        lag=sum(sum(one.lag.values()) for one in found),
        open_cases=open_cases,
        stuck=sum(one.parked_keys + len(one.paused) for one in found),
    )


async def _open_cases(running: Running) -> int:
    conn = await asyncpg.connect(running.database("intake"))
    try:
        number: int = await conn.fetchval("select count(*) from assistance_case where open")
    finally:
        await conn.close()
    return number
