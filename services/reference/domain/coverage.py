"""The life of the decision about one need: taken, taken again, released, reserved again, consumed.

Units follow the status by themselves (`holding`), so that a save is right by comparing before and after.
Total: every event may come in every status, and what does not concern it changes nothing.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal

from services.kit.errors import Conflict
from services.reference.domain.entitlement import Claim, Counts, Grant, Refusal, Rights, RightsKey, Verdict

Status = Literal[
    "granted",
    "refused",
    "lost",  # granted, then refused after an amendment: a task, never a second refusal, since work may be under way
    "released",  # given back: cancelled or expired
    "consumed",
]


class TaskSettled(Conflict):
    code, title = "task_settled", "The task is closed already"


@dataclass(frozen=True, slots=True)
class Cover:
    """The reasons and terms are those of the last decision; `expires_at` is there whenever something was ever granted."""

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

    @property
    def key(self) -> RightsKey | None:
        if self.contract_id is None or self.guarantee is None or self.period_start is None:
            return None
        return RightsKey(self.contract_id, self.guarantee, self.period_start)

    @property
    def holding(self) -> tuple[RightsKey, Rights] | None:
        """What it holds of the rights."""
        if self.key is None or self.status not in ("granted", "consumed"):
            return None
        return self.key, Rights(reserved=self.units) if self.status == "granted" else Rights(used=self.units)

    @property
    def due(self) -> datetime | None:
        """When what it reserves is given back by itself."""
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
    reason: str


@dataclass(frozen=True, slots=True)
class TaskClosed:
    task_id: str
    outcome: str


Fact = Granted | Refused | Released | Consumed | TaskOpened | TaskClosed
Decision = tuple[Cover, list[Fact]]


def decide(need_id: str, case_id: str, claim: Claim, verdict: Verdict, decision_id: str, now: datetime, hold: timedelta) -> Decision:
    """The first decision about a need."""
    cover = _decided(Cover(need_id, case_id, claim, decision_id, "refused", ()), claim, verdict, decision_id, now, hold)
    return cover, [Granted(cover) if isinstance(verdict, Grant) else Refused(cover)]


def amend(cover: Cover, claim: Claim, verdict: Verdict, decision_id: str, task_id: str, now: datetime, hold: timedelta) -> Decision:
    """The wish has changed: decided again, and told only where the result is another. `verdict` counts as free what this need holds."""
    if cover.status == "consumed" or not cover.need_open:
        return replace(cover, claim=claim), []
    if isinstance(verdict, Grant):
        if cover.status == "granted" and (cover.key, cover.units) == (verdict.key, verdict.units):
            return replace(cover, claim=claim, expires_at=_expiry(claim, now, hold)), []
        before: list[Fact] = [Released(cover.decision_id, cover.units, "need_amended")] if cover.status == "granted" else []
        granted, closed = _without_task(_decided(cover, claim, verdict, decision_id, now, hold), "resolved_itself")
        return granted, [*before, Granted(granted), *closed]
    if cover.status == "refused":
        if cover.reason == verdict.reason:
            return replace(cover, claim=claim), []
        refused = _decided(cover, claim, verdict, decision_id, now, hold)
        return refused, [Refused(refused)]
    if cover.status == "lost":
        return replace(cover, claim=claim), []
    given_back: list[Fact] = [Released(cover.decision_id, cover.units, "refused_later")] if cover.status == "granted" else []
    lost = replace(cover, claim=claim, status="lost", reason=verdict.reason, trace=verdict.trace, task_id=task_id)
    return lost, [*given_back, TaskOpened(task_id, "coverage_lost", verdict.reason)]


def go_at_risk(cover: Cover, task_id: str) -> Decision:
    """A refusal of a need that goes on all the same is for a person to settle, whichever came first in the log."""
    if cover.status != "refused" or cover.task_id or not cover.need_open:
        return cover, []
    return replace(cover, task_id=task_id), [TaskOpened(task_id, "at_risk_refused", cover.reason or "")]


def cancel(cover: Cover) -> Decision:
    released, facts = _released(cover, "need_cancelled")
    settled, closed = _without_task(replace(released, need_open=False), "need_cancelled")
    return settled, [*facts, *closed]


def reinstate(cover: Cover, now: datetime, hold: timedelta) -> Decision:
    """Reserved again without a check, and as long as at first: the work is being done, and an overrun is a matter for later."""
    back = replace(cover, need_open=True)
    if cover.status != "released":
        return back, []
    granted = replace(back, status="granted", expires_at=_expiry(cover.claim, now, hold))
    return granted, [Granted(granted)]


def perform(cover: Cover, done: Decimal | None) -> Decision:
    """The work is done: what was reserved is used up. `done`: the quantity in the need's unit, where the provider told it."""
    over = replace(cover, need_open=False)
    if cover.status in ("refused", "lost"):
        return _without_task(over, "accepted_loss")
    if cover.status == "consumed":
        return over, []
    facts: list[Fact] = []
    if cover.status == "released":
        facts.append(Granted(replace(over, status="granted")))
    consumed = replace(over, status="consumed", units=done if done and cover.counts == "units" else cover.units)
    return consumed, [*facts, Consumed(consumed)]


def expire(cover: Cover, now: datetime) -> Decision:
    """Nothing when it was used, given back or prolonged meanwhile."""
    if not cover.need_open or cover.expires_at is None or cover.expires_at > now:
        return cover, []
    return _released(cover, "reservation_expired")


def settle(cover: Cover, outcome: str) -> Decision:
    """A person has settled the task. Raises `TaskSettled`."""
    if cover.task_id is None:
        raise TaskSettled
    return _without_task(cover, outcome)


def _decided(cover: Cover, claim: Claim, verdict: Verdict, decision_id: str, now: datetime, hold: timedelta) -> Cover:
    if isinstance(verdict, Refusal):
        return replace(
            cover,
            claim=claim,
            decision_id=decision_id,
            status="refused",
            reason=verdict.reason,
            contract_id=verdict.contract_id,
            guarantee=verdict.guarantee,
            period_start=None,
            renews_on=verdict.renews_on,
            trace=verdict.trace,
        )
    return replace(
        cover,
        claim=claim,
        decision_id=decision_id,
        status="granted",
        reason=None,
        contract_id=verdict.key.contract_id,
        guarantee=verdict.key.guarantee,
        period_start=verdict.key.period_start,
        renews_on=verdict.renews_on,
        counts=verdict.guarantee.counts,
        units=verdict.units,
        units_per_year=verdict.guarantee.units_per_year,
        cap_gross_cents=verdict.guarantee.cap_gross_cents,
        member_rate=verdict.guarantee.member_rate,
        expires_at=_expiry(claim, now, hold),
        trace=verdict.trace,
    )


def _released(cover: Cover, reason: str) -> Decision:
    if cover.status != "granted":
        return cover, []
    return replace(cover, status="released"), [Released(cover.decision_id, cover.units, reason)]


def _without_task(cover: Cover, outcome: str) -> Decision:
    if cover.task_id is None:
        return cover, []
    return replace(cover, task_id=None), [TaskClosed(cover.task_id, outcome)]


def _expiry(claim: Claim, now: datetime, hold: timedelta) -> datetime:
    return max(now, claim.ends_at) + hold
