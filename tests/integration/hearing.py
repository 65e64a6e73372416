"""Events given to a service's handlers as its consumer would give them, without a log."""

from datetime import UTC, datetime

from contracts.envelope import Envelope
from contracts.registry import Event
from services.kit.clock import new_id
from services.kit.db import Transaction
from services.kit.subscriptions import Received, Table


async def hear(tx: Transaction, table: Table, event: Event) -> None:
    topic, _ = event.route()
    subscription = table.of(topic, event.EVENT.full_name)
    assert subscription is not None, f"nobody listens to {event.EVENT.full_name}"
    await subscription.handle(tx, [Received(envelope(event), event)])


def envelope(event: Event) -> Envelope:
    """Of an event of its own cause."""
    key = event.route()[1]
    traceparent = f"00-{1:032x}-{1:016x}-01"
    return Envelope(new_id(), event.EVENT.owner, event.EVENT.full_name, datetime.now(UTC), key, 1, 1, new_id(), new_id(), traceparent)
