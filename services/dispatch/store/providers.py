"""Providers, remembered between transactions for as long as none of them changes."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from types import MappingProxyType
from typing import Any

from services.dispatch.domain.mission import Place
from services.dispatch.domain.provider import Area, Provider
from services.kit.clock import new_id
from services.kit.db import Connection

Providers = Mapping[str, Provider]
_remembered: tuple[str | None, Providers] = (None, MappingProxyType({}))  # an edition is never given twice, so that this needs no database's name


async def everybody(conn: Connection) -> Providers:
    """By id. For transactions of the staff role alone: an outsider sees only itself."""
    global _remembered  # noqa: PLW0603 - the one memory of this process
    edition = await conn.fetchval("select edition from provider_edition")
    if edition != _remembered[0]:
        found = {row["id"]: _provider(row) for row in await conn.fetch("select * from provider order by id")}
        _remembered = (edition, MappingProxyType(found))
    return _remembered[1]


async def lock(conn: Connection, provider_id: str) -> Provider | None:
    row = await conn.fetchrow("select * from provider where id = $1 for update", provider_id)
    return _provider(row) if row else None


async def read(conn: Connection, provider_id: str) -> Provider | None:
    row = await conn.fetchrow("select * from provider where id = $1", provider_id)
    return _provider(row) if row else None


async def find(conn: Connection, name: str) -> Provider | None:
    """By code, or by id."""
    row = await conn.fetchrow("select * from provider where code = $1 or id::text = $1", name)
    return _provider(row) if row else None


async def save(conn: Connection, provider: Provider) -> None:
    await conn.execute(
        "insert into provider (id, code, label, siret, place, areas, door, capacity_per_day, version, ended_on)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict (id) do update set code = excluded.code, label = excluded.label,"
        " siret = excluded.siret, place = excluded.place, areas = excluded.areas, door = excluded.door,"
        " capacity_per_day = excluded.capacity_per_day, version = excluded.version, ended_on = excluded.ended_on",
        provider.id,
        provider.code,
        provider.label,
        provider.siret,
        asdict(provider.place),
        [asdict(area) for area in provider.areas],
        provider.door,
        provider.capacity_per_day,
        provider.version,
        provider.ended_on and date.fromisoformat(provider.ended_on),
    )
    await conn.execute(
        "insert into feed_head (provider_id, door, last) values ($1, $2, 0) on conflict (provider_id) do update set door = excluded.door",
        provider.id,
        provider.door,
    )
    await conn.execute("insert into provider_edition (edition) values ($1) on conflict (one) do update set edition = excluded.edition", new_id())


def _provider(row: Any) -> Provider:
    return Provider(
        id=row["id"],
        code=row["code"],
        label=row["label"],
        siret=row["siret"],
        place=Place(**row["place"]),
        areas=tuple(Area(area["service"], area["radius_km"], tuple(area["departements"])) for area in row["areas"]),
        door=row["door"],
        capacity_per_day=row["capacity_per_day"],
        version=row["version"],
        ended_on=row["ended_on"] and row["ended_on"].isoformat(),
    )
