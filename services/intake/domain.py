"""What may happen to a case and its needs. Plain functions of (state, command, now) that return the new state and facts.

CaseClosed      409  the case is closed: reopen it first
NeedFinal       409  the need is cancelled, refused or performed
VisitStarted    409  somebody is at work: a visit wins over a cancellation
NeedsOpen       409  a case closes when none of its needs is open
NotAllowedAtRisk 409 the principal's terms do not allow going on without a decision
"""

from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal

from services.kit.errors import Conflict, Invalid

Status = Literal["open", "refused", "cancelled", "performed"]

UNITS: dict[str, tuple[str, Decimal]] = {  # service -> unit, usual quantity
    "gardening": ("hour", Decimal(2)),
    "home_help": ("hour", Decimal(2)),
    "childcare": ("hour", Decimal(3)),
    "handyman": ("hour", Decimal(1)),
    "towing": ("mission", Decimal(1)),
    "taxi": ("mission", Decimal(1)),
    "locksmith": ("mission", Decimal(1)),
}
AHEAD = timedelta(days=366)


class CaseClosed(Conflict):
    code, title = "case_closed", "The case is closed: reopen it first"


class NeedFinal(Conflict):
    code, title = "need_final", "The need is cancelled, refused or performed"


class VisitStarted(Conflict):
    code, title = "visit_started", "Somebody is at work: it can no longer be changed or cancelled"


class NeedsOpen(Conflict):
    code, title = "needs_open", "A case closes when none of its needs is open"


