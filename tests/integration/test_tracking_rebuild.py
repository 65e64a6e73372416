"""The folded cases made again from the log, beside the live ones, on engines of its own: the log holds only what is told here."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from contracts.billing import BillPrepared
from contracts.dispatch import MissionAccepted, MissionDeclined, MissionOffered
from contracts.intake import CaseOpened, NeedAdded, NeedCancelled, NoteAdded
from contracts.reference import CoverageGranted
from deploy.stack import Stack
from services.kit.clock import new_id
from services.kit.consumer import Consumer
from services.kit.drainer import Drainer
from services.kit.kafka import connection
from services.kit.migrate import migrate
from services.kit.outbox import Lane
from services.kit.parking import Raw
from services.kit.relay import Relay
from services.tracking import rebuild
from services.tracking.settings import Settings
from services.tracking.store import rebuilding
from tests.conftest import eventually
from tests.integration.tracking_harness import TABLE, Case, Tracking, connect, soon
from tests.kit.harness import running

PARTITIONS = 3
TABLES = {"case_view": "case_id", "need_view": "need_id", "timeline": "case_id, place"}


class Live:
    """Tracking with its consumer and relay running on a real log."""

    def __init__(self, tracking: Tracking, producer: AIOKafkaProducer, kafka: dict[str, Any]) -> None:
        self.tracking = tracking
        self.producer = producer
        self.kafka = kafka

    async def write(self, *records: Raw) -> None:
        for record in records:
            await self.producer.send_and_wait(record.topic, record.value, key=record.key, headers=list(record.headers))

    async def play(self) -> Case:
        case, provider, offer = Case(self.tracking), new_id(), new_id()
        declined = new_id()
        events = [
            case.event(CaseOpened),
            case.event(NeedAdded),
            case.event(CoverageGranted),
            case.event(MissionOffered, provider_id=provider, offer_id=declined, expires_at=soon(1)),
            case.event(MissionDeclined, provider_id=provider, offer_id=declined, reason="too_far"),
            case.event(MissionOffered, provider_id=provider, offer_id=offer, expires_at=soon(1)),
            case.event(MissionAccepted, provider_id=provider, offer_id=offer),
            case.event(NoteAdded),
        ]
        events += [case.event(NeedCancelled)] if random.Random(case.number).random() < 0.3 else []
        await self.write(*(self.tracking.raw(event) for event in events))
        return case

    async def rows(self) -> dict[str, list[Any]]:
        return {table: await self.tracking.fetch(f"select * from view.{table} order by {key}") for table, key in TABLES.items()}

    async def settled(self) -> bool:
        """Everything that was written has been folded, what tracking said of it too."""
        unpublished = await self.tracking.fetch("select 1 from kit.unsent limit 1")
        behind = await self.tracking.fetch("select sum(next_offset) as n from kit.position where topic = 'cases'")
        return not unpublished and behind[0]["n"] == await self.ends()

    async def ends(self) -> int:
        reader = AIOKafkaConsumer(**self.kafka)
        await reader.start()
        try:
            found = await reader.end_offsets([TopicPartition("cases", number) for number in range(PARTITIONS)])
        finally:
            await reader.stop()
        return sum(found.values())


@pytest.fixture(scope="module")
async def live() -> AsyncIterator[Live]:
    stack = await Stack.up(services=("intake", "tracking"), partitions=PARTITIONS)
    try:
        environment = stack.environment("tracking", migrating=True)
        await migrate(environment["ENTRAIDE_DATABASE_URL_OWNER"], Path("services/tracking/migrations"))
        values = {name.removeprefix("ENTRAIDE_").lower(): value for name, value in environment.items()} | {"jwks_file": "none"}
        kafka = connection(Settings.model_validate(values))
        db, woken = await connect(stack), asyncio.Event()
        producer = await eventually(lambda: started(kafka), seconds=30)
        async with running(Consumer(db, kafka, "cases", TABLE).run(), Relay(db, kafka, Lane.LIVE, woken).run(), Drainer(db, TABLE).run()):
            yield Live(Tracking(db), producer, kafka)
        await producer.stop()
        await db.close()
    finally:
        await stack.down()


async def started(kafka: dict[str, Any]) -> AIOKafkaProducer | None:
    """None while the broker does not know its users yet."""
    producer = AIOKafkaProducer(**kafka)
    try:
        await producer.start()
    except KafkaError:
        await producer.stop()
        return None
    return producer


async def test_a_rebuild_leaves_identical_rows(live: Live) -> None:
    for _ in range(40):
        await live.play()
    await eventually(live.settled, seconds=60)
    before = await live.rows()
    assert len(before["case_view"]) == 40 and sum(row["anomalies"] for row in before["case_view"]) == 0
    assert await rebuild.rebuild(live.tracking.db, live.kafka) == await live.ends()
    assert await live.rows() == before


async def test_the_live_fold_goes_on_during_and_after_the_swap(live: Live) -> None:
    made = [await live.play() for _ in range(10)]
    rebuilding_now = asyncio.create_task(rebuild.rebuild(live.tracking.db, live.kafka))
    made += [await live.play() for _ in range(30)]
    await rebuilding_now
    made += [await live.play() for _ in range(5)]
    await eventually(live.settled, seconds=60)
    after = await live.rows()
    assert {case.id for case in made} <= {row["case_id"] for row in after["case_view"]}
    await rebuild.rebuild(live.tracking.db, live.kafka)
    assert await live.rows() == after
    assert not await live.tracking.fetch("select 1 from pg_namespace where nspname = 'view_next'")


async def test_a_record_that_had_waited_for_a_lost_one_waits_in_the_rebuild_too(live: Live) -> None:
    case = Case(live.tracking)
    opened, added, noted = (live.tracking.raw(case.event(kind)) for kind in (CaseOpened, NeedAdded, NoteAdded))
    covered, billed = live.tracking.raw(case.event(CoverageGranted)), live.tracking.raw(case.event(BillPrepared))
    await live.write(opened, noted, covered, billed)

    async def parked() -> bool:
        return bool(await live.tracking.fetch("select 1 from kit.parked_key where key = $1", case.id))

    async def drained() -> bool:
        return not await parked() and await live.settled()

    await eventually(parked)
    await live.write(added)
    await eventually(drained, seconds=60)
    before = await live.rows()
    await rebuild.rebuild(live.tracking.db, live.kafka)
    assert await live.rows() == before


async def test_one_process_rebuilds_at_a_time(live: Live) -> None:
    async with live.tracking.db.connection() as other:
        assert await rebuilding.claim(other)
        assert await rebuild.rebuild(live.tracking.db, live.kafka) == 0
        await rebuilding.give_up(other)


async def test_the_database_refuses_an_open_need_that_waits_for_nobody(live: Live) -> None:
    async with live.tracking.db.connection() as conn:
        with pytest.raises(asyncpg.CheckViolationError, match="check constraint"):
            await conn.execute("update view.need_view set waiting_for = null, waiting_since = null, next_date = null where state <> 'cancelled'")
