"""The life of the decision about one need: taken, taken again, released, reserved again, consumed. `approval`: while the principal is
asked first; `goodwill`: a refusal that somebody lifts.

Units and amounts follow the status by themselves (`holding`), so that a save is right by comparing before and after.
Total: every event may come in every status, and what does not concern it changes nothing.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from services.kit.errors import Conflict
from services.reference.domain.choice import Grant, Refusal, Tried, Verdict
from services.reference.domain.entitlement import Claim, Counts, Rights, RightsKey

ANSWER_WITHIN = timedelta(hours=4)  # of the principal; at half time a supervisor is asked to answer in its name
REMIND_BEFORE = ANSWER_WITHIN / 2

Status = Literal[
    "asked",  # the principal must agree first; units and amount are kept for it
    "granted",
    "refused",
    "lost",  # granted, then refused after an amendment: a task, never a second refusal, since work may be under way
    "released",  # given back: cancelled or expired
    "consumed",
]


class TaskSettled(Conflict):
    code, title = "task_settled", "The task is closed already"


class AnswerFirst(Conflict):
    code, title = "answer_first", "The task ends with the principal's answer: grant or refuse the approval"


@dataclass(frozen=True, slots=True)
class Cover:
    """The reasons and terms are those of the last decision; `expires_at` is there whenever something was ever granted.

    `cap_gross_cents`: what was promised, which is what is kept of the year's amount. `billed_cents`, `member_cents`: what the provider
    was owed so far, and the member's part of it. An approval has the id of the decision that it is asked for.
    """

    need_id: str
    case_id: str
    claim: Claim
    decision_id: str
    status: Status
    trace: tuple[str, ...]
    reason: str | None = None
    contract_id: str | None = None
    guarantee: str | None = None
    period_start: date | None = None  # of the contract year that the units are taken from
    renews_on: date | None = None
    counts: Counts | None = None
    units: Decimal = Decimal(0)
    units_per_year: Decimal | None = None
    cap_gross_cents: int | None = None
    member_rate: Decimal = Decimal(0)
    expires_at: datetime | None = None
    need_open: bool = True
    task_id: str | None = None
    cap_gross_cents_per_year: int | None = None
    decided_at: datetime | None = None
    tried: tuple[Tried, ...] = ()
    at_risk: bool = False
    performed: bool = False
    approval_cents: int | None = None
    approval_due: datetime | None = None
    billed_cents: int = 0
    member_cents: int = 0
    charged: bool = False
    goodwill_by: str | None = None  # the kind of person, as an actor's
    goodwill_actor: str | None = None
    goodwill_reason: str | None = None

    @property
    def key(self) -> RightsKey | None:
        if self.contract_id is None or self.guarantee is None or self.period_start is None:
            return None
        return RightsKey(self.contract_id, self.guarantee, self.period_start)

    @property
    def waits(self) -> bool:
        """For the principal."""
        return self.status == "asked" and (self.need_open or self.performed)

    @property
    def holding(self) -> tuple[RightsKey, Rights] | None:
        """What it holds of the rights. A gesture takes nothing of them."""
        if self.key is None or self.goodwill_by:
            return None
        if self.status == "granted" or self.waits:
            return self.key, Rights(reserved=self.units, reserved_cents=self.cap_gross_cents or 0)
        if self.status == "consumed":
            cents = max(0, self.billed_cents - self.member_cents) if self.charged else self.cap_gross_cents or 0
            return self.key, Rights(used=self.units, used_cents=cents)
        return None

    @property
    def due(self) -> datetime | None:
        """When what it reserves is given back by itself; of an approval when somebody is reminded, then when it is too late."""
        if self.waits and self.approval_due:
            return self.approval_due if self.task_id else self.approval_due - REMIND_BEFORE
        return self.expires_at if self.status == "granted" else None


@dataclass(frozen=True, slots=True)
class Granted:
    cover: Cover


@dataclass(frozen=True, slots=True)
class Refused:
    cover: Cover


@dataclass(frozen=True, slots=True)
class Released:
    decision_id: str
    units: Decimal
    reason: str


@dataclass(frozen=True, slots=True)
class Consumed:
    cover: Cover


@dataclass(frozen=True, slots=True)
class TaskOpened:
    task_id: str
    kind: str
    reason: str | None
    role: str = "agent"


@dataclass(frozen=True, slots=True)
class TaskClosed:
    task_id: str
    outcome: str


@dataclass(frozen=True, slots=True)
class ApprovalAsked:
    cover: Cover


@dataclass(frozen=True, slots=True)
class ApprovalAnswered:
    """`reason`: why not; none where the principal agrees. `by`: principal, supervisor, or system when nobody answered in time."""

    approval_id: str
    by: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ApprovalWithdrawn:
    """Nobody need answer any more; the log knows by what happened instead."""

    approval_id: str


Fact = Granted | Refused | Released | Consumed | TaskOpened | TaskClosed | ApprovalAsked | ApprovalAnswered | ApprovalWithdrawn
Decision = tuple[Cover, list[Fact]]


def decide(need_id: str, case_id: str, claim: Claim, verdict: Verdict, decision_id: str, now: datetime, hold: timedelta) -> Decision:
    """The first decision about a need."""
    cover = _decided(Cover(need_id, case_id, claim, decision_id, "refused", ()), claim, verdict, decision_id, now, hold)
    return cover, [_told(cover)]


def amend(cover: Cover, claim: Claim, verdict: Verdict, decision_id: str, task_id: str, now: datetime, hold: timedelta) -> Decision:
    """The wish has changed: decided again, and told only where the result is another. `verdict` counts as free what this need holds."""
    if cover.status == "consumed" or not cover.need_open or (cover.goodwill_by and cover.status == "granted" and isinstance(verdict, Refusal)):
        return replace(cover, claim=claim), []
    if cover.status == "asked":
        return _amend_asked(cover, claim, verdict, decision_id, now, hold)
    if isinstance(verdict, Grant):
        if cover.status != "refused":
            verdict = verdict.unasked
        if cover.status == "granted" and (cover.key, cover.units) == (verdict.key, verdict.units):
            return replace(cover, claim=claim, expires_at=_expiry(claim, now, hold)), []
        before: list[Fact] = [Released(cover.decision_id, cover.units, "need_amended")] if cover.status == "granted" else []
        granted, closed = without_task(_decided(cover, claim, verdict, decision_id, now, hold), "resolved_itself")
        return granted, [*before, _told(granted), *closed]
    if cover.status == "refused":
        if cover.reason == verdict.reason:
            return replace(cover, claim=claim), []
        refused = _decided(cover, claim, verdict, decision_id, now, hold)
        return refused, [Refused(refused)]
    if cover.status == "lost":
        return replace(cover, claim=claim), []
    given_back: list[Fact] = [Released(cover.decision_id, cover.units, "refused_later")] if cover.status == "granted" else []
    lost = replace(
        cover, claim=claim, status="lost", reason=verdict.reason, trace=verdict.trace, tried=verdict.tried, decided_at=now, task_id=task_id
    )
    return lost, [*given_back, TaskOpened(task_id, "coverage_lost", verdict.reason)]


def stands(cover: Cover, held: Collection[str], now: datetime) -> bool:
    """Whether the decision holds although another is known to be its claimant, who holds these contracts. A refusal of a wish that is over,
    and that nobody went on with, is not looked at again."""
    if not cover.need_open or cover.status in ("released", "consumed"):
        return True
    if cover.status in ("asked", "granted"):
        return cover.contract_id in held
    return cover.status == "refused" and cover.task_id is None and cover.claim.ends_at <= now


def go_at_risk(cover: Cover, task_id: str) -> Decision:
    """A refusal of a need that goes on all the same is for a person to settle, whichever came first in the log."""
    gone = replace(cover, at_risk=True)
    if cover.status != "refused" or cover.task_id or not cover.need_open:
        return gone, []
    return replace(gone, task_id=task_id), [TaskOpened(task_id, "at_risk_refused", cover.reason or "")]


def cancel(cover: Cover, reason: str = "need_cancelled") -> Decision:
    """`reason`: `need_unfilled` where nobody was found who does it."""
    released, facts = _released(cover, reason)
    withdrawn: list[Fact] = [ApprovalWithdrawn(cover.decision_id)] if cover.waits else []
    settled, closed = without_task(replace(released, need_open=False), "need_cancelled")
    return settled, [*facts, *withdrawn, *closed]


def reinstate(cover: Cover, now: datetime, hold: timedelta) -> Decision:
    """Reserved again without a check, and as long as at first: the work is being done, and an overrun is a matter for later. A principal
    that had not answered is asked again."""
    back = replace(cover, need_open=True)
    if cover.status == "asked" and not cover.waits:
        asked = replace(back, approval_due=now + ANSWER_WITHIN)
        return asked, [ApprovalAsked(asked)]
    if cover.status != "released":
        return back, []
    granted = replace(back, status="granted", expires_at=_expiry(cover.claim, now, hold))
    return granted, [Granted(granted)]


def perform(cover: Cover, done: Decimal | None) -> Decision:
    """The work is done: what was reserved is used up. `done`: the quantity in the need's unit, where the provider told it. What the
    principal still has to agree to waits for its answer."""
    over = replace(cover, need_open=False, performed=True)
    if cover.status in ("refused", "lost"):
        return without_task(over, "accepted_loss")
    if cover.status == "consumed":
        return over, []
    counted = replace(over, units=done if done and cover.counts == "units" else cover.units)
    if cover.status == "asked":
        return counted, [] if cover.waits else [ApprovalAsked(counted)]
    facts: list[Fact] = []
    if cover.status == "released":
        facts.append(Granted(replace(over, status="granted")))
    consumed = replace(counted, status="consumed")
    return consumed, [*facts, Consumed(consumed)]


def charge(cover: Cover, billed_cents: int, member_cents: int, charged: bool) -> Decision:
    """A bill or a charge was recorded, or taken back with a minus: in whatever order they come, the sums are right in the end."""
    return replace(
        cover,
        billed_cents=cover.billed_cents + billed_cents,
        member_cents=cover.member_cents + member_cents,
        charged=cover.charged or charged,
    ), []


def expire(cover: Cover, now: datetime) -> Decision:
    """Nothing when it was used, given back or prolonged meanwhile."""
    if not cover.need_open or cover.expires_at is None or cover.expires_at > now:
        return cover, []
    return _released(cover, "reservation_expired")


def settle(cover: Cover, outcome: str) -> Decision:
    """A person has settled the task. Raises `TaskSettled`, `AnswerFirst`."""
    if cover.task_id is None:
        raise TaskSettled
    if cover.waits:
        raise AnswerFirst
    return without_task(cover, outcome)


def without_task(cover: Cover, outcome: str) -> Decision:
    if cover.task_id is None:
        return cover, []
    return replace(cover, task_id=None), [TaskClosed(cover.task_id, outcome)]


def _amend_asked(cover: Cover, claim: Claim, verdict: Verdict, decision_id: str, now: datetime, hold: timedelta) -> Decision:
    """The principal goes on being asked where it is for the same and no more; else it is asked anew, or need not be."""
    wanted = verdict.approval_cents if isinstance(verdict, Grant) and (cover.key, cover.units) == (verdict.key, verdict.units) else None
    if wanted is not None and wanted <= (cover.approval_cents or 0):
        return replace(cover, claim=claim), []
    decided, closed = without_task(_decided(cover, claim, verdict, decision_id, now, hold), "no_longer_needed")
    return decided, [ApprovalWithdrawn(cover.decision_id), *closed, _told(decided)]


def _told(cover: Cover) -> Fact:
    """Of a decision just taken."""
    return ApprovalAsked(cover) if cover.status == "asked" else Granted(cover) if cover.status == "granted" else Refused(cover)


def _decided(cover: Cover, claim: Claim, verdict: Verdict, decision_id: str, now: datetime, hold: timedelta) -> Cover:
    told: dict[str, Any] = {
        "claim": claim,
        "decision_id": decision_id,
        "trace": verdict.trace,
        "tried": verdict.tried,
        "renews_on": verdict.renews_on,
        "decided_at": now,
        "approval_cents": None,
        "approval_due": None,
        "goodwill_by": None,
        "goodwill_actor": None,
        "goodwill_reason": None,
    }
    if isinstance(verdict, Refusal):
        told |= {"status": "refused", "reason": verdict.reason, "contract_id": verdict.contract_id, "guarantee": verdict.guarantee}
        return replace(cover, **told | {"period_start": None})
    asked = verdict.approval_cents is not None
    told |= {"approval_cents": verdict.approval_cents, "approval_due": now + ANSWER_WITHIN if asked else None}
    return replace(
        cover,
        **told,
        status="asked" if asked else "granted",
        reason=None,
        contract_id=verdict.key.contract_id,
        guarantee=verdict.key.guarantee,
        period_start=verdict.key.period_start,
        counts=verdict.guarantee.counts,
        units=verdict.units,
        units_per_year=verdict.guarantee.units_per_year,
        cap_gross_cents=verdict.cap_gross_cents,
        cap_gross_cents_per_year=verdict.guarantee.cap_gross_cents_per_year,
        member_rate=verdict.guarantee.member_rate,
        expires_at=_expiry(claim, now, hold),
    )


def _released(cover: Cover, reason: str) -> Decision:
    if cover.status != "granted":
        return cover, []
    return replace(cover, status="released"), [Released(cover.decision_id, cover.units, reason)]


def _expiry(claim: Claim, now: datetime, hold: timedelta) -> datetime:
    return max(now, claim.ends_at) + hold
