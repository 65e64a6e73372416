"""Outbox rows into the log, as record batches made per partition: a call and a future for each record would cost more than the record."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import InvalidTopicError, KafkaError, TopicAuthorizationFailedError, UnknownTopicOrPartitionError
from aiokafka.partitioner import murmur2

from services.kit.outbox import envelope

BATCH_BYTES = 524_288
SEND_TIMEOUT_S = 20

REFUSALS = (UnknownTopicOrPartitionError, TopicAuthorizationFailedError, InvalidTopicError)

Group = TypeVar("Group", bound=Hashable)

_hash = lru_cache(maxsize=50_000)(murmur2)  # in Python: five times the price of the look-up


class Sent(NamedTuple):
    """Where the broker has confirmed a row."""

    row: int
    topic: str
    partition: int
    offset: int


class Outcome(NamedTuple):
    """`refused`: the topics that will not be had by trying again soon: missing, or not ours to write."""

    sent: list[Sent]
    refused: dict[str, KafkaError]
    failures: list[BaseException]


class Publisher:
    """A producer that is thrown away after any failure, so that what follows a record never goes before it."""

    def __init__(self, service: str, connection: dict[str, Any]) -> None:
        self._service = service
        self._connection = connection
        self._producer: AIOKafkaProducer | None = None
        self._ending: set[asyncio.Task[None]] = set()

    async def publish(self, rows: Sequence[asyncpg.Record]) -> Outcome:
        """Sends rows, in order per key. Raises KafkaError, OSError or TimeoutError where nothing is known of any."""
        if self._producer is None:
            self._producer = AIOKafkaProducer(
                **self._connection, enable_idempotence=True, acks="all", linger_ms=0, max_batch_size=BATCH_BYTES, request_timeout_ms=10_000
            )
            await self._producer.start()
        topics = _grouped(rows, lambda row: row["aggregatetype"])
        outcome = Outcome([], {}, [])
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await asyncio.gather(*(self._to_topic(self._producer, topic, its, outcome) for topic, its in topics.items()))
        return outcome

    async def discard(self) -> None:
        """Waits five seconds; a producer that holds more ends by itself, when the broker has taken it or it has expired."""
        producer, self._producer = self._producer, None
        if producer is not None:
            ending = asyncio.create_task(_end(producer))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
            await asyncio.wait([ending], timeout=5)

    async def _to_topic(self, producer: AIOKafkaProducer, topic: str, rows: list[asyncpg.Record], outcome: Outcome) -> None:
        try:
            partitions = sorted(await producer.partitions_for(topic))
        except REFUSALS as refusal:
            outcome.refused[topic] = refusal
            return
        # as every Kafka client places a key
        queues = _grouped(rows, lambda row: partitions[(_hash(row["aggregateid"].encode()) & 0x7FFFFFFF) % len(partitions)])
        await asyncio.gather(*(self._to_partition(producer, topic, partition, queue, outcome) for partition, queue in queues.items()))

    async def _to_partition(self, producer: AIOKafkaProducer, topic: str, partition: int, rows: list[asyncpg.Record], outcome: Outcome) -> None:
        on_their_way = [(its, await producer.send_batch(batch, topic, partition=partition)) for batch, its in _batches(self._service, producer, rows)]
        for its, future in on_their_way:
            try:
                base = (await future).offset
            except REFUSALS as refusal:
                outcome.refused[topic] = refusal
            except (KafkaError, OSError) as failure:
                outcome.failures.append(failure)
            else:
                outcome.sent.extend(Sent(row["id"], topic, partition, offset) for offset, row in enumerate(its, base))


def _batches(service: str, producer: AIOKafkaProducer, rows: Iterable[asyncpg.Record]) -> Iterator[tuple[Any, list[asyncpg.Record]]]:
    """As many rows in each as fit; a row that is too long for any has one to itself."""
    now = int(time.time() * 1000)
    its: list[asyncpg.Record] = []
    batch = producer.create_batch()
    for row in rows:
        record = {
            "timestamp": now,
            "key": row["aggregateid"].encode(),
            "value": row["payload"],
            "headers": envelope(service, row).to_headers(),
        }
        if batch.append(**record) is None:
            yield batch, its
            batch, its = producer.create_batch(), []
            batch.append(**record)
        its.append(row)
    yield batch, its


def _grouped(rows: Iterable[asyncpg.Record], group: Callable[[asyncpg.Record], Group]) -> dict[Group, list[asyncpg.Record]]:
    """In the order they came."""
    groups: dict[Group, list[asyncpg.Record]] = {}
    for row in rows:
        groups.setdefault(group(row), []).append(row)
    return groups


async def _end(producer: AIOKafkaProducer) -> None:
    with contextlib.suppress(KafkaError, OSError):
        await producer.stop()
