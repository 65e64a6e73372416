"""From a performed prestation to its bill and its charge, as soon as what each needs is known, and again when that changes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal, Self
from zoneinfo import ZoneInfo

from services.billing.domain.charging import Charge, Need, Terms
from services.billing.domain.pricing import Bill, Done, Tariff, price

Lacking = Literal["tariff", "terms", "decision"]


@dataclass(frozen=True, slots=True)
class Performed:
    """A prestation as it is told."""

    id: str
    need_id: str
    provider_id: str
    service: str
    start: datetime
    lines: tuple[Done, ...]


@dataclass(frozen=True, slots=True)
class Prestation:
    """`bill` and `charge` are those that stand; `day` is the business day in the zone of the need's place."""

    id: str
    case_id: str
    need_id: str
    number: str
    principal_id: str
    provider_id: str
    service: str
    day: date
    lines: tuple[Done, ...]
    bill: Bill | None = None
    charge: Charge | None = None
    waiting_for: Lacking | None = None
    task_id: str | None = None

    @classmethod
    def of(cls, told: Performed, need: Need) -> Self:
        day = told.start.astimezone(ZoneInfo(need.zone)).date()
        return cls(told.id, need.case_id, need.id, need.number, need.principal_id, told.provider_id, told.service, day, told.lines)


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds on the prestation's day. Corrections are priced by what is known of that day when they come."""

    tariff: Tariff | None
    terms: Terms | None
    approve_up_to_cents: int


Document = Bill | Charge
NewId = Callable[[], str]


def settle(prestation: Prestation, need: Need, rules: Rules, new_id: NewId) -> tuple[Prestation, list[Document]]:
    """The documents that are missing, oldest first. Nothing when what stands is right; a reversal and a new one when it is not.

    The bill needs the tariff alone; the charge also the coverage decision and the principal's terms.
    """
    lines = price(prestation.lines, rules.tariff)
    if lines is None:
        return replace(prestation, waiting_for="tariff"), []
    documents: list[Document] = []
    bill = prestation.bill
    if bill is None or bill.lines != lines:
        documents += [bill.reversal(new_id())] if bill else []
        bill = Bill.of(new_id(), lines, rules.approve_up_to_cents)
        documents.append(bill)
    coverage = need.coverage
    if coverage is None:
        return replace(prestation, bill=bill, waiting_for="decision"), documents
    if rules.terms is None:
        return replace(prestation, bill=bill, waiting_for="terms"), documents
    charge = Charge.of(new_id(), bill, coverage, rules.terms)
    if prestation.charge is None or not prestation.charge.says_the_same(charge):
        documents += [prestation.charge.reversal(new_id())] if prestation.charge else []
        documents.append(charge)
    else:
        charge = prestation.charge
    return replace(prestation, bill=bill, charge=charge, waiting_for=None), documents
