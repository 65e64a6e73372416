"""Tariffs, principals with their terms, providers."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from services.billing.domain.charging import Principal, Terms
from services.billing.domain.pricing import Price, Tariff
from services.billing.domain.settling import Prestation
from services.kit.db import Connection

_LOCK = 7_263_555  # an advisory lock of this database: whoever adds a rule, against whoever finds one missing


async def adding(conn: Connection) -> None:
    """Before a rule is added: waits for those who have just found it missing, so that they are seen waiting."""
    await conn.execute("select pg_advisory_xact_lock($1)", _LOCK)


async def missing(conn: Connection) -> None:
    """Before a missing rule is looked for again: waits for those who are adding one."""
    await conn.execute("select pg_advisory_xact_lock_shared($1)", _LOCK)


async def concerning(conn: Connection, prestations: Iterable[Prestation]) -> tuple[list[Tariff], dict[str, list[Terms]]]:
    """Tariffs of the services that concern one of the providers, and the terms of each principal, in one statement."""
    asked = list(prestations)
    rows = await conn.fetch(
        "select id, provider_id, service, valid_from, valid_until, lines, version, null::uuid as principal_id, null::bigint as fee_net_cents,"
        " null::numeric as markup_rate, null::numeric as vat_rate"
        " from tariff where service = any($1::text[]) and (provider_id is null or provider_id = any($2::uuid[]))"
        " union all select null, null, null, valid_from, null, null, null, principal_id, fee_net_cents, markup_rate, vat_rate"
        " from terms where principal_id = any($3::uuid[])",
        sorted({one.service for one in asked}),
        sorted({one.provider_id for one in asked}),
        sorted({one.principal_id for one in asked}),
    )
    terms: dict[str, list[Terms]] = {}
    for one in (row for row in rows if row["principal_id"]):
        terms.setdefault(one["principal_id"], []).append(Terms(one["valid_from"], one["fee_net_cents"], one["markup_rate"], one["vat_rate"]))
    return [_tariff(row) for row in rows if not row["principal_id"]], terms


async def lock_tariff(conn: Connection, tariff_id: str) -> Tariff | None:
    found = await conn.fetchrow(
        "select id, provider_id, service, valid_from, valid_until, lines, version from tariff where id = $1 for update", tariff_id
    )
    return _tariff(found) if found else None


async def save_tariff(conn: Connection, tariff: Tariff) -> None:
    await conn.execute(
        "insert into tariff (id, provider_id, service, valid_from, valid_until, lines, version) values ($1, $2, $3, $4, $5, $6, $7)"
        " on conflict (id) do update set provider_id = excluded.provider_id, service = excluded.service, valid_from = excluded.valid_from,"
        " valid_until = excluded.valid_until, lines = excluded.lines, version = excluded.version",
        tariff.id,
        tariff.provider_id,
        tariff.service,
        tariff.valid_from,
        tariff.valid_until,
        tariff.lines,
        tariff.version,
    )


async def save_principal(conn: Connection, principal: Principal) -> None:
    await conn.execute(
        "insert into principal (id, code, label, siren) values ($1, $2, $3, $4)"
        " on conflict (id) do update set code = excluded.code, label = excluded.label, siren = excluded.siren",
        principal.id,
        principal.code,
        principal.label,
        principal.siren,
    )
    await conn.execute(
        "insert into terms (principal_id, valid_from, fee_net_cents, markup_rate, vat_rate) values ($1, $2, $3, $4, $5)"
        " on conflict (principal_id, valid_from) do update set fee_net_cents = excluded.fee_net_cents, markup_rate = excluded.markup_rate,"
        " vat_rate = excluded.vat_rate",
        principal.id,
        principal.terms.valid_from,
        principal.terms.fee_net_cents,
        principal.terms.markup_rate,
        principal.terms.vat_rate,
    )


async def lock_principal(conn: Connection, principal_id: str) -> bool:
    """Whether it is known; only one invoice of a principal is made at a time."""
    return await conn.fetchval("select true from principal where id = $1 for update", principal_id) is not None


async def save_provider(conn: Connection, provider_id: str, label: str, siret: str) -> None:
    await conn.execute(
        "insert into provider (id, label, siret) values ($1, $2, $3) on conflict (id) do update set label = excluded.label, siret = excluded.siret",
        provider_id,
        label,
        siret,
    )


def _tariff(found: Any) -> Tariff:
    lines = tuple(Price(line["article"], line["unit"], Decimal(line["unit_price_net"]), Decimal(line["vat_rate"])) for line in found["lines"])
    return Tariff(found["id"], found["provider_id"], found["service"], found["valid_from"], found["valid_until"], lines, found["version"])
