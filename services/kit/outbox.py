"""The outbox: what a transaction tells the others, committed with its state.

Rows are written after the aggregate is saved and locked, so row order is commit order per key; the counter row gives each
event its gapless seq under the same lock. Two lanes: `live`, and `bulk` for state-carrying events by the hundred thousand.
Order per key holds across lanes: the relay sends no bulk row while a live one waits, and before a live row what bulk holds of its key.
Column names are those of Debezium's outbox router, so that a change-data-capture relay can take over without a new contract.
"""

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from operator import itemgetter
from typing import Any, NamedTuple, Self

import asyncpg
import orjson
from pydantic_core import to_json

from contracts import cards
from contracts.cards import Card
from contracts.common import CardKind
from contracts.envelope import MAX_BYTES, Envelope
from contracts.registry import Event, owns
from services.kit import answers, marks
from services.kit.answers import Answer
from services.kit.arrays import plain, texts
from services.kit.clock import new_id
from services.kit.marks import Leaving, Rider

DELIVERIES = "provider."  # topics that outsiders read


class Lane(IntEnum):
    LIVE = 0
    BULK = 1


class NotOwner(TypeError):
    """A service tried to emit what another owns."""


class TooLarge(ValueError):
    """An event over the record size limit: refused before the commit, since the broker would refuse it for ever."""


class Cause(NamedTuple):
    """Why something happens: copied from the request or event that led to it."""

    correlation_id: str
    causation_id: str
    traceparent: str

    @classmethod
    def fresh(cls, traceparent: str | None = None) -> Self:
        origin = new_id()
        if traceparent is None:
            random = secrets.token_hex(24)
            traceparent = f"00-{random[:32]}-{random[32:]}-01"
        return cls(origin, origin, traceparent)

    @classmethod
    def of(cls, envelope: Envelope) -> Self:
        return cls(envelope.correlation_id, envelope.id, envelope.traceparent)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a write stands in the log: a view that has applied it has seen the write."""

    source: str
    key: str
    seq: int

    def __str__(self) -> str:
        return f"{self.source}:{self.key}:{self.seq}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        parts = text.split(":")
        if len(parts) != 3 or not parts[2].isdigit():
            return None
        return cls(parts[0], parts[1], int(parts[2]))


class _Row(NamedTuple):
    lane: Lane
    topic: str
    key: str
    type: str
    id: str
    payload: bytes | None
    cause: Cause
    number: int | None = None  # of a card its version, of a delivery its position; an event is given its seq


@dataclass(slots=True)
class Outbox:
    """What one transaction will emit, in order."""

    service: str
    written: int = 0
    _rows: list[_Row] = field(default_factory=list)

    def add(self, event: Event, cause: Cause, lane: Lane = Lane.LIVE) -> str:
        """Returns the event's id. Raises `NotOwner`, `TooLarge`."""
        full_name = event.EVENT.full_name
        if not owns(self.service, full_name):
            raise NotOwner(f"{self.service} may not emit {full_name}")
        payload = event.__pydantic_serializer__.to_json(event, exclude_none=True)
        if len(payload) > MAX_BYTES - 2048:
            raise TooLarge(f"{full_name} of {len(payload)} bytes is over the limit of {MAX_BYTES}")
        topic, key = event.route()
        row = _Row(lane, topic, key, full_name, new_id(), payload, cause)
        self._rows.append(row)
        return row.id

    def add_card(self, card: Card, cause: Cause, lane: Lane = Lane.LIVE) -> None:
        if self.service != card.WRITER:
            raise NotOwner(f"{self.service} may not write a {card.KIND} card")
        payload = to_json(card, exclude_none=True)
        self._rows.append(_Row(lane, cards.TOPIC, card.key, cards.type_of(card.KIND), new_id(), payload, cause, card.version))

    def add_tombstone(self, kind: CardKind, card_id: str, version: int, cause: Cause) -> None:
        if self.service != cards.CARDS[kind].WRITER:
            raise NotOwner(f"{self.service} may not write a {kind} card")
        self._rows.append(_Row(Lane.LIVE, cards.TOPIC, f"{kind}:{card_id}", cards.type_of(kind), new_id(), None, cause, version))

    def add_delivery(self, topic: str, key: str, type: str, payload: bytes, position: int, cause: Cause) -> None:
        """A document for one outsider, on a topic of its own. `position` counts the whole topic, and is the caller's to give.

        Raises `NotOwner` for a topic of the platform, `TooLarge`.
        """
        if not topic.startswith(DELIVERIES):
            raise NotOwner(f"{topic} is no outsider's topic")
        if len(payload) > MAX_BYTES - 2048:
            raise TooLarge(f"{type} of {len(payload)} bytes is over the limit of {MAX_BYTES}")
        self._rows.append(_Row(Lane.LIVE, topic, key, type, new_id(), payload, cause, position))

    async def write(self, conn: Any, now: datetime, end: Leaving | Answer | None = None, rider: Rider | None = None) -> list[Position]:
        """Inserts and empties what was added; gives each event its seq. Returns the last position per key, that of the last event last.

        `end`: what a batch of records leaves behind, or the answer to a command, in the same statement. The former has nobody to tell of
        positions: none are returned. Raises `Overtaken` for it. `rider`: rides with a batch that says nothing; otherwise it goes first.
        """
        rows, self._rows = self._rows, []
        if not rows and isinstance(end, Leaving):
            await marks.leave(conn, end, said=self.written > 0, rider=rider)
            return []
        if rider:
            await rider.alone(conn)
        if not rows:
            if isinstance(end, Answer):
                await answers.keep(conn, end)
            return []
        wanted: dict[tuple[str, str], int] = {}
        numbers = []
        for row in reversed(rows):
            number = row.number
            if number is None:  # how many of its key follow: 0 for the last one
                place = row.topic, row.key
                number = wanted.get(place, 0)
                wanted[place] = number + 1
            numbers.append(number)
        counted = sorted(wanted)  # every writer locks in this order
        statement = _WRITE
        more: tuple[Any, ...] = ()
        if isinstance(end, Leaving):
            statement, more = _WRITE_AND_LEAVE, end.arguments()
        elif end:
            statement, more = _WRITE_AND_KEEP, (*end, self.service, *next(iter(wanted), (None, None)))
        lanes, topics, keys, types, ids, payloads, causes, _ = zip(*rows, strict=True)
        correlations, causations, traces = zip(*causes, strict=True)
        counters = await conn.fetch(
            statement,
            texts(topic for topic, _ in counted),
            texts(key for _, key in counted),
            plain(wanted[key] for key in counted),
            plain(map(int, lanes)),
            texts(topics),
            texts(keys),
            plain(reversed(numbers)),
            texts(types),
            plain(ids),
            payloads,
            plain(correlations),
            plain(causations),
            texts(traces),
            now,
            *more,
        )
        self.written += len(rows)
        if isinstance(end, Leaving):
            if not counters[0]["could"]:
                raise marks.Overtaken
            return []
        reached = {(counter["topic"], counter["key"]): counter["last"] for counter in counters}
        return [Position(self.service, key, reached[topic, key]) for topic, key in reversed(wanted)]


