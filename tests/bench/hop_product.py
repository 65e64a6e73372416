"""The product's hop, measured like the yardsticks': the kit's outbox, relay and consumer as the services run them.

dispatch emits `mission_offered` (about 700 bytes), tracking consumes it: effect row, mark, position and the next hop's outbox
row in one transaction. Two databases of one server, fsync on, acks=all.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import quantiles

import asyncpg

from contracts.common import Place, TaskOpened, Window
from contracts.dispatch import MissionOffered
from deploy.stack import Stack
from services.kit import kafka, wake
from services.kit.arrays import plain, texts
from services.kit.clock import new_id
from services.kit.consumer import Consumer
from services.kit.db import Database, Transaction
from services.kit.memory import fewer_collections
from services.kit.migrate import migrate
from services.kit.outbox import Cause, Lane
from services.kit.relay import Relay
from services.kit.settings import ServiceSettings
from services.kit.subscriptions import Received, Table, many
from tests.bench.engines import ready, serve
from tests.bench.hop import DEADLINE_S, EVENTS_PER_CASE, WARM_UP, Latency

EMITTER, CONSUMER = "dispatch", "tracking"
NO_MIGRATIONS = Path("/nonexistent")

EFFECT = """
create table effect (
  id bigint generated always as identity primary key, event_id uuid not null, case_id text not null, seq bigint not null,
  amount_cents bigint not null, at timestamptz not null default clock_timestamp());
create function tell() returns trigger language plpgsql as
  $$ begin perform pg_notify('effect', new.event_id::text); return null; end $$;
"""
WATCH = "create trigger tell after insert on effect for each row execute function tell()"


async def prepare(stack: Stack) -> None:
    for service in (EMITTER, CONSUMER):
        owner = stack.environment(service, migrating=True)["ENTRAIDE_DATABASE_URL_OWNER"]
        await migrate(owner, NO_MIGRATIONS)
    db = await asyncpg.connect(stack.environment(CONSUMER, migrating=True)["ENTRAIDE_DATABASE_URL_OWNER"])
    await db.execute("drop table if exists effect cascade; drop function if exists tell cascade;" + EFFECT)
    await db.close()


def offers(n: int) -> list[MissionOffered]:
    """Five per case, the events of one case far apart."""
    cases = [new_id() for _ in range(max(1, n // EVENTS_PER_CASE))]
    at = datetime(2026, 11, 24, 9, tzinfo=UTC)
    place = Place(insee="35051", postcode="35510", departement="35", lat=48.12, lon=-1.6)
    return [
        MissionOffered(
            case_id=cases[i % len(cases)],
            need_id=new_id(),
            mission_id=new_id(),
            offer_id=new_id(),
            provider_id=new_id(),
            service="gardening",
            place=place,
            wanted=Window(start=at, end=at + timedelta(hours=4)),
            quantity=Decimal(2),
            unit="hour",
            attempt=1,
            expires_at=at + timedelta(hours=1),
            why=["in_radius", "nearest", "free_today"],
        )
        for i in range(n)
    ]


@asynccontextmanager
async def up(stack: Stack) -> AsyncIterator[Database]:
    """Relay and consumer as processes of their own, connected; the emitter's database for the caller to write to."""
    async with child(stack, CONSUMER, "consumer"), child(stack, EMITTER, "relay"):
        notifier = wake.Notifier()
        db = await Database.connect(EMITTER, stack.environment(EMITTER)["ENTRAIDE_DATABASE_URL"], woken=notifier.ring)
        ringing = asyncio.create_task(notifier.run(db))
        try:
            yield db
        finally:
            ringing.cancel()
            await asyncio.gather(ringing, return_exceptions=True)
            await db.close()


@asynccontextmanager
async def child(stack: Stack, service: str, role: str) -> AsyncIterator[None]:
    environment = {**os.environ, **stack.environment(service), "ENTRAIDE_JWKS_FILE": "/nonexistent"}
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", __name__, service, role, stdout=asyncio.subprocess.PIPE, env=environment)
    assert process.stdout is not None
    try:
        if not (await asyncio.wait_for(process.stdout.readline(), 60)).startswith(b"ready"):
            raise RuntimeError(f"{service} {role} did not start")
        yield
    finally:
        process.terminate()
        await process.wait()


