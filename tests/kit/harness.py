"""Two services for a test, each with a database of its own, on the shared log: `sender` emits, `reader` keeps effects.

Every lab has sources, consumer groups and databases that nobody else uses; a test uses keys that no other test uses.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from confluent_kafka import KafkaException

from contracts.common import TaskOpened
from contracts.envelope import Envelope
from deploy import databases
from deploy.stack import Stack
from deploy.topics import Broker
from services.kit.clock import new_id
from services.kit.consumer import Consumer
from services.kit.db import Database, Transaction
from services.kit.drainer import Drainer
from services.kit.kafka import connection
from services.kit.migrate import migrate
from services.kit.outbox import Lane
from services.kit.parking import Stuck, listing
from services.kit.relay import Relay
from services.kit.settings import ServiceSettings
from services.kit.subscriptions import Received, Table, every
from tests.conftest import eventually

ROOT = Path(__file__).parents[2]
TYPE = TaskOpened.EVENT.full_name
USERS = {"sender": "intake", "reader": "tracking"}  # the Kafka user of each: its rights and the beginning of its groups
EFFECT = """
create table effect (
  id bigint generated always as identity primary key,
  source text not null, key text not null, seq bigint not null, kind text, worker text not null, at timestamptz not null default clock_timestamp()
)
"""
numbers = count(1)


async def keep(tx: Transaction, received: Sequence[Received], worker: str = "test") -> None:
    """The effect of the tests: one row per record, so that a second one would show."""
    await tx.conn.executemany(
        "insert into effect (source, key, seq, kind, worker) values ($1, $2, $3, $4, $5)",
        [(r.envelope.source, r.envelope.key, r.envelope.seq, r.data and r.data.kind, worker) for r in received],
    )


class Failing:
    """A handler that refuses the kind `bad` until it is healed."""

    def __init__(self) -> None:
        self.healed = False
        self.tries = 0
        self.table = Table([every("cases", self.handle)])

    async def handle(self, tx: Transaction, received: Sequence[Received]) -> None:
        if not self.healed and any(r.data and r.data.kind == "bad" for r in received):
            self.tries += 1
            raise LookupError("this kind cannot be handled yet")
        await keep(tx, received)


TABLE = Table([every("cases", keep)])


def call(key: str, kind: str = "call") -> TaskOpened:
    return TaskOpened.model_validate({"task_id": new_id(), "kind": kind, "role": "agent", "due_at": "2026-11-24T08:00:00Z", "case_id": key})


@dataclass
class Service:
    name: str
    environment: dict[str, str]
    owner_url: str
    db: Database
    settings: ServiceSettings
    wake: asyncio.Event

    @property
    def kafka(self) -> dict[str, Any]:
        return connection(self.settings)

    @property
    def database(self) -> str:
        return urlsplit(self.owner_url).path.removeprefix("/")

    def relay(self, lane: Lane = Lane.LIVE) -> Relay:
        return Relay(self.db, self.kafka, lane, self.wake)

    def consumer(self, table: Table = TABLE, topic: str = "cases") -> Consumer:
        return Consumer(self.db, self.kafka, topic, table)

    def drainer(self, table: Table = TABLE) -> Drainer:
        return Drainer(self.db, table)

    async def connect(self, size: int = 8) -> Database:
        """Again, or once more: the pool of a second process."""
        url = self.settings.database_url.get_secret_value()
        self.db = await Database.connect(self.name, url, url, size=size, woken=self.wake.set)
        return self.db

    async def emit(self, *keys: str, kind: str = "call", lane: Lane = Lane.LIVE) -> None:
        """One event per key named, in one transaction."""
        async with self.db.transaction() as tx:
            tx.emit(*(call(key, kind) for key in keys), lane=lane)

    async def fetch(self, query: str, *arguments: Any) -> Any:
        """The rows; of a single column, its values."""
        async with self.db.connection() as conn:
            rows = await conn.fetch(query, *arguments)
        return [row[0] if len(row) == 1 else tuple(row) for row in rows]

    async def value(self, query: str, *arguments: Any) -> Any:
        async with self.db.connection() as conn:
            return await conn.fetchval(query, *arguments)

    async def unpublished(self) -> int:
        number: int = await self.value("select count(*) from kit.unsent")
        return number

    async def send_again(self) -> None:
        """As a relay that died before it could note what it sent."""
        async with self.db.transaction() as tx:
            await tx.conn.execute("insert into kit.unsent select 0, id, aggregatetype, aggregateid from kit.outbox on conflict do nothing")

    async def lose(self, *seqs: int) -> None:
        """As a broker that confirmed these and then lost them."""
        async with self.db.transaction() as tx:
            await tx.conn.execute("delete from kit.unsent where id in (select id from kit.outbox where seq = any($1::bigint[]))", list(seqs))

    async def published(self) -> bool:
        return await self.unpublished() == 0

    async def stuck(self) -> list[Stuck]:
        return await listing(self.db)

    async def put_into_log(self, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, Any]], topic: str = "cases") -> None:
        """Past the outbox, as only a broken or foreign program would."""
        producer = AIOKafkaProducer(**self.kafka)
        await producer.start()
        try:
            await producer.send_and_wait(topic, value, key=key, headers=list(headers))
        finally:
            await producer.stop()


@dataclass
class Lab:
    sender: Service
    reader: Service
    probe: AIOKafkaConsumer
    ends: dict[TopicPartition, int]  # of `cases` when the lab was made

    async def clean(self) -> None:
        """As new: empty databases, which know of the log as it stands and start at its end."""
        for service in (self.sender, self.reader):
            tables = await service.fetch("select schemaname || '.' || tablename from pg_tables where schemaname = 'kit' or tablename = 'effect'")
            async with service.db.connection() as conn:
                await conn.execute("; ".join(f"delete from {table}" for table in tables))
        self.ends = await self.probe.end_offsets(list(self.ends))
        places = [(partition.partition, end) for partition, end in self.ends.items()]
        async with self.reader.db.connection() as conn:
            await conn.executemany("insert into kit.position (topic, partition, next_offset) values ('cases', $1, $2)", places)
        async with self.sender.db.connection() as conn:
            await conn.executemany("insert into kit.published (topic, partition, last_offset, last_row) values ('cases', $1, $2 - 1, 0)", places)

    async def effects(self, key: str) -> list[int]:
        """The seq of each effect of a key, in the order they were made."""
        found: list[int] = await self.reader.fetch("select seq from effect where source = $1 and key = $2 order by id", self.sender.name, key)
        return found

    async def count(self) -> int:
        number: int = await self.reader.value("select count(*) from effect where source = $1", self.sender.name)
        return number

    async def nothing_stuck(self) -> bool:
        return not await self.reader.stuck()

    async def caught_up(self) -> bool:
        """True when the sender has said all it has to say, and the reader's positions stand at the end of the log."""
        if not await self.sender.published():
            return False
        stored = dict(await self.reader.fetch("select partition, next_offset from kit.position where topic = 'cases'"))
        ends = await self.probe.end_offsets(list(self.ends))
        return all(stored.get(partition.partition, 0) >= end for partition, end in ends.items())

    async def log(self) -> list[Envelope]:
        """What the sender said on `cases` since the lab was made, by partition in the order of the log."""
        kafka = AIOKafkaConsumer(**self.reader.kafka, enable_auto_commit=False)
        await kafka.start()
        try:
            ends = await kafka.end_offsets(list(self.ends))
            kafka.assign(list(self.ends))
            for partition, start in self.ends.items():
                kafka.seek(partition, start)
            said = []
            while any([await kafka.position(partition) < end for partition, end in ends.items()]):
                for records in (await kafka.getmany(timeout_ms=200)).values():
                    said += [record.headers for record in records if dict(record.headers).get("ce_source") == self.sender.name.encode()]
            return [Envelope.from_headers(headers) for headers in said]
        finally:
            await kafka.stop()

    async def once(self, *keys: str, upto: int) -> bool:
        """True when every key has its effects 1..upto, each once and in order. Fails at once on a double or a swap."""
        for key in keys:
            made = await self.effects(key)
            assert made == list(range(1, len(made) + 1)), f"{key}: {made}"
            if len(made) < upto:
                return False
        return True


