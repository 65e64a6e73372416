"""What an operator asks of a running platform: how it stands, what is stuck, sending again, reading again."""

import asyncio
import contextlib
import getpass
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Literal

from confluent_kafka import Consumer, TopicPartition

from deploy.running import NothingRuns, Running
from services.kit import drainer, parking, pausing, relay
from services.kit.db import Database
from services.kit.errors import Refusal
from services.kit.parking import Stuck
from services.tracking import rebuild as tracking

Action = Literal["retry", "skip", "done", "resume"]


@dataclass(frozen=True)
class Standing:
    """How a service stands. `last_row` is its newest outbox row, `lag` what it has still to apply, by topic; `refused`: topics that
    do not take what it says, and why."""

    service: str
    last_row: int
    unpublished: int
    lag: dict[str, int]
    parked_keys: int
    paused: list[str]
    refused: list[str]
    deadlines_due: int


@contextlib.asynccontextmanager
async def database(running: Running, service: str) -> AsyncIterator[Database]:
    db = await Database.connect(service, running.database(service), size=4)
    try:
        yield db
    finally:
        await db.close()


async def standing(running: Running, service: str, ends: dict[tuple[str, int], int]) -> Standing:
    async with database(running, service) as db, db.connection() as conn:
        counts = await conn.fetchrow(
            "select coalesce((select max(id) from kit.outbox), 0) as last_row,"
            " (select count(*) from kit.unsent) as unpublished,"
            " (select count(*) from kit.parked_key) as parked_keys,"
            " (select count(*) from kit.deadline where due_at < now() - interval '10 seconds') as deadlines_due"
        )
        positions = await conn.fetch("select topic, partition, next_offset from kit.position")
        paused = await pausing.paused_topics(conn)
        refused = [f"{row['topic']} ({row['cause']})" for row in await conn.fetch("select topic, cause from kit.refused order by topic")]
    assert counts is not None
    lag: dict[str, int] = {}
    for row in positions:
        behind = ends.get((row["topic"], row["partition"]), 0) - row["next_offset"]
        lag[row["topic"]] = lag.get(row["topic"], 0) + max(0, behind)
    return Standing(service=service, lag=lag, paused=paused, refused=refused, **counts)


def log_ends(running: Running) -> dict[tuple[str, int], int]:
    """(topic, partition) -> the offset after its last record."""
    consumer = Consumer(running.broker.settings() | {"group.id": "entraide-status"})
    try:
        topics = consumer.list_topics(timeout=10).topics
        places = [TopicPartition(name, part) for name, topic in topics.items() if not name.startswith("__") for part in topic.partitions]
        return {(place.topic, place.partition): consumer.get_watermark_offsets(place, timeout=10)[1] for place in places}
    finally:
        consumer.close()


async def all_standing(running: Running) -> list[Standing]:
    ends = await asyncio.to_thread(log_ends, running)
    return list(await asyncio.gather(*(standing(running, service, ends) for service in running.databases)))


async def stuck(running: Running) -> list[tuple[str, Stuck]]:
    """Parked keys of all services."""
    found = []
    for service in running.databases:
        async with database(running, service) as db:
            found += [(service, one) for one in await parking.listing(db)]
    return found


async def act(running: Running, service: str, action: Action, topic: str, key: str, reason: str) -> None:
    """Audited under the name of whoever is signed in on this machine. Ends the command when there is nothing to act on."""
    by_whom = getpass.getuser()
    try:
        async with database(running, service) as db, db.transaction() as tx:
            if action == "retry":
                await drainer.retry(tx, topic, key, by_whom, reason)
            elif action == "resume":
                if not await pausing.resume(tx, topic, by_whom, reason):
                    raise NothingRuns(f"{service} is not paused on {topic}")
            else:
                await drainer.dismiss(tx, topic, key, "skip" if action == "skip" else "done_by_hand", by_whom, reason)
    except Refusal as refusal:
        raise NothingRuns(str(refusal)) from None


async def republish(running: Running, service: str, since: str) -> int:
    async with database(running, service) as db:
        return await relay.republish(db, since)


async def rebuild(running: Running) -> int:
    """Tracking's case views, built anew beside the old ones and swapped in; how many records were read."""
    connection = {
        "bootstrap_servers": running.kafka["bootstrap"],
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": running.kafka["user"],
        "sasl_plain_password": running.kafka["password"],
    }
    async with database(running, "tracking") as db:
        return await tracking.rebuild(db, connection)


async def replay(running: Running, service: str, topic: str) -> Any:
    """Sets the positions back: the consumer goes on from the first record, and its marks see to it that nothing changes."""
    async with database(running, service) as db, db.transaction() as tx:
        return await tx.conn.execute("update kit.position set next_offset = 0 where topic = $1", topic)
