"""What a person is entitled to: every rule that a decision tries, in order, before units and amounts are counted (`choice`)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal
from zoneinfo import ZoneInfo

CONTRACT_ZONE = ZoneInfo("Europe/Paris")
Counts = Literal["interventions", "units"]
Overrun = Literal["member", "approval"]


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
    occurred_on: date | None = None  # of what made it necessary, where that was told
    declared_on: date | None = None  # when it was asked for
    estimate_gross_cents: int | None = None

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
    cap_gross_cents_per_year: int | None = None
    overrun: Overrun = "member"  # who pays what is beyond the caps: the member, or the principal if it agrees
    declare_within_days: int | None = None
    min_km_from_home: int | None = None
    one_at_a_time: bool = False  # not while another case has the same service at an overlapping time

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
    limits: tuple[tuple[date, int | None], ...] = ()  # of the principal's terms, by day: above how many cents it must agree

    def approval_above(self, day: date) -> int | None:
        known = [limit for limit in self.limits if limit[0] <= day]
        return max(known, key=lambda limit: limit[0])[1] if known else None

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
    insee: str | None = None  # of the home


@dataclass(frozen=True, slots=True)
class RightsKey:
    contract_id: str
    guarantee: str
    period_start: date


@dataclass(frozen=True, slots=True)
class Rights:
    used: Decimal = Decimal(0)
    reserved: Decimal = Decimal(0)
    used_cents: int = 0
    reserved_cents: int = 0

    def left(self, units_per_year: Decimal | None) -> Decimal | None:
        """None: without limit. Overrun shows as nothing left."""
        return None if units_per_year is None else max(Decimal(0), units_per_year - self.used - self.reserved)

    def cents_left(self, cents_per_year: int | None) -> int | None:
        """As `left`."""
        return None if cents_per_year is None else max(0, cents_per_year - self.used_cents - self.reserved_cents)


@dataclass(frozen=True, slots=True)
class Option:
    """A guarantee that covers the claim, units and amounts not yet counted."""

    key: RightsKey
    guarantee: Guarantee
    units: Decimal
    renews_on: date
    trace: tuple[str, ...]
    approval_above_cents: int | None = None


@dataclass(frozen=True, slots=True)
class Ruled:
    """A refusal before anything is counted."""

    reason: str
    trace: tuple[str, ...]
    contract_id: str | None = None
    guarantee: str | None = None
    renews_on: date | None = None  # when it would be covered


Attempt = Option | Ruled


def attempts(person: Person | None, claim: Claim, others: Collection[str] = (), km: float | None = None) -> list[Attempt]:
    """One per guarantee tried, or the refusal before any could be. Never empty.

    `others`: contracts that somebody else holds. `km`: from the person's home to the place; None: not known.
    """
    if person is None:
        return [Ruled("not_a_member", ("not_a_member",))]
    if person.provisional:
        return [Ruled("provisional_member", ("provisional_member",))]
    if person.ended_on and person.ended_on < claim.day:
        return [Ruled("member_ended", ("member_ended",))]
    held = [
        contract for contract in person.contracts if claim.contract_id in (None, contract.id) and claim.principal_id in (None, contract.principal_id)
    ]
    if not held:
        theirs = claim.contract_id in others and all(contract.id != claim.contract_id for contract in person.contracts)
        lacking = "beneficiary_not_covered" if theirs else "no_contract"
        return [Ruled(lacking, ("member_active", lacking))]
    return [attempt for contract in held for attempt in _under(contract, claim, km)]


def _under(contract: Contract, claim: Claim, km: float | None) -> list[Attempt]:
    day = claim.day
    trace: tuple[str, ...] = ("member_active",)
    if contract.principal_ended_on and contract.principal_ended_on < day:
        return [Ruled("principal_suspended", (*trace, "principal_suspended"), contract.id)]
    trace = (*trace, "principal_active")
    if day < contract.starts_on:
        return [Ruled("contract_not_started", (*trace, "contract_not_started"), contract.id, renews_on=contract.starts_on)]
    if contract.ends_on and contract.ends_on < day:
        return [Ruled("contract_ended", (*trace, "contract_ended"), contract.id)]
    if contract.state == "suspended":
        return [Ruled("contract_suspended", (*trace, "contract_suspended"), contract.id)]
    trace = (*trace, "contract_active")
    covering = [guarantee for guarantee in contract.guarantees_on(day) if claim.service in guarantee.services]
    if not covering:
        return [Ruled("service_not_covered", (*trace, "service_not_covered"), contract.id)]
    return [_by(guarantee, contract, claim, km, (*trace, "service_covered")) for guarantee in covering]


def _by(guarantee: Guarantee, contract: Contract, claim: Claim, km: float | None, trace: tuple[str, ...]) -> Attempt:
    def refused(reason: str, renews_on: date | None = None) -> Ruled:
        return Ruled(reason, (*trace, reason), contract.id, guarantee.code, renews_on)

    opens_on = contract.starts_on + timedelta(days=guarantee.waiting_days)
    if claim.day < opens_on:
        return refused("waiting_period", opens_on)
    trace = (*trace, "waiting_over")
    if guarantee.declare_within_days is not None and claim.occurred_on and claim.declared_on:
        if claim.declared_on > claim.occurred_on + timedelta(days=guarantee.declare_within_days):
            return refused("declared_too_late")
        trace = (*trace, "declared_in_time")
    if guarantee.area and claim.departement not in guarantee.area:
        return refused("outside_area")
    if claim.departement in guarantee.excluded or claim.insee in guarantee.excluded:
        return refused("excluded_place")
    trace = (*trace, "place_covered")
    if guarantee.min_km_from_home and km is not None:
        if km < guarantee.min_km_from_home:
            return refused("too_close_to_home")
        trace = (*trace, "far_enough")
    start, renews_on = contract.year(claim.day)
    key = RightsKey(contract.id, guarantee.code, start)
    return Option(key, guarantee, guarantee.units(claim.quantity), renews_on, trace, contract.approval_above(claim.day))


def _anniversary(day: date, year: int) -> date:
    """In a year without 29 February, the day before 1 March."""
    return day.replace(year=year, day=28) if (day.month, day.day) == (2, 29) and not _leap(year) else day.replace(year=year)


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
