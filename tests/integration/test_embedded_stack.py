"""The embedded stack as its users meet it: real PostgreSQL, real Kafka with passwords and ACLs, crashes, neighbours, orphans."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from uuid import UUID

import asyncpg
import psutil
import pytest
import pytest_asyncio
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from deploy import topics
from deploy.embedded import kafka
from deploy.embedded.process import StartFailed
from deploy.stack import Stack
from deploy.topics import Broker

pytestmark = pytest.mark.asyncio(loop_scope="module")
ROOT = Path(__file__).parents[2]
NEIGHBOUR = """
import asyncio, json, sys
from pathlib import Path
from deploy.stack import Stack

async def main():
    stack = await Stack.up(Path(sys.argv[1]), ["intake"], partitions=1)
    pids = [stack.postgres.process.pid, stack.kafka.process.pid]
    print(json.dumps({"pids": pids, "cluster": stack.kafka.cluster_id, "environment": stack.environment("intake")}), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    running = await Stack.up(tmp_path_factory.mktemp("stack"), partitions=2)
    yield running
    await running.down()


def service(stack: Stack, name: str) -> Broker:
    return Broker(stack.broker.bootstrap, name, stack.kafka_passwords[name])


def write(broker: Broker, topic: str, value: bytes, *, idempotent: bool = False) -> KafkaError | None:
    """The broker's answer: None when it took the record."""
    answers: list[KafkaError | None] = []
    producer = Producer(broker.settings() | {"enable.idempotence": idempotent, "message.timeout.ms": 20_000})
    producer.produce(topic, value, key=b"k", partition=0, on_delivery=lambda error, _: answers.append(error))
    producer.flush(25)
    assert answers, "the broker never answered"
    return answers[0]


def read(broker: Broker, topic: str, group: str | None = None) -> list[bytes]:
    """What partition 0 holds, as a member of the group when one is named. Raises KafkaException when refused."""
    values: list[bytes] = []
    wishes = {"group.id": group or f"{broker.user}.reader", "auto.offset.reset": "earliest", "enable.partition.eof": True}
    consumer = Consumer(broker.settings() | wishes)
    try:
        if group:
            consumer.subscribe([topic])
        else:
            consumer.assign([TopicPartition(topic, 0, 0)])
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            message = consumer.poll(0.2)
            if message is None:
                continue
            error = message.error()
            if error is None:
                values.append(message.value() or b"")
            elif error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
            elif message.partition() == 0:
                return values
        raise AssertionError(f"{topic} never came to its end")
    finally:
        consumer.close()


def refused(action: Callable[[], object]) -> int:
    with pytest.raises(KafkaException) as caught:
        action()
    code = caught.value.args[0].code()
    assert isinstance(code, int)
    return code


async def test_every_declared_topic_keeps_its_history_for_ever(stack: Stack) -> None:
    topics.check(stack.broker, partitions=2)
    found = stack.broker.admin().list_topics(timeout=10).topics
    assert set(topics.TOPICS) <= set(found)
    assert all(settings["retention.ms"] == "-1" for settings in topics.TOPICS.values())
    with pytest.raises(topics.WrongTopics, match="cases: 2 partitions, 12 declared"):
        topics.check(stack.broker)


async def test_a_wrong_password_and_a_client_without_one_are_refused(stack: Stack) -> None:
    assert service(stack, "intake").admin().list_topics(timeout=10).topics
    errors: list[int] = []
    stranger = Broker(stack.broker.bootstrap, "intake", "guessed").settings()
    client = Consumer(stranger | {"group.id": "intake", "error_cb": lambda error: errors.append(error.code())})
    deadline = time.monotonic() + 20
    while not errors and time.monotonic() < deadline:
        client.poll(0.1)
    client.close()
    assert errors[0] == KafkaError._AUTHENTICATION
    anonymous = AdminClient({"bootstrap.servers": stack.broker.bootstrap, "log_level": 0})
    with pytest.raises(KafkaException):
        anonymous.list_topics(timeout=1)


async def test_a_service_writes_its_own_topics_and_is_refused_on_those_of_others(stack: Stack) -> None:
    reference, billing = service(stack, "reference"), service(stack, "billing")
    assert write(reference, "members", b"m1", idempotent=True) is None
    assert write(reference, "cases", b"c1") is None
    refusal = write(billing, "members", b"m2")
    assert refusal is not None and refusal.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
    assert read(billing, "members", "billing.members") == [b"m1"]
    assert refused(partial(read, billing, "members", "reference.members")) == KafkaError.GROUP_AUTHORIZATION_FAILED


async def test_a_provider_reads_only_its_own_topic_and_writes_nothing(stack: Stack) -> None:
    first = await stack.ensure_provider_topic("1")
    neighbour = await stack.ensure_provider_topic("10")
    assert await stack.ensure_provider_topic("1") == first
    dispatch = service(stack, "dispatch")
    assert write(dispatch, "provider.1.missions", b"yours") is None
    assert write(dispatch, "provider.10.missions", b"theirs") is None
    assert read(first, "provider.1.missions", "provider.1.connector") == [b"yours"]
    for topic in ("provider.10.missions", "cases", "cards"):
        assert refused(partial(read, first, topic, "provider.1.connector")) == KafkaError.TOPIC_AUTHORIZATION_FAILED
    assert refused(partial(read, first, "provider.1.missions", "provider.10.connector")) == KafkaError.GROUP_AUTHORIZATION_FAILED
    assert read(neighbour, "provider.10.missions") == [b"theirs"]
    refusal = write(first, "provider.1.missions", b"forged")
    assert refusal is not None and refusal.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED


async def test_staff_and_outside_use_tables_they_do_not_own(stack: Stack) -> None:
    intake = stack.databases["intake"]
    owner = await asyncpg.connect(intake.owner)
    await owner.execute("CREATE TABLE visible (id bigint GENERATED ALWAYS AS IDENTITY, name text)")
    await owner.close()
    for url, role in ((intake.staff, "intake_staff"), (intake.outside, "intake_outside")):
        connection = await asyncpg.connect(url)
        assert await connection.fetchval("INSERT INTO visible (name) VALUES ('x') RETURNING id")
        row = await connection.fetchrow("SELECT * FROM pg_roles WHERE rolname = current_user")
        assert row and row["rolname"] == role
        assert not (row["rolsuper"] or row["rolbypassrls"] or row["rolcreaterole"] or row["rolcreatedb"])
        assert await connection.fetchval("SHOW statement_timeout") == "15s"
        for forbidden in ("CREATE TABLE mine (a int)", "ALTER TABLE visible ADD COLUMN b int", "SET ROLE intake_owner"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(forbidden)
        await connection.close()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(intake.staff.replace("/entraide_intake?", "/entraide_billing?"))
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(intake.staff.replace(":", "?", 1).replace(":", ":not-", 1).replace("?", ":", 1))


async def test_the_servers_run_as_promised(stack: Stack) -> None:
    assert stack.postgres is not None
    connection = await asyncpg.connect(stack.postgres_url)
    assert await connection.fetchval("SHOW fsync") == "on"
    assert await connection.fetchval("SELECT lower('É')") == "é"
    await connection.close()
    assert psutil.Process(stack.postgres.process.pid).uids().effective != 0
    secrets = [file for file in stack.folder.rglob("*") if file.suffix == ".password" or file.parent.name == "secrets"]
    assert len(secrets) >= 3 * len(topics.SERVICES) + len(topics.SERVICES) + 2
    assert {file.stat().st_mode & 0o777 for file in secrets} == {0o600}
    with pytest.raises(StartFailed, match=f"in use by process {os.getpid()}"):
        await Stack.up(stack.folder)


async def test_kill_9_of_both_engines_loses_nothing_and_they_return_at_the_same_address(stack: Stack) -> None:
    assert stack.kafka and stack.postgres
    tracking, url = service(stack, "tracking"), stack.databases["tracking"].owner
    before = stack.environment("tracking")
    owner = await asyncpg.connect(url)
    await owner.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    assert write(tracking, "tasks", b"kept") is None
    stack.kafka.kill9()
    stack.postgres.kill9()
    owner.terminate()
    await asyncio.gather(stack.kafka.restart(), stack.postgres.restart())
    assert stack.environment("tracking") == before
    assert read(tracking, "tasks") == [b"kept"]
    owner = await asyncpg.connect(url)
    assert await owner.fetchval("SELECT answer FROM kept") == 42
    await owner.close()


async def test_a_broker_whose_identifier_looks_like_an_option_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "uuid4", lambda: UUID(bytes=b"\xfb\xef\xbe" + bytes(13)))
    broker = await kafka.Kafka.start(tmp_path / "kafka")
    try:
        assert broker.cluster_id.startswith("--")
    finally:
        await broker.stop()


async def test_a_second_stack_runs_beside_the_first_and_dies_with_its_parent(stack: Stack, tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)  # too long for a unix socket's path
    program = await asyncio.create_subprocess_exec(sys.executable, "-c", NEIGHBOUR, str(deep), cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert program.stdout is not None
    try:
        told = json.loads(await asyncio.wait_for(program.stdout.readline(), 60))
        engines = [psutil.Process(pid) for pid in told["pids"]]
        theirs, ours = told["environment"], stack.environment("intake")
        assert theirs["ENTRAIDE_KAFKA_BOOTSTRAP"] != ours["ENTRAIDE_KAFKA_BOOTSTRAP"]
        assert stack.kafka and told["cluster"] != stack.kafka.cluster_id
        neighbour = Broker(theirs["ENTRAIDE_KAFKA_BOOTSTRAP"], "intake", theirs["ENTRAIDE_KAFKA_PASSWORD"])
        assert write(neighbour, "cases", b"theirs") is None
        assert b"theirs" not in read(service(stack, "intake"), "cases")
        connection = await asyncpg.connect(theirs["ENTRAIDE_DATABASE_URL"])
        await connection.close()
    finally:
        program.send_signal(signal.SIGKILL)
        await program.wait()
    _, alive = await asyncio.to_thread(psutil.wait_procs, engines, 15)
    assert not alive