class NotAllowedAtRisk(Conflict):
    code, title = "not_allowed_at_risk", "The principal's terms do not allow going on without a decision"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for: where, when, how much. `place` is an INSEE code. What made it necessary and what it may cost are told once, when it
    is asked for."""

    place: str
    postcode: str
    start: datetime
    end: datetime
    urgency: Literal["planned", "today", "immediate"]
    quantity: Decimal
    unit: str
    occurred_on: date | None = field(default=None, compare=False)
    estimate_gross_cents: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Need:
    id: str
    rank: int
    service: str
    wish: Wish
    status: Status = "open"
    started: bool = False
    at_risk: bool = False
    settled_wish: Wish | None = None  # what holds if a visit starts before the provider has confirmed an amendment


@dataclass(frozen=True, slots=True)
class Case:
    id: str
    number: str
    principal_id: str
    member_id: str
    contract_id: str | None
    open: bool
    version: int
    needs: tuple[Need, ...]

    def need(self, need_id: str) -> Need | None:
        return next((need for need in self.needs if need.id == need_id), None)

    def with_need(self, changed: Need) -> "Case":
        others = tuple(changed if need.id == changed.id else need for need in self.needs)
        return replace(self, needs=others if self.need(changed.id) else (*self.needs, changed))


# Facts


@dataclass(frozen=True, slots=True)
class Added:
    need: Need


@dataclass(frozen=True, slots=True)
class Amended:
    need: Need
    reason: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    need: Need
    reason: str


@dataclass(frozen=True, slots=True)
class Reinstated:
    need: Need
    reason: str


@dataclass(frozen=True, slots=True)
class WentAtRisk:
    need: Need
    limit_cents: int
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Closed:
    reason: str


@dataclass(frozen=True, slots=True)
class Reopened:
    reason: str


Fact = Added | Amended | Cancelled | Reinstated | WentAtRisk | Closed | Reopened
Decision = tuple[Case, list[Fact]]


def check_wish(service: str, wish: Wish, now: datetime) -> None:
    """Raises `Invalid`."""
    if service not in UNITS:
        raise Invalid(f"no service {service}; known are {', '.join(UNITS)}", code="unknown_service")
    if wish.end <= wish.start:
        raise Invalid("the end of the wished time must come after its start", code="window_backwards")
    if wish.end <= now:
        raise Invalid("the wished time is over already", code="window_past")
    if wish.start > now + AHEAD:
        raise Invalid("the wished time is more than a year ahead", code="window_too_far")
    if wish.occurred_on and wish.occurred_on > (now + timedelta(days=1)).date():
        raise Invalid("what made it necessary cannot lie ahead", code="occurs_later")
    if not 0 < wish.quantity <= 100:
        raise Invalid("the quantity must be above 0 and at most 100", code="quantity_out_of_range")


def add_need(case: Case, need_id: str, service: str, wish: Wish, now: datetime) -> Decision:
    _require_open(case)
    check_wish(service, wish, now)
    need = Need(need_id, max((known.rank for known in case.needs), default=0) + 1, service, wish)
    return case.with_need(need), [Added(need)]


def amend(case: Case, need: Need, wish: Wish, now: datetime) -> Decision:
    """The same wish again changes nothing."""
    _require_open(case)
    _require_changeable(need)
    check_wish(need.service, wish, now)
    if wish == need.wish:
        return case, []
    changed = replace(need, wish=wish, settled_wish=need.settled_wish or need.wish)
    return case.with_need(changed), [Amended(changed, "wish_changed")]


def confirm_wish(case: Case, need: Need) -> Decision:
    """The provider confirmed the amended wish, or none was concerned."""
    return case.with_need(replace(need, settled_wish=None)), []


def cancel(case: Case, need: Need, reason: str) -> Decision:
    """Cancelling twice changes nothing."""
    if need.status == "cancelled":
        return case, []
    _require_open(case)
    _require_changeable(need)
    changed = replace(need, status="cancelled")
    return case.with_need(changed), [Cancelled(changed, reason)]


def visit_started(case: Case, need: Need) -> Decision:
    """A started visit wins: over a cancellation, which is taken back, and over an amendment not yet confirmed."""
    facts: list[Fact] = []
    changed = replace(need, started=True)
    if need.status == "cancelled":
        changed = replace(changed, status="open")
        facts.append(Reinstated(changed, "visit_had_started"))
    if need.settled_wish is not None:
        changed = replace(changed, wish=need.settled_wish, settled_wish=None)
        facts.append(Amended(changed, "visit_had_started"))
    reopened = [] if case.open or not facts else [Reopened("visit_had_started")]
    return replace(case, open=case.open or bool(facts)).with_need(changed), [*reopened, *facts]


def visit_ended_without_work(case: Case, need: Need) -> Decision:
    """A failed visit is over: the need may be cancelled or sent again."""
    return case.with_need(replace(need, started=False)), []


def performed(case: Case, need: Need) -> Decision:
    return case.with_need(replace(need, status="performed", started=True)), []


def refused(case: Case, need: Need) -> Decision:
    """A refusal ends a need that still waits for its decision; one that went on at risk stays open for a person to settle."""
    if need.status != "open" or need.at_risk:
        return case, []
    return case.with_need(replace(need, status="refused")), []


def granted(case: Case, need: Need) -> Decision:
    """Goodwill after a refusal opens the need again."""
    if need.status != "refused":
        return case, []
    facts: list[Fact] = [] if case.open else [Reopened("goodwill")]
    return replace(case, open=True).with_need(replace(need, status="open")), facts


def identified(case: Case, member_id: str) -> Decision:
    """Who asked is known to be another member."""
    return replace(case, member_id=member_id), []


def go_at_risk(case: Case, need: Need, limit_cents: int, allowed_cents: int, reason: str, now: datetime) -> Decision:
    _require_open(case)
    _require_changeable(need)
    if limit_cents > allowed_cents:
        raise NotAllowedAtRisk(f"the principal allows at most {allowed_cents} cents at risk")
    changed = replace(need, at_risk=True)
    return case.with_need(changed), [WentAtRisk(changed, limit_cents, reason, now)]


def close(case: Case, reason: str) -> Decision:
    """Closing twice changes nothing."""
    if not case.open:
        return case, []
    if any(need.status == "open" for need in case.needs):
        raise NeedsOpen
    return replace(case, open=False), [Closed(reason)]


def outcome(case: Case) -> str | None:
    """The reason under which a case whose needs are all final closes by itself; None while one is open."""
    found = {need.status for need in case.needs}
    if "open" in found or not found:
        return None
    names = {"performed": "all_done", "cancelled": "all_cancelled", "refused": "all_refused"}
    return names[found.pop()] if len(found) == 1 else "mixed"


def is_over(case: Case) -> bool:
    """Open, and nothing is left to be done."""
    return case.open and outcome(case) is not None


def is_closed(case: Case) -> bool:
    return not case.open


def reopen(case: Case, reason: str) -> Decision:
    if case.open:
        return case, []
    return replace(case, open=True), [Reopened(reason)]


def _require_open(case: Case) -> None:
    if not case.open:
        raise CaseClosed


def _require_changeable(need: Need) -> None:
    if need.status != "open":
        raise NeedFinal
    if need.started:
        raise VisitStarted
