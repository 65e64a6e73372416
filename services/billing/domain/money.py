"""Rounding: half-up once per line, VAT once per rate of a document, shares by largest remainder. Integer cents."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal


@dataclass(frozen=True, slots=True)
class Vat:
    """What one rate of a document comes to."""

    rate: Decimal
    net_cents: int
    vat_cents: int


def half_up(cents: Decimal) -> int:
    """Halves go away from zero, so the reversal of a document is its exact negative."""
    return int(cents.quantize(Decimal(1), ROUND_HALF_UP))


def vat_by_rate(nets: Iterable[tuple[Decimal, int]]) -> tuple[Vat, ...]:
    """From (rate, net) pairs; the lowest rate first."""
    sums: dict[Decimal, int] = {}
    for rate, net in nets:
        sums[rate] = sums.get(rate, 0) + net
    return tuple(Vat(rate, net, half_up(net * rate)) for rate, net in sorted(sums.items()))


def shares(total: int, weights: Sequence[int]) -> list[int]:
    """`total` in proportion to the weights, to the cent. The cents left over go to the largest remainders, the first on a tie."""
    whole = sum(weights)
    if whole == 0:
        return [total, *([0] * (len(weights) - 1))]
    parts = [divmod(total * weight, whole) for weight in weights]
    found = [quotient for quotient, _ in parts]
    left = total - sum(found)
    for place in sorted(range(len(weights)), key=lambda place: -abs(parts[place][1]))[:left]:
        found[place] += 1
    return found
