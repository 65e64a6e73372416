"""A sample of every event, card and delivery: the story as records, with the headers they would have in the log."""

from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple, TypeVar

from contracts.cards import TOPIC, Card, type_of
from contracts.deliveries import Delivery
from contracts.envelope import Envelope
from contracts.json_schema import Model
from contracts.registry import ANY_SERVICE, Event
from contracts.story import told
from contracts.story.cast import at, made_up_id

Said = TypeVar("Said", bound=Event | Card | Delivery)
TASKS_OPENER = "dispatch"  # in the story


class Record(NamedTuple):
    headers: Mapping[str, str]
    key: str
    value: Mapping[str, Any]
    topic: str
    said: Event | Card | Delivery

    def as_json(self) -> dict[str, Any]:
        return {"headers": dict(self.headers), "key": self.key, "value": dict(self.value)}


@cache
def records() -> tuple[Record, ...]:
    """The whole story in the order it happened; seq is gapless per source, topic and key, row per source."""
    seqs: Counter[tuple[str, str, str]] = Counter()
    rows: Counter[str] = Counter()
    return tuple(_record(number, minute, said, seqs, rows) for number, (minute, said) in enumerate(told()))


def record(model: Model) -> Record:
    """The first record of this event, card or delivery in the story."""
    return next(found for found in records() if type(found.said) is model)


def sample(model: type[Said]) -> Said:
    """The first event or card of this type in the story."""
    return next(found.said for found in records() if isinstance(found.said, model))


def _record(number: int, minute: int, said: Event | Card | Delivery, seqs: Counter[tuple[str, str, str]], rows: Counter[str]) -> Record:
    if isinstance(said, Card):
        source, full_name, topic, key, seq = said.WRITER, type_of(said.KIND), TOPIC, said.key, said.version
    elif isinstance(said, Delivery):
        source, full_name, topic, key, seq = said.WRITER, said.TYPE, said.TOPIC, said.key, said.position
    else:
        source = TASKS_OPENER if said.EVENT.owner == ANY_SERVICE else said.EVENT.owner
        full_name, (topic, key) = said.EVENT.full_name, said.route()
        seqs[source, topic, key] += 1
        seq = seqs[source, topic, key]
    rows[source] += 1
    event_id = made_up_id(0x1000 + number)
    envelope = Envelope(
        id=event_id,
        source=source,
        type=full_name,
        time=at(minute),
        key=key,
        seq=seq,
        row=rows[source],
        correlation_id=made_up_id(0x2000),
        causation_id=made_up_id(0x1000 + number - 1) if number else event_id,
        traceparent=f"00-{0x5EED:032x}-{number + 1:016x}-01",
    )
    headers = {name: value.decode() for name, value in envelope.to_headers()}
    return Record(headers, key, said.model_dump(mode="json", exclude_none=True), topic, said)
