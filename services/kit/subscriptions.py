"""What a service listens to: the one table in its `listens.py`."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from contracts import cards, registry
from contracts.cards import Card
from contracts.envelope import Envelope
from contracts.registry import Event
from services.kit.db import Transaction

E = TypeVar("E", bound=Event)
C = TypeVar("C", bound=Card)


class Received(NamedTuple):
    """A record as a handler sees it. `data` is None for a card's tombstone, and for a type or version not understood here."""

    envelope: Envelope
    data: Any


Handle = Callable[[Transaction, Sequence[Received]], Awaitable[None]]


@dataclass(frozen=True, slots=True, eq=False)
class Subscription:
    topic: str
    event: str | None  # None: every type of the topic
    model: type[Event] | type[Card] | None
    handle: Handle
    batched: bool = False  # the handler takes a list; otherwise one record a call


def each(event: type[E], handler: Callable[[Transaction, E], Awaitable[None]]) -> Subscription:
    """One call per event; what it emits is caused by that event."""

    async def handle(tx: Transaction, received: Sequence[Received]) -> None:
        await handler(tx, received[0].data)

    return Subscription(event.EVENT.topic, event.EVENT.full_name, event, handle)


def many(event: type[E], handler: Callable[[Transaction, Sequence[Received]], Awaitable[None]]) -> Subscription:
    """One call per batch: events of one type, in order per key. Emit with `Cause.of(received.envelope)`."""
    return Subscription(event.EVENT.topic, event.EVENT.full_name, event, handler, batched=True)


def every(topic: str, handler: Callable[[Transaction, Sequence[Received]], Awaitable[None]]) -> Subscription:
    """Everything on a topic, in order, one call per batch; the only subscription of its topic."""
    return Subscription(topic, None, None, handler, batched=True)


def card(model: type[C], handler: Callable[[Transaction, str, int, C | None], Awaitable[None]]) -> Subscription:
    """(transaction, card id, version, card or None for a tombstone). The handler keeps the higher version."""

    async def handle(tx: Transaction, received: Sequence[Received]) -> None:
        envelope = received[0].envelope
        await handler(tx, envelope.key.partition(":")[2], envelope.seq, received[0].data)

    return Subscription(cards.TOPIC, f"card.{model.KIND}.v1", model, handle)


class Table:
    """The subscriptions of one service, by topic and type."""

    def __init__(self, subscriptions: Iterable[Subscription]) -> None:
        self._of: dict[str, dict[str | None, Subscription]] = {}
        for subscription in subscriptions:
            known = self._of.setdefault(subscription.topic, {})
            if subscription.event in known or None in known:
                raise TypeError(f"{subscription.event or 'every type'} of {subscription.topic} has two handlers")
            known[subscription.event] = subscription
        self._events = registry.load()

    @property
    def topics(self) -> list[str]:
        return sorted(self._of)

    def of(self, topic: str, event_type: str) -> Subscription | None:
        known = self._of[topic]
        return known.get(event_type) or known.get(None)

    def handles(self, topic: str, headers: Iterable[tuple[str, bytes | None]]) -> bool:
        """True also for what cannot be read: somebody has to be told."""
        known = self._of[topic]
        if None in known:
            return True
        event_type = next((value for name, value in headers if name == "ce_type"), b"")
        return not event_type or event_type.decode("ascii", "replace") in known

    def decode(self, subscription: Subscription, envelope: Envelope, value: bytes | None) -> Received:
        """Raises pydantic's ValidationError for a body that its model refuses."""
        if value is None:
            return Received(envelope, None)
        model = subscription.model or self._events.get(envelope.type)
        return Received(envelope, model.model_validate_json(value) if model else None)
