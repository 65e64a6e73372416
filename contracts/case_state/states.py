"""What a case and its needs are, as folded from the log. Values only; every change makes a new one."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Self

from contracts.common import Exact, Line, Place, Window
from contracts.envelope import Envelope
from contracts.intake import Urgency
from contracts.registry import Event

State = Literal[
    "open",
    "covered",
    "refused",
    "offered",
    "unfilled",
    "accepted",
    "scheduled",
    "in_progress",
    "failed",
    "performed",
    "cancelled",
]
CaseWord = Literal[State, "closed"]
Who = Literal["agent", "principal", "member", "provider", "system"]
OfferStatus = Literal["live", "accepted", "declined", "expired", "withdrawn", "taken_back"]

Mission = tuple[str | None, str | None]

FINAL: frozenset[State] = frozenset({"refused", "performed", "cancelled"})
# Furthest from done first: open needs before final ones.
FURTHEST: tuple[State, ...] = (
    *("open", "covered", "offered", "unfilled", "accepted", "scheduled", "in_progress", "failed"),
    *("refused", "performed", "cancelled"),
)
PERSON_FIRST: tuple[Who, ...] = ("agent", "principal", "member", "provider", "system")


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the log. `data` is None where this build does not know the type or version."""

    envelope: Envelope
    data: Event | None


@dataclass(frozen=True, slots=True)
class Waiting:
    for_: Who
    since: datetime
    next: datetime


@dataclass(frozen=True, slots=True)
class Crossing:
    """Two legal events that met; `event_id` is the later one in the log."""

    kind: str
    need_id: str
    event_id: str
    winner: str


@dataclass(frozen=True, slots=True)
class Anomaly:
    """What cannot happen: a bug of the emitter, or a hole in the tables."""

    event_id: str
    type: str
    why: str


@dataclass(frozen=True, slots=True)
class Wish:
    place: Place
    wanted: Window
    urgency: Urgency
    quantity: Exact
    unit: str


@dataclass(frozen=True, slots=True)
class CoverageState:
    """The last decision. `refusal` is its reason; without one it was granted."""

    decision_id: str
    guarantee: str | None = None
    contract_id: str | None = None
    units_reserved: Exact | None = None
    cap_gross_cents: int | None = None
    refusal: str | None = None
    released: bool = False
    consumed: Exact | None = None


@dataclass(frozen=True, slots=True)
class Approval:
    approval_id: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class OfferState:
    """`taken_back`: it was accepted, then its mission was cancelled."""

    offer_id: str
    mission_id: str
    provider_id: str
    attempt: int
    expires_at: datetime
    status: OfferStatus = "live"
    reason: str | None = None

    @property
    def mission(self) -> Mission:
        return self.mission_id, self.provider_id


@dataclass(frozen=True, slots=True)
class VisitState:
    visit_id: str
    provider_id: str
    worker_id: str | None = None
    eta: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class MoneyState:
    """The bill and the charge that stand; a reversal shows when the right one comes."""

    bill_id: str | None = None
    bill: Literal["prepared", "approved", "disputed"] | None = None
    payable_gross_cents: int | None = None
    charge_id: str | None = None
    charge_gross_cents: int | None = None
    member_gross_cents: int | None = None
    invoiced: bool = False
    paid: bool = False


@dataclass(frozen=True, slots=True)
class NeedState:
    """`waiting` is None exactly when the state is final. `reached` holds when each state was first reached."""

    need_id: str
    rank: int
    service: str
    place: Place
    wanted: Window
    urgency: Urgency
    quantity: Exact
    unit: str
    last_event_id: str
    last_event_at: datetime
    waiting: Waiting | None
    state: State = "open"
    at_risk: bool = False
    revived: bool = False  # open although intake's last word on it was final
    coverage: CoverageState | None = None
    approval: Approval | None = None
    pending_amendment: Wish | None = None
    mission_id: str | None = None
    provider_id: str | None = None
    offers: dict[str, OfferState] = field(default_factory=dict)
    appointment: Window | None = None
    visit: VisitState | None = None
    prestation_id: str | None = None
    lines: tuple[Line, ...] = ()
    money: MoneyState = MoneyState()
    reached: dict[State, datetime] = field(default_factory=dict)

    @property
    def wish(self) -> Wish:
        return Wish(self.place, self.wanted, self.urgency, self.quantity, self.unit)

    @property
    def mission(self) -> Mission:
        """The mission that counts. An order to a provider is told by both ids."""
        return self.mission_id, self.provider_id

    def has_offer(self, status: OfferStatus, mission: Mission) -> bool:
        return any(offer.status == status and offer.mission == mission for offer in self.offers.values())

    @property
    def is_open(self) -> bool:
        return self.state not in FINAL


@dataclass(frozen=True, slots=True)
class CaseState:
    case_id: str
    number: str | None = None
    principal_id: str | None = None
    member_id: str | None = None
    opened_at: datetime | None = None
    closed: bool = False
    needs: dict[str, NeedState] = field(default_factory=dict)
    tasks: dict[str, str] = field(default_factory=dict)  # those still open: id -> kind
    seen: dict[str, int] = field(default_factory=dict)  # source -> highest seq folded
    crossings: tuple[Crossing, ...] = ()
    not_understood: tuple[tuple[str, str], ...] = ()  # (event id, type)
    anomalies: tuple[Anomaly, ...] = ()

    @classmethod
    def empty(cls, case_id: str) -> Self:
        return cls(case_id)

    @property
    def state(self) -> CaseWord:
        """The state of the need furthest from done; `closed` once intake closed it and no need is open."""
        if self.closed and not any(need.is_open for need in self.needs.values()):
            return "closed"
        return min((need.state for need in self.needs.values()), key=FURTHEST.index, default="open")

    @property
    def waiting(self) -> Waiting | None:
        """Of the open needs, the one that waits for a person first, then the one that falls due first."""
        waits = (need.waiting for need in self.needs.values() if need.waiting is not None)
        return min(waits, key=lambda waiting: (PERSON_FIRST.index(waiting.for_), waiting.next), default=None)
