"""One hop, measured the same way for every version of it.

outbox row -> relay process -> Kafka -> consumer process -> in one transaction: effect row, inbox row (each event takes
effect once), and the outbox row of the next hop. Relay and consumer are up, connected and idle before the clock starts.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from statistics import quantiles
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
from uuid_utils import uuid7

from tests.bench.engines import Engines, Scratch, child, scratch

EVENTS_PER_CASE = 5
WARM_UP = 50
DEADLINE_S = 120

EFFECT = """
CREATE TABLE effect (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, event_id uuid NOT NULL, case_id text NOT NULL,
    seq int NOT NULL, amount_cents bigint NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE inbox (event_id uuid PRIMARY KEY);
"""
WATCH = """
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_notify('{schema}_effect', NEW.event_id::text); RETURN NULL; END $$;
CREATE TRIGGER tell AFTER INSERT ON effect FOR EACH ROW EXECUTE FUNCTION tell();
"""


@dataclass(frozen=True)
class Event:
    event_id: str
    case_id: str
    seq: int
    content: dict[str, Any]

    @property
    def body(self) -> bytes:
        return orjson.dumps(self.content)


@dataclass(frozen=True)
class Latency:
    p50_ms: float
    p99_ms: float


Write = Callable[[Event], Awaitable[float]]


@dataclass(frozen=True)
class Version:
    """How one version makes its tables, fills its outbox and names its processes (`python -m module relay | consumer`).

    `backlog` inserts all events in one transaction, a function from `writer` inserts one;
    both return the wall clock as it was just before their commit.
    """

    name: str
    module: str
    create: Callable[[Scratch], Awaitable[None]]
    backlog: Callable[[Scratch, list[Event]], Awaitable[float]]
    writer: Callable[[Scratch], AbstractAsyncContextManager[Write]] | None = None
    keeps_order: bool = True


def envelope(event_id: str, case_id: str, seq: int, cause: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": event_id,
        "source": "intake",
        "type": "need.opened",
        "version": 1,
        "key": case_id,
        "seq": seq,
        "at": "2026-11-22T10:15:30.123456Z",
        "correlation": cause,
        "causation": cause,
        "tenant": "principal-07",
        "data": data,
    }


def following(event: dict[str, Any]) -> dict[str, Any]:
    """The event a consumer adds to its own outbox: the next hop's."""
    return envelope(str(uuid7()), event["key"], event["seq"], event["id"], event["data"])


def events(n: int) -> list[Event]:
    """Events of about 730 bytes, five per case, the events of one case far apart."""
    cases = max(1, n // EVENTS_PER_CASE)
    made = []
    for i in range(n):
        event_id, case_id, seq = str(uuid4()), f"FR-{i % cases:08d}", i // cases + 1
        data: dict[str, Any] = {
            "need": f"{case_id}-{seq}",
            "service": "roadside.tow",
            "place": {"lat": 48.85661, "lon": 2.35222, "commune": "75056", "label": "12 rue de la Paix, Paris"},
            "vehicle": {"plate": "AB-123-CD", "kind": "car", "energy": "petrol", "weight_kg": 1430},
            "contract": "C-000123456",
            "guarantee": "tow-50km",
            "amount_cents": 12_500 + i % 1000,
            "notes": "Engine warning light, stopped on the hard shoulder, two adults and one child, waiting behind the barrier",
        }
        made.append(Event(event_id, case_id, seq, envelope(event_id, case_id, seq, str(uuid4()), data)))
    return made


@asynccontextmanager
async def up(engines: Engines, version: Version, watched: bool) -> AsyncIterator[Scratch]:
    async with scratch(engines, version.name) as place:
        db = await place.connect()
        await db.execute(EFFECT + (WATCH.format(schema=place.schema) if watched else ""))
        await db.close()
        await version.create(place)
        async with child(version.module, "consumer", place), child(version.module, "relay", place):
            yield place


async def drain(engines: Engines, version: Version, n: int) -> float:
    """Events per second, from the commit of the whole backlog to the last effect. Raises if one was lost or doubled."""
    made = events(WARM_UP + n)
    async with up(engines, version, watched=False) as place:
        db = await place.connect()
        await version.backlog(place, made[:WARM_UP])
        await until_effects(db, WARM_UP)
        began = await version.backlog(place, made[WARM_UP:])
        await until_effects(db, len(made))
        await check(db, version, len(made))
        ended: float = await db.fetchval("SELECT extract(epoch FROM max(at))::float8 FROM effect")
        await db.close()
    return n / (ended - began)


async def until_effects(db: asyncpg.Connection, n: int) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while await db.fetchval("SELECT count(*) FROM effect") < n:  # noqa: ASYNC110  # other processes write them
            await asyncio.sleep(0.1)


async def check(db: asyncpg.Connection, version: Version, n: int) -> None:
    once = await db.fetchrow("SELECT count(*) AS effects, count(DISTINCT event_id) AS events FROM effect")
    assert once is not None
    if (once["effects"], once["events"]) != (n, n):
        raise AssertionError(f"{version.name}: {n} events gave {once['effects']} effects of {once['events']} events")
    steps = "SELECT seq - lag(seq, 1, 0) OVER (PARTITION BY case_id ORDER BY id) AS step FROM effect"
    swapped = await db.fetchval(f"SELECT count(*) FROM ({steps}) AS steps WHERE step <> 1")
    if version.keeps_order and swapped:
        raise AssertionError(f"{version.name}: {swapped} events out of their case's order")


async def light(engines: Engines, version: Version, rate: float, n: int) -> Latency:
    """From an event's commit to its effect's commit, as a listening connection is told of it, at `rate` events per second."""
    assert version.writer is not None, f"{version.name} has no writer of single events"
    async with up(engines, version, watched=True) as place:
        db = await place.connect()
        seen: dict[str, float] = {}
        all_seen = asyncio.Event()
        made = events(n + WARM_UP)

        def note(_connection: object, _pid: int, _channel: str, event_id: object) -> None:
            seen[str(event_id)] = time.time()
            if len(seen) == len(made):
                all_seen.set()

        await db.add_listener(f"{place.schema}_effect", note)
        committing: dict[str, float] = {}
        async with version.writer(place) as write:
            began = time.time()
            for i, event in enumerate(made):
                await asyncio.sleep(began + i / rate - time.time())
                committing[event.event_id] = await write(event)
        await asyncio.wait_for(all_seen.wait(), DEADLINE_S)
        await check(db, version, len(made))
        await db.close()
    delays = [(seen[e.event_id] - committing[e.event_id]) * 1000 for e in made[WARM_UP:]]
    cuts = quantiles(delays, n=100)
    return Latency(cuts[49], cuts[98])
