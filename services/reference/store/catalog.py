"""Principals and products as readers see them."""

from datetime import date
from typing import Any

from services.kit.db import Connection


async def principals(conn: Connection, day: date) -> list[dict[str, Any]]:
    """With the terms in force that day; one whose terms start later is missing."""
    rows = await conn.fetch(
        "select distinct on (p.code) p.id as principal_id, p.code, p.label, p.siren, p.ended_on, t.valid_from, t.fee_net_cents, t.markup_rate,"
        " t.vat_rate, t.at_risk_limit_cents, t.approval_above_cents"
        " from principal p join terms t on t.principal_id = p.id where t.valid_from <= $1 order by p.code, t.valid_from desc",
        day,
    )
    return [dict(row) for row in rows]


async def products(conn: Connection, day: date) -> list[dict[str, Any]]:
    """With the version of each guarantee in force that day."""
    products = await conn.fetch("select code, label, principal_id from product order by code")
    guarantees = await conn.fetch(
        "select distinct on (product, code) product, code, services, counts, units_per_year, cap_gross_cents, member_rate, waiting_days, area,"
        " excluded, valid_from from guarantee where valid_from <= $1 order by product, code, valid_from desc",
        day,
    )
    return [dict(row) | {"guarantees": [dict(of) for of in guarantees if of["product"] == row["code"]]} for row in products]


async def services(conn: Connection, day: date) -> list[str]:
    """Whatever a guarantee gives right to; what most guarantees give comes first."""
    rows = await conn.fetch(
        "select service from guarantee, unnest(services) as service where valid_from <= $1 group by service order by count(*) desc, service", day
    )
    return [row["service"] for row in rows]


async def set_by(conn: Connection, who: str) -> None:
    """What is set until the transaction ends is noted as theirs; else as a file's."""
    await conn.execute("select set_config('app.set_by', $1, true)", who)


async def everything(conn: Connection) -> list[dict[str, Any]]:
    """All principals, each with its products."""
    rows = await conn.fetch(
        "select p.id as principal_id, p.code, p.label, p.siren, p.ended_on, coalesce((select jsonb_agg(jsonb_build_object('code', d.code,"
        " 'label', d.label) order by d.code) from product d where d.principal_id = p.id), '[]') as products from principal p order by p.label"
    )
    return [dict(row) for row in rows]


async def terms(conn: Connection, principal: str) -> list[dict[str, Any]]:
    """Every version, the newest first. Empty for an unknown principal."""
    rows = await conn.fetch(
        "select p.code, p.label, p.siren, p.ended_on, t.valid_from, t.fee_net_cents, t.markup_rate, t.vat_rate, t.at_risk_limit_cents,"
        " t.approval_above_cents from principal p join terms t on t.principal_id = p.id where p.code = $1 order by t.valid_from desc",
        principal,
    )
    return [dict(row) for row in rows]


async def product(conn: Connection, code: str) -> dict[str, Any] | None:
    row = await conn.fetchrow(
        "select d.code, d.label, d.restating, p.code as principal, p.label as principal_label from product d"
        " join principal p on p.id = d.principal_id where d.code = $1",
        code,
    )
    return dict(row) if row else None


async def versions(conn: Connection, product: str) -> list[dict[str, Any]]:
    """Of each of its guarantees every version, the newest first."""
    rows = await conn.fetch("select * from guarantee where product = $1 order by code, valid_from desc", product)
    return [{name: value for name, value in row.items() if name not in ("feed_key", "feed_hash")} for row in rows]


async def changes(conn: Connection, kind: str, prefix: str, limit: int) -> list[dict[str, Any]]:
    """What was set under these keys, the latest first."""
    rows = await conn.fetch(
        "select kind, key, at, set_by, content from catalogue_change where kind = $1 and (key = $2 or starts_with(key, $2 || '/'))"
        " order by id desc limit $3",
        kind,
        prefix,
        limit,
    )
    return [dict(row) for row in rows]


async def principal_labels(conn: Connection) -> dict[str, str]:
    """By id, of those that the caller may see."""
    return {row["id"]: row["label"] for row in await conn.fetch("select id, label from principal")}
