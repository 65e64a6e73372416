"""Tracking's database with a log of its own: what is told goes through the same code as a record from Kafka, what it says comes back."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from contracts.cards import Card
from contracts.dispatch import MissionAccepted, MissionCancelled, MissionOffered
from contracts.envelope import Envelope
from contracts.intake import CaseOpened, NeedAdded
from contracts.reference import CoverageGranted
from contracts.registry import ANY_SERVICE, EVENTS, Event
from deploy.stack import Stack
from services.kit.clock import new_id
from services.kit.db import Database
from services.kit.deadlines import Deadlines
from services.kit.delivery import Batch, Item
from services.kit.outbox import Cause, envelope
from services.kit.parking import Raw
from services.kit.subscriptions import Table
from services.tracking.listens import SUBSCRIPTIONS
from services.tracking.worker import DEADLINES
from tests.contracts.case_events import made

TABLE = Table(SUBSCRIPTIONS)
_numbers = iter(range(200_000_000, 299_999_999))


def soon(hours: float) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(hours=hours)


def morning(days: int) -> dict[str, datetime]:
    """From ten to noon in Paris that many days ahead: in one day, whatever the hour at which the tests run."""
    day = datetime.now(ZoneInfo("Europe/Paris")).replace(hour=10, minute=0, second=0, microsecond=0) + timedelta(days=days)
    return {"start": day, "end": day + timedelta(hours=2)}


@dataclass
class Case:
    """One case of a test, with the ids its events share."""

    tracking: "Tracking"
    id: str = field(default_factory=new_id)
    need: str = field(default_factory=new_id)
    mission: str = field(default_factory=new_id)
    principal: str = field(default_factory=new_id)
    member: str = field(default_factory=new_id)
    number: str = field(default_factory=lambda: str(next(_numbers)))
    appointment: dict[str, Any] = field(default_factory=lambda: morning(2))
    offers: dict[str, str] = field(default_factory=dict)  # provider -> its last offer

    def event(self, of: type[Event], /, **fields: Any) -> Event:
        known = {"case_id": self.id, "need_id": self.need, "mission_id": self.mission, "principal_id": self.principal}
        known |= {"member_id": self.member, "number": self.number, "appointment": self.appointment, "reason": "wish_changed"}
        return made(of, **known | fields)

    async def tell(self, of: type[Event], /, **fields: Any) -> None:
        await self.tracking.tell(self.event(of, **fields))

    async def opened(self, **need: Any) -> None:
        await self.tracking.tell(self.event(CaseOpened), self.event(NeedAdded, **need), self.event(CoverageGranted, decision_id=new_id()))

    async def offered(self, provider: str) -> None:
        self.offers[provider] = new_id()
        await self.tell(MissionOffered, provider_id=provider, offer_id=self.offers[provider], expires_at=soon(1))

    async def accepted(self, provider: str) -> None:
        await self.offered(provider)
        await self.tell(MissionAccepted, provider_id=provider, offer_id=self.offers[provider])

    async def taken_back(self, provider: str, again: bool = True) -> None:
        await self.tell(MissionCancelled, provider_id=provider, reason="reassigned", again=again)


class Tracking:
    def __init__(self, db: Database) -> None:
        self.db = db
        self.records: list[Raw] = []  # the log, as told so far
        self._seqs: Counter[tuple[str, str, str]] = Counter()
        self._offset = 0
        self._last_row = 0

    async def tell(self, *events: Event, source: str | None = None) -> None:
        """In one batch per topic; then what tracking said of it comes back, until it says nothing more."""
        await self.hear([self.raw(event, source) for event in events])
        await self.loop_back()

    async def hear(self, records: list[Raw]) -> None:
        for topic in dict.fromkeys(record.topic for record in records):
            batch = Batch(TABLE, topic, [Item.of(record) for record in records if record.topic == topic])
            async with self.db.transaction(enter=lambda conn, _, batch=batch: batch.ask(conn)) as tx:
                await batch.apply(tx)
                await tx.flush(batch.leaving())

    async def show(self, card: Card | None, key: str = "", version: int = 0) -> None:
        """A card, or the tombstone of `key`."""
        key, version = (card.key, card.version) if card else (key, version)
        kind = key.partition(":")[0]
        headers = Envelope(new_id(), "intake", f"card.{kind}.v1", soon(0), key, version, 1, new_id(), new_id(), "-").to_headers()
        await self.hear([self._raw("cards", key, headers, card.model_dump_json().encode() if card else None)])

    def raw(self, event: Event, source: str | None = None) -> Raw:
        source = source or ("dispatch" if event.EVENT.owner == ANY_SERVICE else event.EVENT.owner)
        topic, key = event.route()
        self._seqs[source, topic, key] += 1
        seq = self._seqs[source, topic, key]
        cause = Cause.fresh()
        told = Envelope(new_id(), source, event.EVENT.full_name, soon(0), key, seq, seq, cause.correlation_id, cause.causation_id, cause.traceparent)
        return self._raw(topic, key, told.to_headers(), event.model_dump_json(exclude_none=True).encode())

    def seq(self, source: str, case_id: str) -> int:
        """Of the last record told so far."""
        return self._seqs[source, "cases", case_id]

    async def loop_back(self) -> list[Event]:
        """What tracking emitted since the last time, which it then hears itself."""
        said: list[Event] = []
        while emitted := await self._emitted():
            await self.hear([self._raw("cases", told.key, told.to_headers(), payload) for told, payload in emitted])
            said += [EVENTS[told.type].model_validate_json(payload) for told, payload in emitted]
        return said

    async def said(self) -> list[Event]:
        """What tracking emitted since the last time, kept from the log for now."""
        return [EVENTS[told.type].model_validate_json(payload) for told, payload in await self._emitted(look_only=True)]

    async def fire(self) -> None:
        """Every deadline that is due."""
        deadlines = Deadlines(self.db, DEADLINES)
        while await deadlines.step():
            pass
        await self.loop_back()

    async def fetch(self, query: str, *arguments: Any) -> list[Any]:
        async with self.db.connection() as conn:
            return [dict(row) for row in await conn.fetch(query, *arguments)]

    async def states(self, case: Case) -> list[str]:
        """The state of the case, then that of each need."""
        rows = await self.fetch("select state, anomalies from view.case_view where case_id = $1", case.id)
        assert rows[0]["anomalies"] == 0, await self.fetch("select convert_from(folded, 'utf8') from view.case_view where case_id = $1", case.id)
        needs = await self.fetch("select state from view.need_view where case_id = $1 order by rank", case.id)
        return [rows[0]["state"], *(need["state"] for need in needs)]

    async def open_tasks(self, case: Case) -> list[str]:
        rows = await self.fetch("select kind from task where case_id = $1 and closed_at is null order by id", case.id)
        return [row["kind"] for row in rows]

    async def _emitted(self, look_only: bool = False) -> list[tuple[Envelope, bytes]]:
        async with self.db.connection() as conn:
            rows = await conn.fetch("select * from kit.outbox where id > $1 order by id", self._last_row)
        if rows and not look_only:
            self._last_row = rows[-1]["id"]
        return [(envelope("tracking", row), row["payload"]) for row in rows]

    def _raw(self, topic: str, key: str, headers: list[tuple[str, bytes]], value: bytes | None) -> Raw:
        self._offset += 1
        raw = Raw(topic, 0, self._offset, key.encode(), tuple(headers), value)
        self.records.append(raw)
        return raw


async def connect(stack: Stack) -> Database:
    environment = stack.environment("tracking")
    return await Database.connect("tracking", environment["ENTRAIDE_DATABASE_URL"], environment["ENTRAIDE_DATABASE_URL_OUTSIDE"])
