"""`python -m tests.bench.yardsticks`: each yardstick once, on an embedded stack of its own."""

from urllib.parse import urlsplit

import asyncpg
import uvloop
from rich.console import Console
from rich.table import Table

from deploy.stack import Stack
from tests.bench import bare_post, commits, faststream_batch, faststream_outbox, raw
from tests.bench.engines import Engines
from tests.bench.hop import Latency

DATABASE = "bench"


async def engines_of(stack: Stack) -> Engines:
    """The stack's own server and broker, in a database beside the services'."""
    db = await asyncpg.connect(stack.postgres_url)
    if not await db.fetchval("SELECT true FROM pg_database WHERE datname = $1", DATABASE):
        await db.execute(f"CREATE DATABASE {DATABASE}")
    await db.close()
    dsn = urlsplit(stack.postgres_url)._replace(path=f"/{DATABASE}").geturl()
    return Engines(dsn, stack.broker.bootstrap, stack.broker.user, stack.broker.password)


async def measure(engines: Engines) -> Table:
    table = Table("yardstick", "figure")

    def delay(latency: Latency) -> str:
        return f"p50 {latency.p50_ms:.1f} ms, p99 {latency.p99_ms:.1f} ms at 20/s"

    table.add_row("raw", f"{await raw.drain(engines):.0f} events/s of 20,000")
    table.add_row("raw", delay(await raw.light(engines)))
    table.add_row("faststream_batch", f"{await faststream_batch.drain(engines):.0f} events/s of 20,000")
    table.add_row("faststream_outbox", f"{await faststream_outbox.drain(engines):.0f} events/s of 2,000")
    table.add_row("faststream_outbox", delay(await faststream_outbox.light(engines)))
    table.add_row("commits", f"{await commits.rate(engines):.0f} commits/s on {commits.CONNECTIONS} connections")
    posts = await bare_post.rate(engines)
    table.add_row("bare_post", f"{posts.per_s:.0f} requests/s, p50 {posts.p50_ms:.1f} ms, p99 {posts.p99_ms:.1f} ms")
    table.add_row("bare_post", f"its client used {posts.client_cpu:.0%} of a core")
    return table


async def main() -> None:
    stack = await Stack.up(services=("intake",))
    try:
        Console().print(await measure(await engines_of(stack)))
    finally:
        await stack.down()


if __name__ == "__main__":
    uvloop.run(main())
