"""How long a platform takes to be itself again."""

import asyncio
import time
from collections.abc import Iterable

import asyncpg
from confluent_kafka import KafkaException

from deploy import operations
from deploy.running import Running

EVERY_S = 0.5
PATIENCE_S = 120
OUT_OF_REACH = (KafkaException, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


async def caught_up(running: Running, services: Iterable[str]) -> float:
    """Seconds until each of these was seen with all sent and all applied while work went on; infinite when patience ends."""
    began = time.monotonic()
    left = set(services)
    while left:
        if time.monotonic() - began > PATIENCE_S:
            return float("inf")
        await asyncio.sleep(EVERY_S)
        try:
            ends = await asyncio.to_thread(operations.log_ends, running)
            for service in sorted(left):
                found = await operations.standing(running, service, ends)
                if not found.unpublished and not any(found.lag.values()):
                    left.discard(service)
        except OUT_OF_REACH:
            continue
    return time.monotonic() - began
