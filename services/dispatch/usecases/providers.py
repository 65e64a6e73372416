"""Keeping the network of providers."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import replace
from io import StringIO

from services.dispatch.domain.mission import Place
from services.dispatch.domain.provider import Area, Door, Provider, check
from services.dispatch.emits.events import provider_changed
from services.dispatch.store import providers as store
from services.kit import places
from services.kit.db import Transaction
from services.kit.errors import Invalid

DOORS: tuple[Door, ...] = ("extranet", "polling", "kafka")


async def upsert_provider(tx: Transaction, provider: Provider) -> Provider:
    """The full state as it shall be; the version is given here, and the same state again changes nothing. Raises `Invalid`."""
    check(provider)
    before = await store.lock(tx.conn, provider.id)
    wanted = replace(provider, version=before.version if before else 1)
    if wanted == before:
        return wanted
    saved = replace(wanted, version=before.version + 1 if before else 1)
    await store.save(tx.conn, saved)
    tx.emit(provider_changed(saved))
    return saved


def place(insee: str, postcode: str | None = None) -> Place:
    """Raises `Invalid` for an unknown commune."""
    found = places.place(insee, postcode)
    return Place(found.insee, found.postcode, found.departement, found.lat, found.lon, found.zone)


def from_csv(text: str) -> list[Provider]:
    """Columns: id, code, label, siret, insee, door, capacity_per_day, areas.

    areas: `gardening 40; towing 60 35 56`: service, radius in km, then the départements served whole. Raises `Invalid`.
    """
    return [of_row(row) for row in csv.DictReader(StringIO(text))]


def of_row(row: Mapping[str, str]) -> Provider:
    """Raises `Invalid`."""
    try:
        door = next(door for door in DOORS if door == row["door"])
        return Provider(
            id=row["id"],
            code=row["code"],
            label=row["label"],
            siret=row["siret"],
            place=place(row["insee"]),
            areas=tuple(_areas(row["areas"].split(";"))),
            door=door,
            capacity_per_day=int(row["capacity_per_day"]),
        )
    except (KeyError, ValueError, IndexError, StopIteration) as wrong:
        raise Invalid(f"provider {row.get('code', '?')}: {type(wrong).__name__} {wrong}", code="bad_provider_row") from None


def _areas(written: Iterable[str]) -> Iterable[Area]:
    for area in written:
        if words := area.split():
            if len(words) < 2 or not words[1].isdecimal():
                raise Invalid(f"an area is a service, a radius in km and départements, not {area.strip()!r}", code="bad_area")
            yield Area(words[0], int(words[1]), tuple(words[2:]))
