"""Events of `intake`: the cases and what is asked for in them."""

from typing import Literal

from pydantic import Field

from contracts.common import Actor, CardRef, CaseNumber, Cents, Code, Day, Exact, Id, Instant, Place, Window
from contracts.registry import Event

Urgency = Literal["planned", "today", "immediate"]


class CaseOpened(Event, owner="intake", name="case_opened", key="case_id"):
    """A call for help. Its needs follow, each as a need_added of the same transaction."""

    case_id: Id
    number: CaseNumber
    principal_id: Id
    member_id: Id
    contract_id: Id | None = None
    provisional: bool = False
    channel: Code  # phone, desk, email, sms, ivr, web, portal, batch …: the list grows
    opened_by: Actor
    card: CardRef


class NeedAdded(Event, owner="intake", name="need_added", key="case_id"):
    """One service asked for. `rank` gives the shown number, `123456789-2`, never reused. `occurred_on`: the day of what made it necessary."""

    case_id: Id
    need_id: Id
    rank: int = Field(ge=1)
    service: Code
    principal_id: Id
    member_id: Id
    contract_id: Id | None = None
    place: Place
    wanted: Window
    urgency: Urgency = "planned"
    quantity: Exact
    unit: Code
    occurred_on: Day | None = None
    estimate_gross_cents: Cents | None = Field(default=None, ge=0)


class NeedAmended(Event, owner="intake", name="need_amended", key="case_id"):
    """The full wish as it is now; what did not change is repeated."""

    case_id: Id
    need_id: Id
    place: Place
    wanted: Window
    urgency: Urgency
    quantity: Exact
    unit: Code
    reason: Code = "wish_changed"
    amended_by: Actor


class NeedAtRisk(Event, owner="intake", name="need_at_risk", key="case_id"):
    """An agent went on without a coverage decision, within the principal's limit."""

    case_id: Id
    need_id: Id
    limit_cents: Cents
    reason: Code
    decided_by: Actor
    decided_at: Instant


class NeedCancelled(Event, owner="intake", name="need_cancelled", key="case_id"):
    """Nobody wants it any more; loses against a visit that has started (then need_reinstated follows)."""

    case_id: Id
    need_id: Id
    reason: Code
    cancelled_by: Actor


class NeedReinstated(Event, owner="intake", name="need_reinstated", key="case_id"):
    """Intake's answer when its cancellation lost: the visit had started."""

    case_id: Id
    need_id: Id
    reason: Code


class NoteAdded(Event, owner="intake", name="note_added", key="case_id"):
    """Somebody wrote something; the text is in the note card."""

    case_id: Id
    need_id: Id | None = None
    card: CardRef
    added_by: Actor


class CaseReopened(Event, owner="intake", name="case_reopened", key="case_id"):
    """A closed case lives again; what is wanted follows as needs."""

    case_id: Id
    reason: Code
    reopened_by: Actor


class CaseClosed(Event, owner="intake", name="case_closed", key="case_id"):
    """Every need is settled; from here the retention of its cards counts."""

    case_id: Id
    reason: Code
    closed_by: Actor
