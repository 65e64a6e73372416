"""Events given to a service's handlers as its consumer would give them, without a log."""

from datetime import UTC, datetime

from contracts.envelope import Envelope
from contracts.registry import Event
from services.kit.clock import new_id
from services.kit.db import Transaction
from services.kit.subscriptions import Received, Table


async def hear(tx: Transaction, table: Table, *events: Event) -> None:
    """More than one: a batch, of events that one handler takes."""
    subscriptions = {table.of(event.route()[0], event.EVENT.full_name) for event in events}
    assert len(subscriptions) == 1 and None not in subscriptions, f"not one handler listens to {[event.EVENT.full_name for event in events]}"
    (subscription,) = subscriptions
    await subscription.handle(tx, [Received(envelope(event), event) for event in events])


def envelope(event: Event) -> Envelope:
    """Of an event of its own cause."""
    key = event.route()[1]
    traceparent = f"00-{1:032x}-{1:016x}-01"
    return Envelope(new_id(), event.EVENT.owner, event.EVENT.full_name, datetime.now(UTC), key, 1, 1, new_id(), new_id(), traceparent)
