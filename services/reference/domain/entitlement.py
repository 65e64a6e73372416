"""What a person is entitled to: every rule that a decision tries, in order, and the choice among what passes."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal
from zoneinfo import ZoneInfo

CONTRACT_ZONE = ZoneInfo("Europe/Paris")
Counts = Literal["interventions", "units"]


@dataclass(frozen=True, slots=True)
class Claim:
    """What a need asks to be covered. Without a contract, the best of the person's is taken; without a principal, of any."""

    member_id: str
    principal_id: str | None
    contract_id: str | None
    service: str
    insee: str
    departement: str
    starts_at: datetime
    ends_at: datetime
    quantity: Decimal
    unit: str

    @property
    def day(self) -> date:
        return self.starts_at.astimezone(CONTRACT_ZONE).date()


@dataclass(frozen=True, slots=True)
class Guarantee:
    code: str
    services: Sequence[str]
    counts: Counts  # one unit an intervention, or the quantity asked for
    units_per_year: Decimal | None
    cap_gross_cents: int | None
    member_rate: Decimal
    waiting_days: int
    area: Sequence[str]  # départements; empty: everywhere
    excluded: Sequence[str]  # départements or INSEE codes
    valid_from: date

    def units(self, quantity: Decimal) -> Decimal:
        return Decimal(1) if self.counts == "interventions" else quantity


@dataclass(frozen=True, slots=True)
class Contract:
    id: str
    number: str
    principal_id: str
    principal_ended_on: date | None
    product: str
    starts_on: date
    ends_on: date | None
    state: Literal["active", "suspended"]
    guarantees: tuple[Guarantee, ...]  # every version

    def guarantees_on(self, day: date) -> list[Guarantee]:
        """The version of each in force that day."""
        newest: dict[str, Guarantee] = {}
        for guarantee in sorted(self.guarantees, key=lambda each: each.valid_from):
            if guarantee.valid_from <= day:
                newest[guarantee.code] = guarantee
        return list(newest.values())

    def year(self, day: date) -> tuple[date, date]:
        """The contract year around a day: its first day, and the first day of the next."""
        turn = _anniversary(self.starts_on, day.year)
        return (turn, _anniversary(self.starts_on, day.year + 1)) if turn <= day else (_anniversary(self.starts_on, day.year - 1), turn)


@dataclass(frozen=True, slots=True)
class Person:
    id: str
    provisional: bool
    ended_on: date | None
    contracts: tuple[Contract, ...]


@dataclass(frozen=True, slots=True)
class RightsKey:
    contract_id: str
    guarantee: str
    period_start: date


@dataclass(frozen=True, slots=True)
class Rights:
    used: Decimal = Decimal(0)
    reserved: Decimal = Decimal(0)

    def left(self, units_per_year: Decimal | None) -> Decimal | None:
        """None: without limit. Overrun shows as nothing left."""
        return None if units_per_year is None else max(Decimal(0), units_per_year - self.used - self.reserved)


@dataclass(frozen=True, slots=True)
class Option:
    """A guarantee that covers the claim, units not yet counted."""

    key: RightsKey
    guarantee: Guarantee
    units: Decimal
    renews_on: date
    trace: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grant:
    key: RightsKey
    guarantee: Guarantee
    units: Decimal
    renews_on: date
    trace: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    reason: str
    trace: tuple[str, ...]
    contract_id: str | None = None
    guarantee: str | None = None
    renews_on: date | None = None  # when it would be covered


Attempt = Option | Refusal
Verdict = Grant | Refusal


