"""The demo's world as the files that a principal, a network manager and a finance department would send."""

import csv
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from deploy.demo.catalogue import PRODUCTS, SERVICES, SINCE, STATEMENTS, principals, siret, tariff_lines
from deploy.demo.data import RADIUS_KM, Member, Provider, World, made_up_id
from services.reference.usecases.mapping import Kind

FEEDS: tuple[Kind, ...] = ("principals", "products", "guarantees", "members", "contracts", "statements")


def write(world: World, folder: Path, repaid: Iterable[Member] | None = None) -> None:
    """One CSV file per feed of reference, `providers.csv` and `tariffs.csv`. `repaid`: who has statements; all, if it does not say."""
    write_catalogue(folder)
    _csv(folder / "members.csv", map(_member, world.members))
    _csv(folder / "contracts.csv", (row for member in world.members for row in _contracts(member)))
    _csv(folder / "statements.csv", (row for member in repaid or world.members for row in _statements(member, world.today)))
    _csv(folder / "providers.csv", (_provider(serial, provider) for serial, provider in enumerate(world.providers)))
    _csv(folder / "tariffs.csv", (row for serial, service in enumerate(SERVICES) for row in _tariff(serial, service)))


def write_catalogue(folder: Path) -> None:
    """Principals, products and guarantees."""
    folder.mkdir(parents=True, exist_ok=True)
    _csv(folder / "principals.csv", principals())
    _csv(folder / "products.csv", [{"code": one.code, "label": one.label, "principal": one.principal} for one in PRODUCTS])
    _csv(folder / "guarantees.csv", [{"product": product.code, **one} for product in PRODUCTS for one in product.guarantees])


def _member(member: Member) -> dict[str, Any]:
    town = f"{member.postcode} {member.town.name}"
    return {
        "principal": member.principal,
        "number": member.number,
        "civility": member.civility,
        "last_name": member.last_name,
        "first_name": member.first_name,
        "birth_date": member.birth_date,
        "phones": [f"+33{phone[1:]}" for phone in member.phones],  # an overseas member may have a number of the mainland
        "emails": member.email,
        "address": f"{member.address}, {town}",
        "insee": member.town.insee,
        "postcode": member.postcode,
    }


def _contracts(member: Member) -> list[dict[str, Any]]:
    return [
        {
            "number": contract.number,
            "product": contract.product.code,
            "member": member.number,
            "starts_on": contract.starts_on,
            "ends_on": contract.ends_on,
            "state": contract.state,
        }
        for contract in member.contracts
    ]


def _statements(member: Member, today: date) -> list[dict[str, Any]]:
    """Of contracts a year old and older, one a quarter: the latest one waits for its payment."""
    rows = []
    for contract in member.contracts:
        last = min(today, contract.ends_on or today) - timedelta(days=5)
        for back, (label, cents) in enumerate(STATEMENTS):
            issued_on = last - timedelta(days=91 * back)
            if issued_on < contract.starts_on + timedelta(days=365):
                break
            pending = back == 0 and contract.ends_on is None
            rows.append(
                {
                    "principal": member.principal,
                    "reference": f"RB-{contract.number}-{issued_on:%y%m}",
                    "member": member.number,
                    "contract": contract.number,
                    "issued_on": issued_on,
                    "label": label,
                    "paid_gross_cents": 0 if pending else cents,
                    "pending_gross_cents": cents if pending else 0,
                    "due_on": issued_on + timedelta(days=15),
                    "paid_on": None if pending else issued_on + timedelta(days=3),
                }
            )
    return rows


def _provider(serial: int, provider: Provider) -> dict[str, Any]:
    return {
        "id": provider.id,
        "code": provider.code,
        "label": provider.label,
        "siret": siret(420_000 + serial),
        "insee": provider.town.insee,
        "door": provider.door,
        "capacity_per_day": provider.capacity_per_day,
        "areas": "; ".join(f"{service} {RADIUS_KM}" for service in provider.services),
    }


def _tariff(serial: int, service: str) -> list[dict[str, Any]]:
    """The network's: it holds for every provider without one of its own."""
    head = {"tariff_id": made_up_id(0x7000 + serial), "provider_id": None, "service": service, "valid_from": SINCE, "valid_until": None}
    return [head | line for line in tariff_lines(service)]


def _csv(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Columns: every key that a row has, in the order they first appear. Lists are joined by `|`, None is an empty cell."""
    rows = list(rows)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)


def _cell(value: Any) -> Any:
    return "|".join(value) if isinstance(value, list | tuple) else value
