"""The arithmetic of money, written anew: half-up once per line, VAT once per rate of a document, shares by largest remainder."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

from tests.checker.inputs import Log, Record, Row

VOID = frozenset({"need_cancelled", "need_unfilled", "need_amended", "refused_later"})


@dataclass(frozen=True, slots=True)
class Charge:
    base: int
    markup: int
    fee: int
    vat: int
    member_net: int
    member_gross: int

    @property
    def net(self) -> int:
        return self.base + self.markup + self.fee


def cents(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), ROUND_HALF_UP))


def vat(nets: Iterable[tuple[str, int]]) -> int:
    """Of (rate, net) pairs."""
    by_rate: dict[Decimal, int] = {}
    for rate, net in nets:
        by_rate[Decimal(rate)] = by_rate.get(Decimal(rate), 0) + net
    return sum(cents(net * rate) for rate, net in by_rate.items())


def line_net(line: Row) -> int:
    return cents(Decimal(str(line["quantity"])) * Decimal(str(line["unit_price_net"])) * 100)


def charge(bill: Row, cap: int | None, rate: Decimal, terms: Row) -> Charge:
    """`rate`: the member's own part of what is covered."""
    gross = bill["gross_cents"]
    covered = gross if cap is None else min(gross, cap)
    member = cents(covered * rate) + gross - covered
    ours = gross - member
    base = _part(bill["net_cents"], ours, member)
    markup = cents(base * Decimal(str(terms["markup_rate"])))
    fee = terms["fee_net_cents"] if ours else 0
    return Charge(base, markup, fee, cents((base + markup + fee) * Decimal(str(terms["vat_rate"]))), bill["net_cents"] - base, member)


def _part(total: int, ours: int, theirs: int) -> int:
    """Ours of `total`, to the cent; a tie is ours."""
    whole = ours + theirs
    if not whole:
        return total
    quotient, rest = divmod(total * ours, whole)
    return quotient + (rest > 0 and rest >= whole - rest)


def day(moment: str, zone: str) -> str:
    return datetime.fromisoformat(moment).astimezone(ZoneInfo(zone)).date().isoformat()


def unit_prices(log: Log, provider: str, service: str, on: str) -> set[tuple[str, str, Decimal, Decimal]]:
    """(article, unit, price, rate) of every version of the tariff in force: the provider's own before the one for all, then the newest."""
    versions = [record.body for record in log.of("billing.tariff_changed")]
    holding = [
        one
        for one in versions
        if one["service"] == service
        and one.get("provider_id") in (None, provider)
        and one["valid_from"] <= on <= (one.get("valid_until") or "9999-12-31")
    ]
    if not holding:
        return set()
    best = max(holding, key=lambda one: (one.get("provider_id") is not None, one["valid_from"], one["tariff_id"]))
    return {
        (line["article"], line["unit"], Decimal(str(line["unit_price_net"])), Decimal(str(line["vat_rate"])))
        for one in holding
        if one["tariff_id"] == best["tariff_id"]
        for line in one["lines"]
    }


def terms(log: Log, principal: str, on: str) -> list[Row]:
    """Every version of the terms in force."""
    told = [one.body for one in log.of("reference.principal_changed") if one.body["principal_id"] == principal and one.body["valid_from"] <= on]
    newest = max((one["valid_from"] for one in told), default="")
    return [one["terms"] for one in told if one["valid_from"] == newest]


def decisions(events: Iterable[Record]) -> Iterator[tuple[int | None, Decimal]]:
    """(cap, member's rate) that may stand, of a need's own events: the last decision, and a refusal where that was taken back."""
    last: tuple[int | None, Decimal] | None = None
    limit, current, void = 0, "", False
    for event in events:
        body = event.body
        match event.kind:
            case "intake.need_at_risk":
                limit = body["limit_cents"]
                last = (limit, Decimal(0)) if last and current == "refused" else last
            case "reference.coverage_granted":
                last, current, void = (body.get("cap_gross_cents"), Decimal(str(body["member_rate"]))), body["decision_id"], False
            case "reference.coverage_refused":
                last, current, void = (limit, Decimal(0)), "refused", False
            case "reference.coverage_released" if body["decision_id"] == current:
                void = void or body["reason"] in VOID
    if last:
        yield last
    if void or not last:
        yield limit, Decimal(0)
