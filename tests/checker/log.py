"""The raw log, as admin: every partition of every topic, from its first record to its end."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition

from tests.checker.inputs import Log, Record, Row

PATIENCE_S = 20.0
TRANSPORT = "SASL_PLAINTEXT"
Place = tuple[str, int]


def ends(kafka: Row) -> dict[Place, int]:
    consumer = _consumer(kafka)
    try:
        return _ends(consumer)
    finally:
        consumer.close()


def collect(kafka: Row) -> Log:
    """Raises `TimeoutError` when the broker stops answering."""
    consumer = _consumer(kafka)
    records: list[Record] = []
    unreadable: list[tuple[str, int, int]] = []
    try:
        found = _ends(consumer)
        for message in _all(consumer, found):
            record = _record(message)
            if record:
                records.append(record)
            else:
                unreadable.append((message.topic() or "", message.partition() or 0, message.offset() or 0))
        return Log(records, unreadable, found)
    finally:
        consumer.close()


def _all(consumer: Consumer, ends: dict[Place, int]) -> Iterator[Message]:
    """A compacted partition may have nothing at its last offsets: there the end itself is told."""
    left = {place for place, end in ends.items() if end}
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for topic, partition in left])
    heard = datetime.now(UTC)
    while left:
        messages = consumer.consume(2_000, timeout=0.5)
        if messages:
            heard = datetime.now(UTC)
        elif (datetime.now(UTC) - heard).total_seconds() > PATIENCE_S:
            raise TimeoutError(f"the log goes silent, {len(left)} partitions are not read to their end")
        for message in messages:
            place = message.topic() or "", message.partition() or 0
            error = message.error()
            if error is not None:
                if error.code() != -191:  # _PARTITION_EOF
                    raise KafkaException(error)
                left.discard(place)
                continue
            if (message.offset() or 0) < ends[place]:
                yield message
            if (message.offset() or 0) + 1 >= ends[place]:
                left.discard(place)


def _ends(consumer: Consumer) -> dict[Place, int]:
    topics = consumer.list_topics(timeout=10).topics
    places = [(name, number) for name, topic in topics.items() if not name.startswith("__") for number in topic.partitions]
    return {place: consumer.get_watermark_offsets(TopicPartition(*place), timeout=10)[1] for place in places}


def _consumer(kafka: Row) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": kafka["bootstrap"],
            "security.protocol": kafka.get("protocol", TRANSPORT),
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": kafka["user"],
            "sasl.password": kafka["password"],
            "group.id": "checker",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 50,
            "log_level": 0,
        }
    )


def _record(message: Message) -> Record | None:
    found: Any = message.headers() or []
    headers = {name: value for name, value in found if isinstance(value, bytes)}
    try:
        return Record(
            topic=message.topic() or "",
            partition=message.partition() or 0,
            offset=message.offset() or 0,
            key=(message.key() or b"").decode(),
            source=headers["ce_source"].decode(),
            kind=headers["ce_type"].decode().rpartition(".v")[0],
            id=headers["ce_id"].decode(),
            seq=int(headers["ce_seq"]),
            causation=headers["ce_causationid"].decode(),
            value=message.value(),
        )
    except (KeyError, ValueError):
        return None
