"""Yardstick `commits`: durable commits of one row of the size of an event, 16 connections side by side, on asyncpg."""

import asyncio
import time
from uuid import uuid4

import asyncpg

from tests.bench.engines import Engines
from tests.bench.hop import events

CONNECTIONS = 16


async def rate(engines: Engines, seconds: float = 3) -> float:
    """Commits per second."""
    table, body = f"bench_commits_{uuid4().hex[:8]}", events(1)[0].body
    connections = [await asyncpg.connect(engines.dsn) for _ in range(CONNECTIONS)]
    columns = "id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body bytea NOT NULL"
    await connections[0].execute(f"CREATE TABLE {table} ({columns})")

    async def commit_until(end: float, db: asyncpg.Connection) -> int:
        insert = await db.prepare(f"INSERT INTO {table} (body) VALUES ($1)")
        done = 0
        while time.perf_counter() < end:
            await insert.fetch(body)
            done += 1
        return done

    try:
        began = time.perf_counter()
        done = await asyncio.gather(*(commit_until(began + seconds, db) for db in connections))
        return sum(done) / (time.perf_counter() - began)
    finally:
        await connections[0].execute(f"DROP TABLE {table}")
        for db in connections:
            await db.close()
