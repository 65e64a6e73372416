"""Who pays what: the formula from a provider's bill to the charge of the principal and the share of the member.

    covered  = the bill's gross, at most the cap
    member   = half-up(covered x member rate) + (gross - covered)
    ours     = gross - member                                      the principal's part of the provider's price
    base     = the bill's net in the proportion ours : member      by largest remainder; the rest is the member's net
    markup   = half-up(base x markup rate)
    fee      = the principal's fee, when ours is not 0
    charge   = base + markup + fee, and VAT on it once at the rate of the terms

A refused need that had gone on at risk counts as covered up to the limit agreed then, without member rate; any other refused
need as covered up to 0: the member pays the provider's price, the principal nothing. `docs/money.md` works an example.
"""

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Literal, Self

from services.billing.domain.money import half_up, shares
from services.billing.domain.pricing import Bill

Decision = Literal["granted", "refused", "assumed_refused"]
VOID = frozenset({"need_cancelled", "need_unfilled", "need_amended", "refused_later"})  # releases that take the decision back


@dataclass(frozen=True, slots=True)
class Terms:
    """Of a principal, from a day on. Rates are fractions."""

    valid_from: date
    fee_net_cents: int
    markup_rate: Decimal
    vat_rate: Decimal


@dataclass(frozen=True, slots=True)
class Principal:
    """With the terms that it has from a day on."""

    id: str
    code: str
    label: str
    siren: str
    terms: Terms


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a need's decision says about money. No cap: everything is covered."""

    cap_gross_cents: int | None
    member_rate: Decimal


@dataclass(frozen=True, slots=True)
class Need:
    id: str
    case_id: str
    number: str  # as shown: 482017902-1
    principal_id: str
    service: str
    zone: str
    decision: Decision | None = None
    decision_id: str | None = None
    guarantee: str | None = None
    cap_gross_cents: int | None = None
    member_rate: Decimal = Decimal(0)
    at_risk_limit_cents: int | None = None
    prestation_ids: tuple[str, ...] = ()

    @property
    def coverage(self) -> Coverage | None:
        """None while nothing is decided."""
        if self.decision is None:
            return None
        if self.decision == "granted":
            return Coverage(self.cap_gross_cents, self.member_rate)
        return Coverage(self.at_risk_limit_cents or 0, Decimal(0))


@dataclass(frozen=True, slots=True)
class Charge:
    """What a principal owes for one prestation, and what the member does. Never edited: reversed, and made again."""

    id: str
    base_net_cents: int
    markup_net_cents: int
    fee_net_cents: int
    vat_rate: Decimal
    vat_cents: int
    member_net_cents: int
    member_gross_cents: int
    reverses: str | None = None

    @classmethod
    def of(cls, charge_id: str, bill: Bill, coverage: Coverage, terms: Terms) -> Self:
        gross = bill.gross_cents
        covered = gross if coverage.cap_gross_cents is None else min(gross, coverage.cap_gross_cents)
        member = half_up(covered * coverage.member_rate) + gross - covered
        base, member_net = shares(bill.net_cents, [gross - member, member])
        markup = half_up(base * terms.markup_rate)
        fee = terms.fee_net_cents if gross != member else 0
        vat = half_up((base + markup + fee) * terms.vat_rate)
        return cls(charge_id, base, markup, fee, terms.vat_rate, vat, member_net, member)

    @property
    def net_cents(self) -> int:
        return self.base_net_cents + self.markup_net_cents + self.fee_net_cents

    @property
    def gross_cents(self) -> int:
        return self.net_cents + self.vat_cents

    @property
    def member_vat_cents(self) -> int:
        return self.member_gross_cents - self.member_net_cents

    def says_the_same(self, other: "Charge") -> bool:
        return replace(self, id=other.id, reverses=other.reverses) == other

    def reversal(self, charge_id: str) -> "Charge":
        return Charge(
            charge_id,
            -self.base_net_cents,
            -self.markup_net_cents,
            -self.fee_net_cents,
            self.vat_rate,
            -self.vat_cents,
            -self.member_net_cents,
            -self.member_gross_cents,
            reverses=self.id,
        )


def terms_on(terms: list[Terms], day: date) -> Terms | None:
    return max((found for found in terms if found.valid_from <= day), key=lambda found: found.valid_from, default=None)
