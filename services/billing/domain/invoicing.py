"""One invoice for a principal over its charges of a period.

NothingToInvoice 409  every charge up to the end of the period stands on an invoice already
OnlyCredits      409  the charges left take more back than they ask for: they wait for the next invoice, or a credit note
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from services.billing.domain.money import Vat, vat_by_rate
from services.kit.errors import Conflict, Invalid

SERIES = "FA"


class NothingToInvoice(Conflict):
    code, title = "nothing_to_invoice", "Every charge of the period stands on an invoice already"


class OnlyCredits(Conflict):
    code, title = "only_credits", "The charges of the period take back more than they ask for"


@dataclass(frozen=True, slots=True)
class OpenCharge:
    """A charge that stands on no invoice yet."""

    id: str
    case_id: str
    need_id: str
    net_cents: int
    vat_rate: Decimal


@dataclass(frozen=True, slots=True)
class Invoice:
    """`number` is gapless per series and year of issue. Days are inclusive."""

    id: str
    number: str
    principal_id: str
    period_from: date
    period_until: date
    issued_on: date
    charges: tuple[OpenCharge, ...]
    vats: tuple[Vat, ...]

    @property
    def net_cents(self) -> int:
        return sum(vat.net_cents for vat in self.vats)

    @property
    def vat_cents(self) -> int:
        return sum(vat.vat_cents for vat in self.vats)

    @property
    def gross_cents(self) -> int:
        return self.net_cents + self.vat_cents


def check_period(period_from: date, period_until: date) -> None:
    """Raises `Invalid`."""
    if period_until < period_from:
        raise Invalid("the period ends before it starts", code="period_backwards")


def check_charges(charges: Sequence[OpenCharge]) -> tuple[Vat, ...]:
    """Their VAT. Raises `NothingToInvoice`, `OnlyCredits`."""
    if not charges:
        raise NothingToInvoice
    if sum(charge.net_cents for charge in charges) < 0:
        raise OnlyCredits
    return vat_by_rate((charge.vat_rate, charge.net_cents) for charge in charges)


def number(issued_on: date, serial: int) -> str:
    return f"{SERIES}-{issued_on.year}-{serial:06}"
