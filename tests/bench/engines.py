"""What every version measured here shares: the same PostgreSQL, the same broker, scratch tables and topics, child processes."""

import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any
from uuid import uuid4

import asyncpg
import uvloop
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # its stubs re-export without saying so

PARTITIONS = 4
START_DEADLINE_S = 60


@dataclass(frozen=True)
class Engines:
    """`dsn` names a scratch database; `user` may create topics."""

    dsn: str
    kafka: str
    user: str
    password: str

    def aiokafka(self) -> dict[str, Any]:
        return {
            "bootstrap_servers": self.kafka,
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": self.user,
            "sasl_plain_password": self.password,
        }

    @cache  # noqa: B019 - one for the process: where clients come and go, a fork that meets a thread of one that goes is killed by signal 11
    def admin(self) -> AdminClient:
        return AdminClient(
            {
                "bootstrap.servers": self.kafka,
                "security.protocol": "SASL_PLAINTEXT",
                "sasl.mechanism": "SCRAM-SHA-512",
                "sasl.username": self.user,
                "sasl.password": self.password,
                "log_level": 0,
            }
        )


@dataclass(frozen=True)
class Scratch:
    """One run's own schema and topic: nothing of an earlier run can be in its way."""

    engines: Engines
    schema: str
    topic: str

    @property
    def settings(self) -> dict[str, str]:
        return {"search_path": self.schema}

    async def connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(self.engines.dsn, server_settings=self.settings)


@asynccontextmanager
async def scratch(engines: Engines, name: str) -> AsyncIterator[Scratch]:
    """An empty schema and an empty topic of four partitions; both are gone afterwards, and the consumer group of that name."""
    run = f"bench_{name}_{uuid4().hex[:8]}"
    admin = engines.admin()
    db = await asyncpg.connect(engines.dsn)
    try:
        await db.execute(f"CREATE SCHEMA {run}")
        topic = NewTopic(run, num_partitions=PARTITIONS, replication_factor=1)
        await asyncio.to_thread(admin.create_topics([topic], operation_timeout=30)[run].result, 30)
        yield Scratch(engines, run, run)
    finally:
        await db.execute(f"DROP SCHEMA IF EXISTS {run} CASCADE")
        await db.close()
        await asyncio.to_thread(admin.delete_topics([run], operation_timeout=30)[run].result, 30)
        with suppress(KafkaException):  # no consumer joined
            await asyncio.to_thread(admin.delete_consumer_groups([run])[run].result, 30)


@asynccontextmanager
async def child(module: str, role: str, place: Scratch) -> AsyncIterator[str]:
    """Runs `python -m module role` until the block ends; entered when the child has said it is ready, with what it said."""
    with tempfile.TemporaryFile() as errors:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, role),
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "BENCH_PLACE": json.dumps(asdict(place))},
        )
        assert process.stdout is not None
        try:
            said = (await asyncio.wait_for(process.stdout.readline(), START_DEADLINE_S)).decode()
            if not said.startswith("ready"):
                errors.seek(0)
                raise RuntimeError(f"{module} {role} did not start: {errors.read()[-2000:].decode()}")
            yield said.removeprefix("ready").strip()
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()
            else:
                errors.seek(0)
                print(f"{module} {role} had ended by itself: {errors.read()[-2000:].decode()}", file=sys.stderr)


def scratch_given() -> Scratch:
    """In a child: what `child` was called with."""
    given = json.loads(os.environ["BENCH_PLACE"])
    return Scratch(Engines(**given["engines"]), given["schema"], given["topic"])


def ready(word: str = "") -> None:
    print("ready", word, flush=True)


def serve(work: Coroutine[Any, Any, None]) -> None:
    """In a child: runs `work` on uvloop until SIGTERM, which cancels it so that it closes what it opened."""

    async def until_terminated() -> None:
        task = asyncio.ensure_future(work)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        with suppress(asyncio.CancelledError):
            await task

    uvloop.run(until_terminated())
