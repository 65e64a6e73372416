"""The outbox: what a transaction tells the others, committed with its state.

Rows are written after the aggregate is saved and locked, so row order is commit order per key; the counter row gives each
event its gapless seq under the same lock. Two lanes: `live`, and `bulk` for state-carrying events by the hundred thousand.
Order per key holds across lanes: while a key has unpublished rows in one lane, its next row joins the live lane, with them.
Column names are those of Debezium's outbox router, so that a change-data-capture relay can take over without a new contract.
"""

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Any, Self

import asyncpg
import orjson

from contracts import cards
from contracts.cards import Card
from contracts.common import CardKind
from contracts.envelope import MAX_BYTES, Envelope
from contracts.registry import Event, owns
from services.kit.arrays import plain, texts
from services.kit.clock import new_id

DELIVERIES = "provider."  # topics that outsiders read


class Lane(IntEnum):
    LIVE = 0
    BULK = 1


class NotOwner(TypeError):
    """A service tried to emit what another owns."""


class TooLarge(ValueError):
    """An event over the record size limit: refused before the commit, since the broker would refuse it for ever."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something happens: copied from the request or event that led to it."""

    correlation_id: str
    causation_id: str
    traceparent: str

    @classmethod
    def fresh(cls, traceparent: str | None = None) -> Self:
        origin = new_id()
        return cls(origin, origin, traceparent or f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01")

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


@dataclass(slots=True)
class _Row:
    lane: Lane
    topic: str
    key: str
    type: str
    id: str
    payload: bytes | None
    cause: Cause
    seq: int = 0  # given by the counter; of a card its version, of a delivery its position


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
        topic, key = event.route()
        row = _Row(lane, topic, key, full_name, new_id(), event.model_dump_json(exclude_none=True).encode(), cause)
        if len(row.payload or b"") > MAX_BYTES - 2048:
            raise TooLarge(f"{full_name} of {len(row.payload or b'')} bytes is over the limit of {MAX_BYTES}")
        self._rows.append(row)
        return row.id

    def add_card(self, card: Card, cause: Cause, lane: Lane = Lane.LIVE) -> None:
        if self.service != card.WRITER:
            raise NotOwner(f"{self.service} may not write a {card.KIND} card")
        payload = card.model_dump_json(exclude_none=True).encode()
        self._rows.append(_Row(lane, cards.TOPIC, card.key, f"card.{card.KIND}.v1", new_id(), payload, cause, card.version))

    def add_tombstone(self, kind: CardKind, card_id: str, version: int, cause: Cause) -> None:
        if self.service != cards.CARDS[kind].WRITER:
            raise NotOwner(f"{self.service} may not write a {kind} card")
        self._rows.append(_Row(Lane.LIVE, cards.TOPIC, f"{kind}:{card_id}", f"card.{kind}.v1", new_id(), None, cause, version))

    def add_delivery(self, topic: str, key: str, type: str, payload: bytes, position: int, cause: Cause) -> None:
        """A document for one outsider, on a topic of its own. `position` counts the whole topic, and is the caller's to give.

        Raises `NotOwner` for a topic of the platform, `TooLarge`.
        """
        if not topic.startswith(DELIVERIES):
            raise NotOwner(f"{topic} is no outsider's topic")
        if len(payload) > MAX_BYTES - 2048:
            raise TooLarge(f"{type} of {len(payload)} bytes is over the limit of {MAX_BYTES}")
        self._rows.append(_Row(Lane.LIVE, topic, key, type, new_id(), payload, cause, position))

    async def write(self, conn: Any, now: datetime) -> list[Position]:
        """Inserts and empties what was added; gives each event its seq. Returns the last position per key."""
        rows, self._rows = self._rows, []
        if not rows:
            return []
        await _number(conn, rows)
        live = {(row.topic, row.key) for row in rows if row.lane == Lane.LIVE}
        await conn.execute(
            _INSERT,
            plain(int(Lane.LIVE if (row.topic, row.key) in live else row.lane) for row in rows),
            texts(row.topic for row in rows),
            texts(row.key for row in rows),
            plain(row.seq for row in rows),
            texts(row.type for row in rows),
            plain(row.id for row in rows),
            [row.payload for row in rows],
            plain(row.cause.correlation_id for row in rows),
            plain(row.cause.causation_id for row in rows),
            texts(row.cause.traceparent for row in rows),
            now,
        )
        self.written += len(rows)
        last = {(row.topic, row.key): row.seq for row in rows if _counted(row)}
        return [Position(self.service, key, seq) for (_, key), seq in last.items()]


def _counted(row: _Row) -> bool:
    return row.topic != cards.TOPIC and not row.topic.startswith(DELIVERIES)


async def _number(conn: Any, rows: list[_Row]) -> None:
    counted = [row for row in rows if _counted(row)]
    wanted: dict[tuple[str, str], int] = {}
    for row in counted:
        wanted[row.topic, row.key] = wanted.get((row.topic, row.key), 0) + 1
    if not wanted:
        return
    keys = sorted(wanted)  # every writer locks in this order
    found = await conn.fetch(_COUNT, texts(topic for topic, _ in keys), texts(key for _, key in keys), plain(wanted[key] for key in keys))
    following = {(record["topic"], record["key"]): record["last"] - wanted[record["topic"], record["key"]] for record in found}
    for row in counted:
        following[row.topic, row.key] += 1
        row.seq = following[row.topic, row.key]


_COUNT = """
insert into kit.counter as c (topic, key, last)
select * from unnest($1::text::text[], $2::text::text[], $3::text::int[])
on conflict (topic, key) do update set last = c.last + excluded.last
returning topic, key, last
"""

_INSERT = """
with added as (
  select * from unnest($1::text::int[], $2::text::text[], $3::text::text[], $4::text::bigint[], $5::text::text[], $6::text::uuid[], $7::bytea[],
      $8::text::uuid[], $9::text::uuid[], $10::text::text[])
    with ordinality as r (lane, topic, key, seq, type, event_id, payload, correlation_id, causation_id, traceparent, place)
), moved as (
  update kit.outbox o set lane = 0
  from (select distinct topic, key from added where lane = 0 and exists (select from kit.outbox where published_at is null and lane = 1)) a
    cross join lateral (  -- "offset 0" keeps this a look-up per key: joined freely, it would read all that waits
      select w.id from kit.outbox w
      where w.published_at is null and w.aggregatetype = a.topic and w.aggregateid = a.key and w.lane = 1 offset 0) w
  where o.id = w.id
)
insert into kit.outbox (lane, aggregatetype, aggregateid, seq, type, event_id, payload, correlation_id, causation_id, traceparent, at)
select case when a.lane = 1 and exists (
         select from kit.outbox o where o.published_at is null and o.lane = 0 and o.aggregatetype = a.topic and o.aggregateid = a.key)
       then 0 else a.lane end,
       a.topic, a.key, a.seq, a.type, a.event_id, a.payload, a.correlation_id, a.causation_id, a.traceparent, $11
from added a order by a.place
"""


def envelope(service: str, row: asyncpg.Record) -> Envelope:
    """The envelope of a stored outbox row."""
    return Envelope(
        id=row["event_id"],
        source=service,
        type=row["type"],
        time=row["at"],
        key=row["aggregateid"],
        seq=row["seq"],
        row=row["id"],
        correlation_id=row["correlation_id"],
        causation_id=row["causation_id"],
        traceparent=row["traceparent"],
    )


def dumps(value: object) -> str:
    """Decimals become strings, instants ISO 8601."""
    return orjson.dumps(value, default=str).decode()


def loads(text: str | bytes) -> Any:
    return orjson.loads(text)
