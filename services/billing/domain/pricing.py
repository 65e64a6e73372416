"""Dated tariffs, and the provider's bill that one makes of what was done."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Self

from services.billing.domain.money import Vat, half_up, vat_by_rate
from services.kit.errors import Invalid


@dataclass(frozen=True, slots=True)
class Price:
    article: str
    unit: str
    unit_price_net: Decimal
    vat_rate: Decimal


@dataclass(frozen=True, slots=True)
class Tariff:
    """Of one provider, or of all; `valid_until` is its last day."""

    id: str
    provider_id: str | None
    service: str
    valid_from: date
    valid_until: date | None
    lines: tuple[Price, ...]
    version: int = 1

    def holds(self, provider_id: str, service: str, day: date) -> bool:
        return (
            self.service == service
            and self.provider_id in (None, provider_id)
            and self.valid_from <= day
            and (self.valid_until is None or day <= self.valid_until)
        )


@dataclass(frozen=True, slots=True)
class Done:
    """What was done, as the provider counts it."""

    article: str
    unit: str
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class BillLine:
    article: str
    unit: str
    quantity: Decimal
    unit_price_net: Decimal
    vat_rate: Decimal
    net_cents: int


@dataclass(frozen=True, slots=True)
class Bill:
    """What a provider is owed. A bill is never edited: its reversal takes all of it back, and another follows."""

    id: str
    lines: tuple[BillLine, ...]
    vats: tuple[Vat, ...]
    approved: bool
    reverses: str | None = None

    @classmethod
    def of(cls, bill_id: str, lines: tuple[BillLine, ...], approve_up_to_cents: int) -> Self:
        """Approved by itself up to that gross amount."""
        made = cls(bill_id, lines, vat_by_rate((line.vat_rate, line.net_cents) for line in lines), approved=True)
        return replace(made, approved=made.gross_cents <= approve_up_to_cents)

    @property
    def net_cents(self) -> int:
        return sum(vat.net_cents for vat in self.vats)

    @property
    def vat_cents(self) -> int:
        return sum(vat.vat_cents for vat in self.vats)

    @property
    def gross_cents(self) -> int:
        return self.net_cents + self.vat_cents

    def reversal(self, bill_id: str) -> "Bill":
        lines = tuple(replace(line, quantity=-line.quantity, net_cents=-line.net_cents) for line in self.lines)
        vats = tuple(Vat(vat.rate, -vat.net_cents, -vat.vat_cents) for vat in self.vats)
        return Bill(bill_id, lines, vats, approved=True, reverses=self.id)


def check(tariff: Tariff) -> None:
    """Raises `Invalid`."""
    if tariff.valid_until is not None and tariff.valid_until < tariff.valid_from:
        raise Invalid("the tariff ends before it starts", code="period_backwards")
    if not tariff.lines:
        raise Invalid("a tariff has at least one line", code="no_lines")
    if len({(line.article, line.unit) for line in tariff.lines}) < len(tariff.lines):
        raise Invalid("an article stands twice in the tariff with the same unit", code="article_twice")
    if any(line.unit_price_net < 0 or not 0 <= line.vat_rate < 1 for line in tariff.lines):
        raise Invalid("a price is at least 0, a rate a fraction between 0 and 1", code="price_out_of_range")


def in_force(tariffs: Iterable[Tariff], provider_id: str, service: str, day: date) -> Tariff | None:
    """The provider's own before the one for all, then the one that started last."""
    found = [tariff for tariff in tariffs if tariff.holds(provider_id, service, day)]
    return max(found, key=lambda tariff: (tariff.provider_id is not None, tariff.valid_from, tariff.id), default=None)


def price(done: Sequence[Done], tariff: Tariff | None) -> tuple[BillLine, ...] | None:
    """None when there is no tariff, or when an article is not in it."""
    prices = {(line.article, line.unit): line for line in tariff.lines} if tariff else {}
    lines = []
    for line in done:
        found = prices.get((line.article, line.unit))
        if found is None:
            return None
        net = half_up(line.quantity * found.unit_price_net * 100)
        lines.append(BillLine(line.article, line.unit, line.quantity, found.unit_price_net, found.vat_rate, net))
    return tuple(lines) if tariff else None