@dataclass
class Workshop:
    """Makes labs on one stack."""

    stack: Stack
    probe: AIOKafkaConsumer
    templates: dict[str, databases.Database]

    @classmethod
    @asynccontextmanager
    async def on(cls, stack: Stack) -> AsyncIterator["Workshop"]:
        templates = await databases.ensure(stack.postgres_url, stack.folder / "secrets", [f"kit_{role}" for role in USERS])
        for template in templates.values():
            await migrate(template.owner, ROOT / "no-migrations-of-its-own")
            owner = await asyncpg.connect(template.owner)
            await owner.execute("drop table if exists effect")
            await owner.execute(EFFECT)
            await owner.close()
        for user in USERS.values():
            await eventually(partial(asyncio.to_thread, _known, stack, user))
        probe = AIOKafkaConsumer("cases", **connection(_settings(stack.environment("tracking"))), enable_auto_commit=False)
        await probe.start()
        try:
            yield cls(stack, probe, templates)
        finally:
            await probe.stop()

    @asynccontextmanager
    async def lab(self) -> AsyncIterator[Lab]:
        services = {role: await self._service(role) for role in USERS}
        partitions = [TopicPartition("cases", number) for number in self.probe.partitions_for_topic("cases") or ()]
        lab = Lab(services["sender"], services["reader"], self.probe, dict.fromkeys(partitions, 0))
        await lab.clean()
        try:
            yield lab
        finally:
            for service in services.values():
                await service.db.close()
                await self.execute(f"drop database if exists {service.database} with (force)")

    async def execute(self, statement: str) -> None:
        server = await asyncpg.connect(self.stack.postgres_url)
        await server.execute(statement)
        await server.close()

    async def copy(self, source: str, copied: str) -> None:
        """A new database, a backup, or a restore: nobody may be connected to the source."""
        await self.execute(f"create database {copied} template {source}")

    async def _service(self, role: str) -> Service:
        number = f"{next(numbers)}_{new_id()[-12:]}"
        database, template = f"kit_{role}_{number}", self.templates[f"kit_{role}"]
        await self.copy(f"entraide_kit_{role}", database)
        environment = self.stack.environment(USERS[role]) | {
            "ENTRAIDE_DATABASE_URL": _at(template.staff, database),
            "ENTRAIDE_DATABASE_URL_OUTSIDE": _at(template.outside, database),
            "ENTRAIDE_JWKS_FILE": str(self.stack.folder / "jwks.json"),
        }
        settings, wake = _settings(environment), asyncio.Event()
        name = f"{USERS[role]}-{number}"
        db = await Database.connect(name, environment["ENTRAIDE_DATABASE_URL"], environment["ENTRAIDE_DATABASE_URL_OUTSIDE"], woken=wake.set)
        return Service(name, environment, _at(template.owner, database), db, settings, wake)


def _known(stack: Stack, user: str) -> bool:
    """The broker learns of a new user a little after it has confirmed it."""
    try:
        Broker(stack.broker.bootstrap, user, stack.kafka_passwords[user]).admin().list_topics(timeout=1)
    except KafkaException:
        return False
    return True


def _at(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def _settings(environment: dict[str, str]) -> ServiceSettings:
    values = {name.removeprefix("ENTRAIDE_").lower(): value for name, value in environment.items()}
    return ServiceSettings.model_validate({"jwks_file": "none"} | values)


@asynccontextmanager
async def running(*jobs: Awaitable[None]) -> AsyncIterator[None]:
    """Runs loops that only end by cancellation, and says so when one ended by itself."""
    tasks = [asyncio.ensure_future(job) for job in jobs]
    try:
        yield
    finally:
        dead = [task for task in tasks if task.done() and not task.cancelled()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in dead:
            task.result()
