"""What came of the play, folded from the log itself."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from confluent_kafka import Consumer, Message, TopicPartition

from contracts import registry
from contracts.case_state import FINAL, CaseState, NeedState, Record, apply
from contracts.envelope import Envelope
from deploy.topics import Broker

OUTCOMES = ("completed", "refused", "cancelled", "unfilled_settled_by_hand", "open")
_NAMES = {"performed": "completed", "refused": "refused", "cancelled": "cancelled"}


@dataclass(slots=True)
class Tally:
    """Outcomes count needs and add up to them. `delays`: by outcome, from opening to the final state."""

    cases: int = 0
    needs: int = 0
    closed: int = 0
    events: int = 0
    outcomes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    delays: dict[str, list[timedelta]] = field(default_factory=lambda: {outcome: [] for outcome in OUTCOMES})
    declined_then_accepted: int = 0
    crossings: dict[str, int] = field(default_factory=dict)
    anomalies: list[str] = field(default_factory=list)
    billed: int = 0
    invoiced: int = 0
    payable_cents: int = 0


def take(broker: Broker) -> Tally:
    """Reads the topic `cases` from its beginning to its end."""
    known = registry.load()
    states: dict[str, CaseState] = {}
    tally = Tally()
    for message in _records(broker, "cases"):
        envelope = Envelope.from_headers(message.headers() or [])  # type: ignore[arg-type]  # bytes, as we sent them
        model = known.get(envelope.type)
        event = model.model_validate_json(message.value() or b"") if model else None
        states[envelope.key] = apply(states.get(envelope.key, CaseState(envelope.key)), Record(envelope, event))
        tally.events += 1
    for state in states.values():
        _add(tally, state)
    return tally


def _add(tally: Tally, case: CaseState) -> None:
    tally.cases += 1
    tally.closed += case.closed
    tally.anomalies += [f"{case.number}: {one.type} {one.why}" for one in case.anomalies]
    for crossing in case.crossings:
        tally.crossings[crossing.kind] = tally.crossings.get(crossing.kind, 0) + 1
    for need in case.needs.values():
        outcome = _outcome(need)
        tally.needs += 1
        tally.outcomes[outcome] += 1
        if case.opened_at and need.state in FINAL:
            tally.delays[outcome].append(need.reached[need.state] - case.opened_at)
        refused_before = any(offer.status in ("declined", "expired") for offer in need.offers.values())
        tally.declined_then_accepted += refused_before and "accepted" in need.reached
        tally.billed += need.money.bill_id is not None
        tally.invoiced += need.money.invoiced
        tally.payable_cents += need.money.payable_gross_cents or 0


def _outcome(need: NeedState) -> str:
    if need.state not in FINAL:
        return "open"
    return "unfilled_settled_by_hand" if "unfilled" in need.reached else _NAMES[need.state]


def _records(broker: Broker, topic: str) -> Iterator[Message]:
    consumer = Consumer(broker.settings() | {"group.id": "entraide-tally", "enable.auto.commit": False})
    try:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        places = [TopicPartition(topic, number, 0) for number in partitions]
        left = {place.partition: consumer.get_watermark_offsets(place, timeout=10)[1] for place in places}
        left = {number: end for number, end in left.items() if end}
        consumer.assign([place for place in places if place.partition in left])
        while left:
            for message in consumer.consume(500, timeout=5):
                if error := message.error():
                    raise RuntimeError(str(error))
                yield message
                if (message.offset() or 0) + 1 >= left.get(message.partition() or 0, 0):
                    left.pop(message.partition() or 0, None)
    finally:
        consumer.close()
