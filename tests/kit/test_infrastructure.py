"""What passes by itself is tried again and never parked; what only looks like it does not block for ever."""

from collections.abc import Awaitable, Callable, Sequence

import asyncpg
import pytest
from aiokafka.errors import KafkaConnectionError

from services.kit.clock import new_id
from services.kit.db import Transaction
from services.kit.subscriptions import Received, Table, every
from tests.conftest import eventually
from tests.kit.harness import Lab, keep, running

PASSING = [
    ConnectionResetError("connection lost"),
    TimeoutError(),
    OSError(28, "no space left on device"),
    KafkaConnectionError("no broker"),
    asyncpg.DeadlockDetectedError("deadlock"),
    asyncpg.SerializationError("serialization"),
    asyncpg.LockNotAvailableError("lock time-out"),
    asyncpg.QueryCanceledError("statement time-out"),
    asyncpg.DiskFullError("disk"),
    asyncpg.TooManyConnectionsError("connections"),
    asyncpg.AdminShutdownError("restart"),
    asyncpg.CannotConnectNowError("starting"),
    asyncpg.ConnectionDoesNotExistError("closed"),
    asyncpg.InterfaceError("connection is closed"),
    asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress"),
    asyncpg.InterfaceError("cannot call Transaction.rollback(): the underlying connection is closed"),
]


async def test_failures_of_infrastructure_are_retried_and_never_parked(lab: Lab) -> None:
    keys = [new_id() for _ in PASSING]
    failures = dict(zip(keys, PASSING, strict=True))

    async def handle(tx: Transaction, received: Sequence[Received]) -> None:
        for record in received:
            if failure := failures.pop(record.envelope.key, None):
                raise failure
        await keep(tx, received)

    await lab.sender.emit(*keys)
    async with running(lab.sender.relay().run()):
        await eventually(lab.sender.published)
    async with running(lab.reader.consumer(Table([every("cases", handle)])).run()):
        await eventually(lambda: lab.once(*keys, upto=1), seconds=30)
    assert await lab.count() == len(keys)
    assert await lab.reader.stuck() == []


async def too_few_arguments(tx: Transaction) -> None:
    await tx.conn.execute("select $1::int")


async def goes_on_after_an_error(tx: Transaction) -> None:
    try:
        await tx.conn.execute("select 1 / 0")
    except asyncpg.DivisionByZeroError:
        await tx.conn.execute("select 1")


async def a_wrong_value(tx: Transaction) -> None:
    await tx.conn.execute("select $1::int", "one")


@pytest.mark.parametrize("mistake", [too_few_arguments, goes_on_after_an_error, a_wrong_value])
async def test_a_mistake_of_a_handler_at_the_database_parks_its_record_and_blocks_nothing(
    lab: Lab, mistake: Callable[[Transaction], Awaitable[None]]
) -> None:
    key, other = new_id(), new_id()

    async def handle(tx: Transaction, received: Sequence[Received]) -> None:
        if any(r.envelope.key == key for r in received):
            await mistake(tx)
        await keep(tx, received)

    await lab.sender.emit(key, other)
    async with running(lab.sender.relay().run(), lab.reader.consumer(Table([every("cases", handle)])).run()):
        await eventually(lambda: lab.once(other, upto=1))
        [stuck] = await eventually(lab.reader.stuck)
    assert (stuck.key, stuck.reason) == (key, "failed")
