"""Applying records inside a transaction: what is new goes to its handler once, what cannot be applied is parked.

The consumer gives a batch, the drainer one parked record; both hold the parking rows of the keys that have one.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from pydantic import ValidationError

from contracts import cards
from contracts.envelope import Envelope, Undecodable
from contracts.registry import owns
from services.kit import failpoints, marks, metrics, parking
from services.kit.clock import Clock
from services.kit.db import Connection, Transaction
from services.kit.marks import Leaving, Mark
from services.kit.outbox import Cause
from services.kit.parking import ParkedKey, Raw, Reason
from services.kit.subscriptions import Received, Subscription, Table, Takes


class Unreadable(Exception):
    """A subscribed record whose body its model refuses."""


class Item(NamedTuple):
    raw: Raw
    key: str
    envelope: Envelope | None  # None: undecodable, `trouble` says why
    trouble: str = ""

    @classmethod
    def of(cls, raw: Raw) -> "Item":
        key = parking.text_of(raw.key)
        try:
            envelope = Envelope.from_headers(raw.headers)
            _refuse_unstorable(key, envelope)
        except Undecodable as why:
            return cls(raw, key, None, str(why))
        return cls(raw, key, envelope)


def _refuse_unstorable(key: str, envelope: Envelope) -> None:
    """What no mark could be kept for. Raises `Undecodable`."""
    if envelope.key != key:
        raise Undecodable("the subject is not the key")
    if "\0" in envelope.source or "\0" in envelope.type:
        raise Undecodable("malformed header: a zero byte")
    if not 0 < envelope.seq < 2**63:
        raise Undecodable(f"malformed header: seq {str(envelope.seq)[:20]}")


class Verdict(NamedTuple):
    """What the marks say of one record."""

    reason: Reason | None  # None: apply or drop
    cause: str = ""
    duplicate: bool = False
    waits_for: int = 0  # the seq missing before a gap


_APPLY, _DROP = Verdict(None), Verdict(None, duplicate=True)


class Batch:
    """Records of one partition, in order, applied in one transaction: `trust` or `ask` begins it, `leaving` is for its last statement.

    Who trusts takes it that all is as it nearly always is: each record the next of its key, and no key parked. That spares a round trip;
    the last statement finds out, and then it is asked.
    """

    def __init__(self, table: Table, topic: str, items: Sequence[Item]) -> None:
        self.usual = True  # neither a duplicate nor anything parked was met
        self._trusting = False
        self._raised: dict[Mark, tuple[int | None, int]] = {}
        self._table = table
        self._topic = topic
        self._items = items
        self._counted = topic != cards.TOPIC
        self._known: dict[Mark, int] = {}
        self._some_parked = False

    async def trust(self, clock: Clock) -> datetime:
        self._trusting = True
        for item in self._items:
            if item.envelope:
                self._known.setdefault((item.envelope.source, item.key), item.envelope.seq - 1)
        return clock.now()

    async def ask(self, conn: Connection) -> datetime:
        """Reads the marks, and the clock with them."""
        wanted = {(item.envelope.source if item.envelope else "", item.key) for item in self._items}
        now, self._known, self._some_parked = await marks.arrive(conn, self._topic, wanted)
        return now

    async def apply(self, tx: Transaction, refused: str | None = None) -> int:
        """Returns how many keys were newly parked. `refused`: the one record given has failed and is to be parked.

        Raises `Overtaken` where trust was misplaced.
        """
        topic, stood = self._topic, self._known
        parked: dict[str, ParkedKey] = {}
        if self._some_parked:
            parked = await parking.lock(tx.conn, topic, [item.key for item in self._items])
            stood = await marks.read(tx.conn, topic, stood)  # again, and now after a drainer that may have been raising them
        known = dict(stood)
        before, duplicates = len(parked), 0
        runs = _Runs(self._table, topic)
        for item in self._items:
            verdict = Verdict("failed", refused) if refused else _judge(item, known, parked, self._counted)
            if self._trusting and verdict is not _APPLY:
                raise marks.Overtaken
            if verdict.duplicate:
                duplicates += 1
            elif verdict.reason:
                await _park(tx, item, verdict, parked)
            else:
                assert item.envelope is not None
                if self._counted:
                    mark = (item.envelope.source, item.envelope.key)
                    known[mark] = seq = item.envelope.seq
                    self._raised[mark] = stood[mark], seq
                    if item.envelope.key in parked:
                        await parking.hasten(tx.conn, topic, item.envelope.key)
                elif self._trusting:
                    self._raised[item.envelope.source, item.envelope.key] = None, item.envelope.seq
                runs.add(item.envelope, item.raw.value)
        await runs.handle(tx)
        self.usual = not (duplicates or parked)
        if duplicates:
            metrics.duplicates.labels(tx.outbox.service, topic).inc(duplicates)
        metrics.applied.labels(tx.outbox.service, topic).inc(len(self._items))
        return len(parked) - before

    def leaving(self, partition: int | None = None, expected: int | None = None, following: int | None = None) -> Leaving:
        return Leaving(self._topic, self._raised, self._trusting, partition, expected, following)


async def drain(tx: Transaction, table: Table, topic: str, item: Item) -> Verdict:
    """Applies the first parked record of a key whose parking row the caller has locked. A verdict with a reason: it stays parked."""
    counted = topic != cards.TOPIC
    known = await marks.read(tx.conn, topic, [(item.envelope.source, item.envelope.key)]) if counted and item.envelope else {}
    verdict = _judge(item, known, {}, counted)
    if verdict.reason is None and not verdict.duplicate and item.envelope is not None:
        runs = _Runs(table, topic)
        runs.add(item.envelope, item.raw.value)
        await runs.handle(tx)
        if counted:
            mark = (item.envelope.source, item.envelope.key)
            await marks.leave(tx.conn, Leaving(topic, {mark: (known[mark], item.envelope.seq)}))
    return verdict


def _judge(item: Item, known: dict[Mark, int], parked: dict[str, ParkedKey], counted: bool) -> Verdict:
    envelope = item.envelope
    if envelope is None:
        return Verdict("undecodable", item.trouble)
    behind = parked.get(item.key)
    if not (owns if counted else cards.writes)(envelope.source, envelope.type):
        return Verdict("not_owner", f"{envelope.source} does not own {envelope.type}")
    if not counted:
        return Verdict(behind.reason, "behind a parked record") if behind else _APPLY
    mark = known[envelope.source, envelope.key]
    if envelope.seq <= mark:
        return _DROP
    if envelope.seq > mark + 1 and not behind:
        return Verdict("gap", f"seq {mark + 1} of {envelope.source} is missing, {envelope.seq} came", waits_for=mark + 1)
    if behind and not _fills(envelope, mark, behind):
        return Verdict(behind.reason, "behind a parked record")
    return _APPLY


def _fills(envelope: Envelope, mark: int, behind: ParkedKey) -> bool:
    """True for what the first record of the queue has been waiting for."""
    return behind.reason == "gap" and envelope.source == behind.source and mark + 1 == envelope.seq < behind.seq


async def _park(tx: Transaction, item: Item, verdict: Verdict, parked: dict[str, ParkedKey]) -> None:
    assert verdict.reason is not None
    envelope = item.envelope
    source, event_type, seq = (envelope.source, envelope.type, envelope.seq) if envelope else (None, None, None)
    await parking.add(tx, item.raw, source, event_type, seq, verdict.reason, verdict.cause)
    parked.setdefault(item.key, ParkedKey(verdict.reason, source, seq or 0))
    metrics.parked.labels(tx.outbox.service, item.raw.topic, verdict.reason).inc()


class _Runs:
    """Groups a batch so that a handler gets as many records of its types at once as the order per key allows."""

    def __init__(self, table: Table, topic: str) -> None:
        self._table = table
        self._topic = topic
        self._rounds: list[dict[Subscription, list[Received]]] = []
        self._last: dict[str, tuple[int, Subscription | None]] = {}  # of each key

    def add(self, envelope: Envelope, value: bytes | None) -> None:
        subscription = self._table.of(self._topic, envelope.type)
        if subscription is None:
            return
        try:
            received = self._table.decode(envelope, value)
        except ValidationError as wrong:
            places = ", ".join(".".join(map(str, error["loc"])) + ": " + error["type"] for error in wrong.errors(include_input=False))
            raise Unreadable(f"{envelope.type} refused by its model: {places}") from None
        depth, before = self._last.get(envelope.key, (-1, None))
        if before is not subscription or subscription.takes is not Takes.ALL:
            depth += 1
            self._last[envelope.key] = depth, subscription
        if depth == len(self._rounds):
            self._rounds.append({})
        self._rounds[depth].setdefault(subscription, []).append(received)

    async def handle(self, tx: Transaction) -> None:
        outer = tx.cause
        for batch in self._rounds:
            for subscription, received in batch.items():
                for part in [[one] for one in received] if subscription.takes is Takes.ONE else [received]:
                    tx.cause = Cause.of(part[0].envelope)
                    await subscription.handle(tx, part)
                    failpoints.hit("consumer.mid_batch")
        tx.cause = outer