async def drain(stack: Stack, n: int = 20_000) -> float:
    """Events per second, from the commit of the whole backlog to the last effect. Raises if one was lost, doubled or out of order."""
    await prepare(stack)
    made = offers(WARM_UP + n)
    effects = await asyncpg.connect(stack.environment(CONSUMER)["ENTRAIDE_DATABASE_URL"])
    async with up(stack) as db:
        await write(db, made[:WARM_UP])
        await until(effects, WARM_UP)
        began = await write(db, made[WARM_UP:])
        await until(effects, len(made))
    await check(effects, len(made))
    ended: float = await effects.fetchval("select extract(epoch from max(at))::float8 from effect")
    await effects.close()
    return n / (ended - began)


async def light(stack: Stack, rate: float = 20, n: int = 200) -> Latency:
    """From just before an event's commit to the notification of its effect's commit."""
    await prepare(stack)
    owner = await asyncpg.connect(stack.environment(CONSUMER, migrating=True)["ENTRAIDE_DATABASE_URL_OWNER"])
    await owner.execute(WATCH)
    made = offers(n + WARM_UP)
    seen: dict[str, float] = {}
    all_seen = asyncio.Event()

    def note(_connection: object, _pid: int, _channel: str, event_id: object) -> None:
        seen[str(event_id)] = time.time()
        if len(seen) == len(made):
            all_seen.set()

    await owner.add_listener("effect", note)
    sent: list[tuple[str, float]] = []
    async with up(stack) as db:
        began = time.time()
        for i, event in enumerate(made):
            await asyncio.sleep(max(0, began + i / rate - time.time()))
            async with db.transaction() as tx:
                event_id = tx.outbox.add(event, tx.cause)
                await tx.flush()
                sent.append((event_id, time.time()))
        await asyncio.wait_for(all_seen.wait(), DEADLINE_S)
    await check(owner, len(made))
    await owner.close()
    cuts = quantiles([(seen[event_id] - at) * 1000 for event_id, at in sent[WARM_UP:]], n=100)
    return Latency(cuts[49], cuts[98])


async def write(db: Database, made: Sequence[MissionOffered]) -> float:
    """All in one transaction; the wall clock just before its commit."""
    async with db.transaction() as tx:
        tx.emit(*made)
        await tx.flush()
        return time.time()


async def until(effects: asyncpg.Connection, n: int) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while await effects.fetchval("select count(*) from effect") < n:  # noqa: ASYNC110  # other processes write them
            await asyncio.sleep(0.1)


async def check(effects: asyncpg.Connection, n: int) -> None:
    found = await effects.fetchrow("select count(*) as effects, count(distinct event_id) as events from effect")
    swapped = await effects.fetchval(
        "select count(*) from (select seq - lag(seq, 1, 0) over (partition by case_id order by id) as step from effect) s where step <> 1"
    )
    assert found is not None
    if (found["effects"], found["events"], swapped) != (n, n, 0):
        raise AssertionError(f"{n} events gave {found['effects']} effects of {found['events']} events, {swapped} out of order")


async def apply(tx: Transaction, received: Sequence[Received]) -> None:
    rows = [(envelope.id, offer.case_id, envelope.seq, offer.attempt) for envelope, offer in received]
    ids, cases, seqs, attempts = zip(*rows, strict=True)
    await tx.conn.execute(
        "insert into effect (event_id, case_id, seq, amount_cents)"
        " select * from unnest($1::text::uuid[], $2::text::text[], $3::text::bigint[], $4::text::bigint[])",
        plain(ids),
        texts(cases),
        plain(seqs),
        plain(attempts),
    )
    for envelope, offer in received:
        following = TaskOpened(task_id=offer.offer_id, kind="next_hop", role="agent", due_at=tx.now, case_id=offer.case_id, need_id=offer.need_id)
        tx.emit(following, cause=Cause.of(envelope))


async def serve_role(service: str, role: str) -> None:
    fewer_collections()
    settings = ServiceSettings.read()
    woken = asyncio.Event()
    db = await Database.connect(service, settings.database_url.get_secret_value(), woken=woken.set)
    connection = kafka.connection(settings)
    if role == "relay":
        jobs = [Relay(db, connection, Lane.LIVE, woken).run(), wake.listen(db, [woken])]
    else:
        jobs = [Consumer(db, connection, "cases", Table([many(MissionOffered, apply)])).run()]
    ready()
    await asyncio.gather(*jobs)


if __name__ == "__main__":
    serve(serve_role(sys.argv[1], sys.argv[2]))