def attempts(person: Person | None, claim: Claim, others: Collection[str] = ()) -> list[Attempt]:
    """One per guarantee tried, or the refusal before any could be. Never empty. `others`: contracts that somebody else holds."""
    if person is None:
        return [Refusal("not_a_member", ("not_a_member",))]
    if person.provisional:
        return [Refusal("provisional_member", ("provisional_member",))]
    if person.ended_on and person.ended_on < claim.day:
        return [Refusal("member_ended", ("member_ended",))]
    held = [
        contract for contract in person.contracts if claim.contract_id in (None, contract.id) and claim.principal_id in (None, contract.principal_id)
    ]
    if not held:
        theirs = claim.contract_id in others and all(contract.id != claim.contract_id for contract in person.contracts)
        lacking = "beneficiary_not_covered" if theirs else "no_contract"
        return [Refusal(lacking, ("member_active", lacking))]
    return [attempt for contract in held for attempt in _under(contract, claim)]


def choose(tried: Iterable[Attempt], rights: Mapping[RightsKey, Rights]) -> Verdict:
    """The option with units left that costs the member least; else the refusal that came furthest."""
    granted: list[Grant] = []
    refused: list[Refusal] = []
    for attempt in tried:
        if isinstance(attempt, Refusal):
            refused.append(attempt)
            continue
        limit = attempt.guarantee.units_per_year
        left = rights.get(attempt.key, Rights()).left(limit)
        if left is None or left >= attempt.units:
            passed = "units_unlimited" if left is None else "units_left"
            granted.append(Grant(attempt.key, attempt.guarantee, attempt.units, attempt.renews_on, (*attempt.trace, passed)))
        else:
            trace = (*attempt.trace, "units_exhausted")
            refused.append(Refusal("units_exhausted", trace, attempt.key.contract_id, attempt.guarantee.code, attempt.renews_on))
    if granted:
        return min(granted, key=_cost)
    return max(refused, key=lambda refusal: len(refusal.trace))


def _cost(grant: Grant) -> tuple[Decimal, float]:
    cap = grant.guarantee.cap_gross_cents
    return grant.guarantee.member_rate, float("-inf") if cap is None else -cap


def _under(contract: Contract, claim: Claim) -> list[Attempt]:
    day = claim.day
    trace: tuple[str, ...] = ("member_active",)
    if contract.principal_ended_on and contract.principal_ended_on < day:
        return [Refusal("principal_suspended", (*trace, "principal_suspended"), contract.id)]
    trace = (*trace, "principal_active")
    if day < contract.starts_on:
        return [Refusal("contract_not_started", (*trace, "contract_not_started"), contract.id, renews_on=contract.starts_on)]
    if contract.ends_on and contract.ends_on < day:
        return [Refusal("contract_ended", (*trace, "contract_ended"), contract.id)]
    if contract.state == "suspended":
        return [Refusal("contract_suspended", (*trace, "contract_suspended"), contract.id)]
    trace = (*trace, "contract_active")
    covering = [guarantee for guarantee in contract.guarantees_on(day) if claim.service in guarantee.services]
    if not covering:
        return [Refusal("service_not_covered", (*trace, "service_not_covered"), contract.id)]
    return [_by(guarantee, contract, claim, (*trace, "service_covered")) for guarantee in covering]


def _by(guarantee: Guarantee, contract: Contract, claim: Claim, trace: tuple[str, ...]) -> Attempt:
    opens_on = contract.starts_on + timedelta(days=guarantee.waiting_days)
    if claim.day < opens_on:
        return Refusal("waiting_period", (*trace, "waiting_period"), contract.id, guarantee.code, opens_on)
    trace = (*trace, "waiting_over")
    if guarantee.area and claim.departement not in guarantee.area:
        return Refusal("outside_area", (*trace, "outside_area"), contract.id, guarantee.code)
    if claim.departement in guarantee.excluded or claim.insee in guarantee.excluded:
        return Refusal("excluded_place", (*trace, "excluded_place"), contract.id, guarantee.code)
    start, renews_on = contract.year(claim.day)
    key = RightsKey(contract.id, guarantee.code, start)
    return Option(key, guarantee, guarantee.units(claim.quantity), renews_on, (*trace, "place_covered"))


def _anniversary(day: date, year: int) -> date:
    """In a year without 29 February, the day before 1 March."""
    return day.replace(year=year, day=28) if (day.month, day.day) == (2, 29) and not _leap(year) else day.replace(year=year)


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
