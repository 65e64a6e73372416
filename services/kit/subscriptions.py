"""What a service listens to: the one table in its `listens.py`."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple, TypeVar

from contracts import cards, registry
from contracts.cards import Card
from contracts.envelope import Envelope
from contracts.registry import Event
from services.kit.db import Transaction

PATIENT_S = 0.2
UNHANDLED_S = 0.5

E = TypeVar("E", bound=Event)
C = TypeVar("C", bound=Card)


class Received(NamedTuple):
    """A record as a handler sees it. `data` is None for a card's tombstone, and for a type or version not understood here."""

    envelope: Envelope
    data: Any


Handle = Callable[[Transaction, Sequence[Received]], Awaitable[None]]


class Takes(Enum):
    """What a handler is given at once."""

    ONE = "a record"
    MANY = "records of one type, of each key one"
    ALL = "all records of its types, in order"


@dataclass(frozen=True, slots=True, eq=False)
class Subscription:
    topic: str
    types: tuple[str, ...] | None  # None: every type of the topic
    handle: Handle
    takes: Takes
    patient: frozenset[str] = frozenset()  # those of its types whose effect nobody waits for


def each(event: type[E], handler: Callable[[Transaction, E], Awaitable[None]], *, patient: bool = False) -> Subscription:
    """One call per event; what it emits is caused by that event. `patient`: nobody waits for the effect, see `Table.patience`."""

    async def handle(tx: Transaction, received: Sequence[Received]) -> None:
        await handler(tx, received[0].data)

    return _of_one(event.EVENT.topic, event.EVENT.full_name, handle, Takes.ONE, patient)


def many(event: type[E], handler: Callable[[Transaction, Sequence[Received]], Awaitable[None]], *, patient: bool = False) -> Subscription:
    """One call per batch: events of one type, of each key one. Emit with `Cause.of(received.envelope)`."""
    return _of_one(event.EVENT.topic, event.EVENT.full_name, handler, Takes.MANY, patient)


def together(
    handler: Callable[[Transaction, Sequence[Received]], Awaitable[None]], *events: type[Event], patient: Iterable[type[Event]] = ()
) -> Subscription:
    """One call per batch: events of these types, in order. Emit with `Cause.of(received.envelope)`."""
    waiting = frozenset(event.EVENT.full_name for event in patient)
    types = (*(event.EVENT.full_name for event in events), *waiting)
    (topic,) = {event.EVENT.topic for event in (*events, *patient)}
    return Subscription(topic, types, handler, Takes.ALL, waiting)


def every(topic: str, handler: Callable[[Transaction, Sequence[Received]], Awaitable[None]]) -> Subscription:
    """Everything on a topic, in order, one call per batch; the only subscription of its topic."""
    return Subscription(topic, None, handler, Takes.ALL)


def card(model: type[C], handler: Callable[[Transaction, str, int, C | None], Awaitable[None]], *, patient: bool = False) -> Subscription:
    """(transaction, card id, version, card or None for a tombstone). The handler keeps the higher version."""

    async def handle(tx: Transaction, received: Sequence[Received]) -> None:
        envelope = received[0].envelope
        await handler(tx, envelope.key.partition(":")[2], envelope.seq, received[0].data)

    return _of_one(cards.TOPIC, cards.type_of(model.KIND), handle, Takes.ONE, patient)


def _of_one(topic: str, name: str, handle: Handle, takes: Takes, patient: bool) -> Subscription:
    return Subscription(topic, (name,), handle, takes, frozenset([name] if patient else []))


class Table:
    """The subscriptions of one service, by topic and type."""

    def __init__(self, subscriptions: Iterable[Subscription]) -> None:
        self._of: dict[str, dict[str | None, Subscription]] = {}
        for subscription in subscriptions:
            known = self._of.setdefault(subscription.topic, {})
            for event_type in subscription.types or (None,):
                if event_type in known or None in known:
                    raise TypeError(f"{event_type or 'every type'} of {subscription.topic} has two handlers")
                known[event_type] = subscription
        models: dict[str, type[Event] | type[Card]] = {**registry.load(), **{cards.type_of(kind): model for kind, model in cards.CARDS.items()}}
        self._validators = {name: model.__pydantic_validator__.validate_json for name, model in models.items()}

    @property
    def topics(self) -> list[str]:
        return sorted(self._of)

    def of(self, topic: str, event_type: str) -> Subscription | None:
        known = self._of[topic]
        return known.get(event_type) or known.get(None)

    def unhurried(self, topic: str) -> bool:
        """Whether nobody waits for the effect of anything on this topic."""
        return all(event_type in subscription.patient for event_type, subscription in self._of[topic].items())

    def patience(self, topic: str, headers: Iterable[tuple[str, bytes | None]]) -> float:
        """Seconds that a record may wait for company: together they cost one transaction.

        0 for what somebody waits for, and for what cannot be read: somebody has to be told.
        """
        event_type = next((value for name, value in headers if name == "ce_type"), None) or b""
        name = event_type.decode("ascii", "replace")
        subscription = self.of(topic, name)
        if subscription is None:
            return UNHANDLED_S if name else 0
        return PATIENT_S if name in subscription.patient else 0

    def decode(self, envelope: Envelope, value: bytes | None) -> Received:
        """Raises pydantic's ValidationError for a body that its model refuses."""
        if value is None:
            return Received(envelope, None)
        validate = self._validators.get(envelope.type)
        return Received(envelope, validate(value) if validate else None)
