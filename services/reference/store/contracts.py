"""One contract, as it is and as it was known."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from services.kit.db import Connection


async def known_at(conn: Connection, contract_id: str, at: datetime) -> dict[str, Any] | None:
    """What was known of it then; none for a contract that was not known yet, or is not the caller's."""
    row = await conn.fetchrow(
        "select c.id, c.number, c.principal_id, c.product, d.label, k.member_id, k.starts_on, k.ends_on, k.state, k.plate, k.vin, k.version, k.until"
        " from contract c join product d on d.code = c.product cross join lateral ("
        " select member_id, starts_on, ends_on, state, plate, vin, version, until from contract_past where contract_id = c.id and until > $2"
        " union all select c.member_id, c.starts_on, c.ends_on, c.state, c.plate, c.vin, c.version, null order by until nulls last limit 1) k"
        " where c.id = $1 and c.known_since <= $2",
        contract_id,
        at,
    )
    return dict(row) if row else None


async def names(conn: Connection, ids: Collection[str]) -> dict[str, tuple[str, str]]:
    """Number and product's label of each, as far as the caller may see it."""
    if not ids:
        return {}
    rows = await conn.fetch(
        "select c.id, c.number, d.label from contract c join product d on d.code = c.product where c.id = any($1::uuid[])", list(ids)
    )
    return {row["id"]: (row["number"], row["label"]) for row in rows}
