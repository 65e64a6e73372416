"""How long a platform takes to be itself again, measured while work goes on."""

import asyncio
import time
from collections.abc import Collection

import asyncpg
from confluent_kafka import KafkaException

from deploy import operations
from deploy.running import Running

AFTER_S = 2  # what is said in this time belongs to what must have been read
EVERY_S = 0.3
PATIENCE_S = 120
OUT_OF_REACH = (KafkaException, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)

Ends = dict[tuple[str, int], int]


async def caught_up(running: Running, services: Collection[str]) -> float:
    """Seconds until each of these had sent, and applied, all there was two seconds after the call; infinite when patience ends."""
    began = time.monotonic()
    await asyncio.sleep(AFTER_S if services else 0)
    goal: tuple[Ends, dict[str, int]] | None = None
    left = set(services)
    while left:
        if time.monotonic() - began > PATIENCE_S:
            return float("inf")
        try:
            goal = goal or await _goal(running, services)
            left = {service for service in left if await _is_behind(running, service, *goal)}
        except OUT_OF_REACH:
            pass
        await asyncio.sleep(EVERY_S if left else 0)
    return time.monotonic() - began


async def _goal(running: Running, services: Collection[str]) -> tuple[Ends, dict[str, int]]:
    """The ends of the log, and the newest row of each outbox."""
    ends = await asyncio.to_thread(operations.log_ends, running)
    return ends, {service: (await operations.standing(running, service, ends)).last_row for service in services}


async def _is_behind(running: Running, service: str, ends: Ends, rows: dict[str, int]) -> bool:
    conn = await asyncpg.connect(running.database(service), timeout=5)
    try:
        positions = await conn.fetch("select topic, partition, next_offset from kit.position")
        if any(row["next_offset"] < ends[row["topic"], row["partition"]] for row in positions):
            return True
        waiting: bool = await conn.fetchval("select exists (select from kit.unsent where id <= $1)", rows[service])
        return waiting
    finally:
        await conn.close()
