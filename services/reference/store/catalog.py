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
