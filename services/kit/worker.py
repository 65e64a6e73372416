"""The other process of a service: consumers, relays, deadlines, drainer.

When one of them dies, the process ends and the supervisor starts it again.
"""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog
import uvicorn
import uvloop
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.kit import idempotency, kafka, logs, pausing, relay, tail, wake
from services.kit.consumer import Consumer
from services.kit.db import Database
from services.kit.deadlines import Deadlines, Fire
from services.kit.drainer import Drainer
from services.kit.memory import fewer_collections
from services.kit.outbox import Lane
from services.kit.settings import ServiceSettings
from services.kit.subscriptions import Subscription, Table

STALLED_S = 60
log = structlog.get_logger()

Background = Callable[[Database], Awaitable[None]]


def run(
    service: str,
    settings: ServiceSettings,
    subscriptions: Sequence[Subscription] = (),
    deadlines: Mapping[str, Fire] | None = None,
    background: Sequence[Background] = (),
) -> None:
    """Until SIGTERM. `background`: further tasks of the service's own, each for ever."""
    logs.configure(service, "worker", settings.log_level)
    fewer_collections()
    uvloop.run(_main(service, settings, subscriptions, deadlines or {}, background))


async def _main(
    service: str, settings: ServiceSettings, subscriptions: Sequence[Subscription], deadlines: Mapping[str, Fire], background: Sequence[Background]
) -> None:
    table = Table(subscriptions)
    committed = asyncio.Event()  # wakes the live lane; the bulk lane looks twice a second
    db = await Database.connect(service, settings.database_url.get_secret_value(), size=settings.pool_size + len(table.topics), woken=committed.set)
    connection = kafka.connection(settings)
    await tail.check(db, connection)
    consumers = [Consumer(db, connection, topic, table) for topic in table.topics]
    jobs: list[Awaitable[None]] = [relay.Relay(db, connection, Lane.LIVE, committed).run()]
    jobs.append(relay.Relay(db, connection, Lane.BULK, asyncio.Event()).run())
    jobs += [consumer.run() for consumer in consumers]
    jobs += [Drainer(db, table).run(), Deadlines(db, deadlines).run(), wake.listen(db, [committed]), _purge(db)]
    jobs += [_watch(consumers)]
    if settings.worker_port is not None:
        jobs.append(_serve(service, db, settings, settings.worker_port))
    jobs += [task(db) for task in background]
    tasks = [asyncio.ensure_future(job) for job in jobs]
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    stopped = asyncio.ensure_future(stop.wait())
    done, _ = await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
    dead = done - {stopped}
    for task in dead:
        log.error("a task ended, so does the process", exc_info=task.exception())
    if not await _ended(tasks):
        log.error("tasks do not end, the process does")
        os._exit(1)
    await db.close()
    if dead:
        raise SystemExit(1)


async def _ended(tasks: Sequence[asyncio.Future[None]]) -> bool:
    """Cancels until all have ended, ten seconds at most: a library may swallow a cancellation."""
    for _ in range(10):
        waiting = [task for task in tasks if not task.done()]
        if not waiting:
            return True
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting, timeout=1)
    return all(task.done() for task in tasks)


async def _watch(consumers: Sequence[Consumer]) -> None:
    """Liveness is progress: records wait and none is applied for a minute, then the process is no use."""
    while True:
        await asyncio.sleep(5)
        for consumer in consumers:
            if time.monotonic() - consumer.progressed_at > STALLED_S:
                raise TimeoutError("a consumer makes no progress")


async def _purge(db: Database) -> None:
    """Hourly, while there is something to drop a few at a time: what was published and what was answered long ago."""
    while True:
        dropped = await relay.purge(db) + await idempotency.purge(db)
        await asyncio.sleep(0.5 if dropped else 3600)


async def _serve(service: str, db: Database, settings: ServiceSettings, port: int) -> None:
    """/health/live, /health/ready, /metrics."""

    async def live(_: Request) -> Response:
        return JSONResponse({"service": service, "status": "live"})

    async def ready(_: Request) -> Response:
        async with db.connection() as conn:
            paused = await pausing.paused_topics(conn)
        return JSONResponse({"service": service, "paused": paused}, 503 if paused else 200)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    app = Starlette(routes=[Route("/health/live", live), Route("/health/ready", ready), Route("/metrics", metrics)])
    server = uvicorn.Server(uvicorn.Config(app, settings.http_host, port, log_config=None, access_log=False, lifespan="off"))
    await server._serve()  # noqa: SLF001 - serve() would take the signals, which are this process's own
