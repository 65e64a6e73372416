"""What members see of themselves: contracts with their rights in this contract year, and what the principal pays back."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal

from services.kit.db import Connection
from services.kit.errors import NotFound
from services.reference.domain.entitlement import CONTRACT_ZONE
from services.reference.domain.statements import words
from services.reference.store import catalog, identity, members
from services.reference.store import statements as store
from services.reference.usecases import coverage
from services.reference.usecases.coverage import Entitled

Standing = Literal["in_force", "not_started", "ended", "suspended"]
_ORDER = ("in_force", "suspended", "not_started", "ended")


@dataclass(frozen=True, slots=True)
class Due:
    """A guarantee of a contract. `opens_on`: while the waiting period lasts, the day when it is over."""

    entitled: Entitled
    opens_on: date | None


@dataclass(frozen=True, slots=True)
class Held:
    """A contract as its member sees it. `rights` are those of the contract year around today; none where the contract gives none now."""

    contract_id: str
    number: str
    product: str
    label: str
    principal: str
    starts_on: date
    ends_on: date | None
    plate: str | None
    vin: str | None
    standing: Standing
    renews_on: date | None
    rights: tuple[Due, ...]


@dataclass(frozen=True, slots=True)
class Rights:
    member: Mapping[str, Any]
    today: date
    contracts: tuple[Held, ...]


@dataclass(frozen=True, slots=True)
class Statements:
    """Some statements, the latest first; what is pending in all, and the first day that some of it is due."""

    rows: list[dict[str, Any]]
    pending_gross_cents: int
    pending_due_on: date | None


async def rights(conn: Connection, member_id: str, now: datetime) -> Rights:
    """Raises `NotFound`."""
    member = await members.sheet(conn, member_id)
    if member is None:
        raise NotFound("no such member")
    today = _day(now)
    of: dict[str, list[Entitled]] = {}
    for entitled in await coverage.menu(conn, member_id, now):
        of.setdefault(entitled.contract.id, []).append(entitled)
    labels = await catalog.principal_labels(conn)
    own = labels.get(member["principal_id"], "")
    found = [_held(row, of.get(row["contract_id"], []), labels, own, today) for row in member["contracts"]]
    return Rights(member, today, tuple(sorted(found, key=lambda held: (_ORDER.index(held.standing), held.label, held.number))))


async def statements(conn: Connection, member_id: str, now: datetime, typed: str, before: tuple[date, str] | None, limit: int) -> Statements:
    """`typed`: what they are looked for by, empty for all. Raises `NotFound`."""
    today = _day(now)
    if not (whose := await identity.family(conn, member_id)):
        raise NotFound("no such member")
    rows = await store.listed(conn, whose, today, words(typed), before, limit)
    return Statements(rows, *await store.pending(conn, whose, today))


async def statement(conn: Connection, member_id: str, now: datetime, statement_id: str) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """Whose it is, and the statement. Raises `NotFound`."""
    member = await members.sheet(conn, member_id)
    row = await store.one(conn, await identity.family(conn, member_id), _day(now), statement_id)
    if member is None or row is None:
        raise NotFound("no such statement")
    return member, row


def _held(row: Mapping[str, Any], entitled: list[Entitled], labels: Mapping[str, str], own: str, today: date) -> Held:
    starts_on = date.fromisoformat(row["starts_on"])
    ends_on = date.fromisoformat(row["ends_on"]) if row["ends_on"] else None
    standing = _standing(row["state"], starts_on, ends_on, today)
    contract = entitled[0].contract if entitled else None
    return Held(
        **{name: row[name] for name in ("contract_id", "number", "product", "label", "plate", "vin")},
        principal=labels.get(contract.principal_id, own) if contract else own,
        starts_on=starts_on,
        ends_on=ends_on,
        standing=standing,
        renews_on=entitled[0].renews_on if entitled and standing == "in_force" else None,
        rights=tuple(_due(one, today) for one in entitled) if standing == "in_force" else (),
    )


def _due(entitled: Entitled, today: date) -> Due:
    opens_on = entitled.contract.starts_on + timedelta(days=entitled.guarantee.waiting_days)
    return Due(entitled, opens_on if opens_on > today else None)


def _standing(state: str, starts_on: date, ends_on: date | None, today: date) -> Standing:
    if starts_on > today:
        return "not_started"
    if ends_on and ends_on < today:
        return "ended"
    return "suspended" if state == "suspended" else "in_force"


def _day(now: datetime) -> date:
    return now.astimezone(CONTRACT_ZONE).date()
