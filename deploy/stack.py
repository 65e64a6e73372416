"""The engines of one running platform: PostgreSQL and Kafka, embedded or existing, with databases, topics and users made."""

import asyncio
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self

import asyncpg
from confluent_kafka import KafkaException

from deploy import databases, topics
from deploy.databases import Database
from deploy.embedded.kafka import Kafka
from deploy.embedded.postgres import Postgres
from deploy.embedded.process import StartFailed, own_folder
from deploy.topics import Broker


@dataclass
class Stack:
    """`broker` is for the admin user, `postgres_url` for the superuser; where a server existed, `postgres` or `kafka` is None."""

    folder: Path
    temporary: bool
    lock: IO[str] = field(repr=False)
    postgres_url: str = field(repr=False)
    databases: dict[str, Database] = field(repr=False)
    broker: Broker = field(repr=False)
    kafka_passwords: dict[str, str] = field(repr=False)
    postgres: Postgres | None
    kafka: Kafka | None

    @classmethod
    async def up(
        cls,
        folder: Path | None = None,
        services: Iterable[str] = topics.SERVICES,
        *,
        partitions: int = topics.PARTITIONS,
        die_with_parent: bool = True,
        progress: Callable[[str], None] = lambda _: None,
    ) -> Self:
        """Both engines at once, in `folder` (kept) or in a temporary one (removed by `down`). Raises StartFailed or WrongTopics.

        ENTRAIDE_POSTGRES_URL, and ENTRAIDE_KAFKA_BOOTSTRAP with ENTRAIDE_KAFKA_ADMIN_USER and ENTRAIDE_KAFKA_ADMIN_PASSWORD,
        name existing servers to use in place of starting ours. Call it from the main thread when the engines shall die with us.
        """
        services = list(services)
        temporary = folder is None
        folder = own_folder(Path(tempfile.mkdtemp(prefix="entraide-")) if folder is None else folder)
        secrets = folder / "secrets"

        async def postgres() -> tuple[str, dict[str, Database], Postgres | None]:
            if existing := os.environ.get("ENTRAIDE_POSTGRES_URL"):
                await _answers(existing)
                return existing, await databases.ensure(existing, secrets, services), None
            ours = await Postgres.start(folder / "postgres", die_with_parent=die_with_parent)
            undo.push_async_callback(ours.stop)
            return ours.url, await databases.ensure(ours.url, secrets, services), ours

        async def kafka() -> tuple[Broker, dict[str, str], Kafka | None]:
            ours = None
            broker = await _existing_broker()
            if broker is None:
                ours = await Kafka.start(folder / "kafka", die_with_parent=die_with_parent, progress=progress)
                undo.push_async_callback(ours.stop)
                broker = ours.broker
            passwords = await asyncio.to_thread(topics.ensure, broker, secrets, services=services, partitions=partitions)
            return broker, passwords, ours

        async with AsyncExitStack() as undo:
            lock = undo.enter_context(_lock(folder))
            try:
                async with asyncio.TaskGroup() as group:
                    tables, log = group.create_task(postgres()), group.create_task(kafka())
            except BaseExceptionGroup as both:
                raise both.exceptions[0] from None
            undo.pop_all()
        url, made, own_postgres = tables.result()
        broker, passwords, own_kafka = log.result()
        return cls(folder, temporary, lock, url, made, broker, passwords, own_postgres, own_kafka)

    async def down(self) -> None:
        """Stops what `up` started."""
        await asyncio.gather(*(engine.stop() for engine in (self.postgres, self.kafka) if engine))
        self.lock.close()
        if self.temporary:
            shutil.rmtree(self.folder)

    def environment(self, service: str, *, migrating: bool = False) -> dict[str, str]:
        """The settings of a service's processes; the owner's address only for its migration, since an owner may do anything."""
        database = self.databases[service]
        return {
            "ENTRAIDE_DATABASE_URL": database.staff,
            "ENTRAIDE_DATABASE_URL_OUTSIDE": database.outside,
            "ENTRAIDE_KAFKA_BOOTSTRAP": self.broker.bootstrap,
            "ENTRAIDE_KAFKA_USER": service,
            "ENTRAIDE_KAFKA_PASSWORD": self.kafka_passwords[service],
        } | ({"ENTRAIDE_DATABASE_URL_OWNER": database.owner} if migrating else {})

    async def ensure_provider_topic(self, provider: str) -> Broker:
        """The provider's own topic, and the credentials that read it."""
        return await asyncio.to_thread(topics.ensure_provider_topic, self.broker, self.folder / "secrets", provider)


def _lock(folder: Path) -> IO[str]:
    lock = (folder / "lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.seek(0)
        holder = lock.read()
        lock.close()
        raise StartFailed(f"{folder} is in use by process {holder}: stop that one, or choose another folder.") from error
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


async def _answers(existing: str) -> None:
    try:
        await (await asyncpg.connect(existing, timeout=10)).close()
    except (OSError, asyncpg.PostgresError, TimeoutError) as error:
        raise StartFailed(f"ENTRAIDE_POSTGRES_URL is set, but that server refuses us: {error}. Correct it, or unset it to start our own.") from error


async def _existing_broker() -> Broker | None:
    bootstrap = os.environ.get("ENTRAIDE_KAFKA_BOOTSTRAP")
    if not bootstrap:
        return None
    user, secret = os.environ.get("ENTRAIDE_KAFKA_ADMIN_USER"), os.environ.get("ENTRAIDE_KAFKA_ADMIN_PASSWORD")
    if not user or not secret:
        raise StartFailed("ENTRAIDE_KAFKA_BOOTSTRAP is set: set ENTRAIDE_KAFKA_ADMIN_USER and ENTRAIDE_KAFKA_ADMIN_PASSWORD too, or unset it.")
    broker = Broker(bootstrap, user, secret)
    try:
        await asyncio.to_thread(broker.admin().list_topics, timeout=10)
    except KafkaException as error:
        raise StartFailed(
            f"ENTRAIDE_KAFKA_BOOTSTRAP is set, but {bootstrap} refuses {user} by SASL/SCRAM-SHA-512 ({error}). "
            "Correct it, or unset it to start our own."
        ) from error
    return broker
