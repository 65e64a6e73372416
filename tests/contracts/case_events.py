"""Events about cases with everything filled in, and a log to put them in. Shared by unit, property and model tests."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from contracts.case_state import CaseState, Record, apply
from contracts.common import Actor, CardRef, Line, Place, Window
from contracts.envelope import Envelope
from contracts.reference import ApprovalGranted, ApprovalRefused
from contracts.registry import ANY_SERVICE, Event

E = TypeVar("E", bound=Event)


def uid(number: int) -> str:
    return f"00000000-0000-7000-8000-{number:012x}"


NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
CASE, OTHER_CASE = uid(1), uid(2)
NEED, SECOND_NEED = uid(10), uid(11)
ANNA, BORIS = uid(20), uid(21)  # providers
MISSION = uid(30)
OFFER_TO_ANNA, OFFER_TO_BORIS = uid(40), uid(41)
VISIT, SECOND_VISIT = uid(50), uid(51)

RENNES = Place(insee="35238", postcode="35000", departement="35", lat=48.1113, lon=-1.6800)
BREST = Place(insee="29019", postcode="29200", departement="29")


def window(hours: int, length: int = 2) -> Window:
    start = NOW + timedelta(hours=hours)
    return Window(start=start, end=start + timedelta(hours=length))


TOMORROW, NEXT_WEEK = window(24), window(24 * 7)
FIELDS: dict[str, Any] = {
    **{f"{name}_by": Actor(kind="agent") for name in ("accepted", "added", "amended", "cancelled", "closed", "corrected")},
    **{f"{name}_by": Actor(kind="agent") for name in ("decided", "declined", "opened", "reopened", "started")},
    "linked_by": Actor(kind="agent"),
    "again": True,
    "amount_cents": 50_000,
    "answer_by": NOW + timedelta(hours=1),
    "appointment": TOMORROW,
    "approval_id": uid(60),
    "attempt": 1,
    "attempts": 1,
    "bill_id": uid(70),
    "card": CardRef(kind="case", id=CASE, version=1),
    "case_id": CASE,
    "channel": "phone",
    "charge_id": uid(71),
    "completed_at": TOMORROW.end,
    "contract_id": uid(61),
    "decided_at": NOW,
    "decision_id": uid(62),
    "due_at": NOW + timedelta(hours=4),
    "eta": TOMORROW.start + timedelta(minutes=10),
    "expires_at": NOW + timedelta(minutes=20),
    "gross_cents": 12_000,
    "guarantee": "home_help",
    "invoice_id": uid(72),
    "kind": "unfilled_need",
    "limit_cents": 20_000,
    "lines": [],
    "member_gross_cents": 2_000,
    "member_id": uid(3),
    "member_rate": Decimal(0),
    "mission_id": MISSION,
    "need_id": NEED,
    "net_cents": 10_000,
    "number": "123456789",
    "offer_id": OFFER_TO_ANNA,
    "opened_for": uid(5),
    "outcome": "settled",
    "payment_id": uid(73),
    "performed": TOMORROW,
    "place": RENNES,
    "prestation_id": uid(80),
    "principal_id": uid(4),
    "provider_id": ANNA,
    "quantity": Decimal("2.5"),
    "rank": 1,
    "rating": 4,
    "reason": "some_reason",
    "role": "agent",
    "service": "gardening",
    "started_at": TOMORROW.start,
    "task_id": uid(90),
    "trace": ["contract_found"],
    "unit": "hour",
    "units_consumed": Decimal(1),
    "units_released": Decimal(1),
    "units_reserved": Decimal(1),
    "urgency": "planned",
    "vat_cents": 2_000,
    "visit_id": VISIT,
    "wanted": TOMORROW,
    "why": ["nearest"],
}
OF_KIND: dict[type[Event], dict[str, Any]] = {
    ApprovalGranted: {"decided_by": "principal"},
    ApprovalRefused: {"decided_by": "principal"},
}
DONE = [Line(article="labour", unit="hour", quantity=Decimal("2.25"))]


def made(kind: type[E], /, **fields: Any) -> E:
    """An event of `kind`: `fields`, and for the rest the defaults above."""
    defaults = FIELDS | OF_KIND.get(kind, {})
    return kind(**{name: fields.get(name, defaults.get(name)) for name in kind.model_fields if name in fields or name in defaults})


def source_of(event: Event) -> str:
    return "intake" if event.EVENT.owner == ANY_SERVICE else event.EVENT.owner


class Log:
    """Numbers what is written to it, as the outboxes do: gapless per source, one minute apart."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._seq: Counter[str] = Counter()

    def write(self, event: Event, at: datetime | None = None) -> Record:
        source = source_of(event)
        self._seq[source] += 1
        return self._add(source, event.EVENT.full_name, event, at)

    def write_unknown(self, type_name: str) -> Record:
        source = type_name.partition(".")[0]
        self._seq[source] += 1
        return self._add(source, type_name, None, None)

    def _add(self, source: str, type_name: str, event: Event | None, at: datetime | None) -> Record:
        rank = len(self.records)
        envelope = Envelope(
            id=uid(1_000_000 + rank),
            source=source,
            type=type_name,
            time=at or NOW + timedelta(minutes=rank),
            key=CASE,
            seq=self._seq[source],
            row=rank,
            correlation_id=CASE,
            causation_id=CASE,
            traceparent="",
        )
        self.records.append(Record(envelope, event))
        return self.records[-1]


def log_of(*events: Event) -> list[Record]:
    log = Log()
    for event in events:
        log.write(event)
    return log.records


def folded(records: Iterable[Record], case_id: str = CASE) -> CaseState:
    state = CaseState.empty(case_id)
    for record in records:
        state = apply(state, record)
    return state
