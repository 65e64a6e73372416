"""The raw log, as admin: every partition of every topic, from its first record to its end."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # its stubs re-export without saying so

from tests.checker.inputs import Log, Record, Row

PATIENCE_S = 20.0
TRANSPORT = "SASL_PLAINTEXT"
Place = tuple[str, int]


def ends(kafka: Row) -> dict[Place, int]:
    """The offset after the last record of each partition."""
    admin = AdminClient(_connection(kafka))
    topics = admin.list_topics(timeout=10).topics
    places = [TopicPartition(name, number) for name, topic in topics.items() if not name.startswith("__") for number in topic.partitions]
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    asked = admin.list_offsets(dict.fromkeys(places, latest))
    return {(place.topic, place.partition): told.result(10).offset for place, told in asked.items()}


def collect(kafka: Row) -> Log:
    """Raises `TimeoutError` when the broker stops answering."""
    found = ends(kafka)
    consumer = Consumer({**_connection(kafka), "group.id": "checker", "enable.auto.commit": False, "enable.partition.eof": True})
    records: list[Record] = []
    unreadable: list[tuple[str, int, int]] = []
    try:
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


def _connection(kafka: Row) -> Row:
    return {
        "bootstrap.servers": kafka["bootstrap"],
        "security.protocol": kafka.get("protocol", TRANSPORT),
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": kafka["user"],
        "sasl.password": kafka["password"],
        "log_level": 0,
    }


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
