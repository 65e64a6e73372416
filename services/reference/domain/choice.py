"""The choice among the guarantees that cover a claim: units and amounts are counted, what the principal must agree to is found out.

    within   = the cap of one need, and at most what is left of the year's amount      what nobody need be asked for
    expected = the need's estimate, at most within; without an estimate, within
    asked    = expected, where that is above the limit of the principal's terms; or, where overruns are the principal's to agree to, all of
               the estimate (without one, the cap of one need) as soon as that is beyond `within`

A grant promises `within`, and so much is reserved of the year's amount: what is promised together can never be beyond it. Granted by the
principal, it promises what was asked.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

from services.reference.domain.entitlement import Attempt, Claim, Guarantee, Option, Rights, RightsKey, Ruled

_NONE = Rights()


@dataclass(frozen=True, slots=True)
class Tried:
    """A contract or guarantee that a decision tried: the rules in order, the last of them failed unless it was good; the rights it found."""

    contract_id: str | None
    guarantee: str | None
    period_start: date | None
    trace: tuple[str, ...]
    rights: Rights = _NONE

    @property
    def key(self) -> RightsKey | None:
        if self.contract_id is None or self.guarantee is None or self.period_start is None:
            return None
        return RightsKey(self.contract_id, self.guarantee, self.period_start)


@dataclass(frozen=True, slots=True)
class Grant:
    """`approval_cents`: what the principal must agree to first. `free_cents`: the cap without being asked; None: no cap."""

    key: RightsKey
    guarantee: Guarantee
    units: Decimal
    renews_on: date
    trace: tuple[str, ...]
    cap_gross_cents: int | None
    free_cents: int | None = None
    approval_cents: int | None = None
    tried: tuple[Tried, ...] = field(default=(), compare=False)

    @property
    def unasked(self) -> "Grant":
        """As far as nobody need be asked: for a need that is under way."""
        return replace(self, cap_gross_cents=self.free_cents, approval_cents=None) if self.approval_cents is not None else self


@dataclass(frozen=True, slots=True)
class Refusal:
    reason: str
    trace: tuple[str, ...]
    contract_id: str | None = None
    guarantee: str | None = None
    renews_on: date | None = None  # when it would be covered
    tried: tuple[Tried, ...] = field(default=(), compare=False)


Verdict = Grant | Refusal


def choose(
    tried: Iterable[Attempt], rights: Mapping[RightsKey, Rights], claim: Claim | None = None, elsewhere: Collection[tuple[str, str]] = ()
) -> Verdict:
    """The option with units and amount left that costs the member least, one that asks nobody first; else the refusal that came furthest.

    `elsewhere`: (contract, guarantee) by which another open case has the claim's service at an overlapping time.
    """
    estimate = claim.estimate_gross_cents if claim else None
    granted: list[Grant] = []
    refused: list[Refusal] = []
    said: list[Tried] = []
    for attempt in tried:
        found = (
            Refusal(attempt.reason, attempt.trace, attempt.contract_id, attempt.guarantee, attempt.renews_on)
            if isinstance(attempt, Ruled)
            else _counted(attempt, rights.get(attempt.key, _NONE), estimate, elsewhere)
        )
        said.append(_said(attempt, found, rights))
        if isinstance(found, Grant):
            granted.append(found)
        else:
            refused.append(found)
    best: Verdict = min(granted, key=_cost) if granted else max(refused, key=lambda refusal: len(refusal.trace))
    return replace(best, tried=tuple(said))


def _counted(option: Option, rights: Rights, estimate: int | None, elsewhere: Collection[tuple[str, str]]) -> Verdict:
    guarantee, trace = option.guarantee, option.trace

    def refused(reason: str, renews_on: date | None = None) -> Refusal:
        return Refusal(reason, (*trace, reason), option.key.contract_id, guarantee.code, renews_on)

    if guarantee.one_at_a_time:
        if (option.key.contract_id, guarantee.code) in elsewhere:
            return refused("already_covered")
        trace = (*trace, "not_covered_elsewhere")
    left = rights.left(guarantee.units_per_year)
    if left is not None and left < option.units:
        return refused("units_exhausted", option.renews_on)
    trace = (*trace, "units_unlimited" if left is None else "units_left")
    cents_left = rights.cents_left(guarantee.cap_gross_cents_per_year)
    within = _least(guarantee.cap_gross_cents, cents_left)
    wanted = estimate if estimate is not None else guarantee.cap_gross_cents
    beyond = wanted is not None and within is not None and wanted > within and guarantee.overrun == "approval"
    if cents_left == 0 and not beyond:
        return refused("amount_exhausted", option.renews_on)
    if cents_left:
        trace = (*trace, "amount_left")
    limit = option.approval_above_cents
    expected = wanted if beyond else _least(estimate, within)
    needed = expected is not None and (beyond or (limit is not None and expected > limit))
    if needed or limit is not None:
        trace = (*trace, "approval_needed" if needed else "approval_not_needed")
    asked = expected if needed else None
    cap = asked if needed else within
    return Grant(option.key, guarantee, option.units, option.renews_on, trace, cap, _least(within, limit), asked)


def _said(attempt: Attempt, found: Verdict, rights: Mapping[RightsKey, Rights]) -> Tried:
    if isinstance(attempt, Ruled):
        return Tried(attempt.contract_id, attempt.guarantee, None, attempt.trace)
    return Tried(attempt.key.contract_id, attempt.guarantee.code, attempt.key.period_start, found.trace, rights.get(attempt.key, _NONE))


def _least(one: int | None, other: int | None) -> int | None:
    """None: without limit."""
    return other if one is None else one if other is None else min(one, other)


def _cost(grant: Grant) -> tuple[bool, Decimal, float]:
    cap = grant.cap_gross_cents
    return grant.approval_cents is not None, grant.guarantee.member_rate, float("-inf") if cap is None else -cap