# `id` is drawn after every counter is locked: per key, the order of ids is the order of commits.
_CTES = """
counted as (
  insert into kit.counter as c (topic, key, last)
  select * from unnest($1::text::text[], $2::text::text[], $3::text::int[])
  on conflict (topic, key) do update set last = c.last + excluded.last
  returning topic, key, last
), added as (
  select nextval('kit.outbox_id_seq') as id, r.* from (
    select r.*, coalesce(c.last - r.number, r.number) as seq
    from unnest($4::text::int[], $5::text::text[], $6::text::text[], $7::text::bigint[], $8::text::text[], $9::text::uuid[], $10::bytea[],
        $11::text::uuid[], $12::text::uuid[], $13::text::text[])
      with ordinality as r (lane, topic, key, number, type, event_id, payload, correlation_id, causation_id, traceparent, place)
      left join counted c on c.topic = r.topic and c.key = r.key
    order by r.place) r
), unsent as (
  insert into kit.unsent (lane, id, topic, key) select lane, id, topic, key from added
), written as (
  insert into kit.outbox (id, aggregatetype, aggregateid, seq, type, event_id, payload, correlation_id, causation_id, traceparent, at)
  overriding system value
  select id, topic, key, seq, type, event_id, payload, correlation_id, causation_id, traceparent, $14 from added
)"""
_WRITE = f"with {_CTES} select topic, key, last from counted"  # noqa: S608 - our own text
_LEAVE, _COULD = marks.leaving(15)
_WRITE_AND_LEAVE = f"with {_CTES}, {_LEAVE} select {_COULD} as could"
_WRITE_AND_KEEP = f"with {_CTES}, {answers.keeping(15)} select topic, key, last from counted"  # noqa: S608 - our own text

_told = itemgetter("id", "aggregateid", "seq", "type", "event_id", "correlation_id", "causation_id", "traceparent", "at")


def envelope(service: str, row: asyncpg.Record) -> Envelope:
    """The envelope of a stored outbox row."""
    number, key, seq, event_type, event_id, correlation_id, causation_id, traceparent, at = _told(row)
    return Envelope(event_id, service, event_type, at, key, seq, number, correlation_id, causation_id, traceparent)


def dumps(value: object) -> str:
    """Also of dataclasses; decimals become strings, instants ISO 8601."""
    return orjson.dumps(value, default=str).decode()


def loads(text: str | bytes) -> Any:
    return orjson.loads(text)
