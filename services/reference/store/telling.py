"""What files have changed and nobody was told of yet.

Rows are read under a lock, so that what is told of each follows what was told before, and none is waited for: a file that is being
written may hold them, and they are told of when it is done.
"""

from typing import Any

from services.kit.db import Connection

Rows = list[dict[str, Any]]


async def waits(conn: Connection) -> bool:
    found: bool = await conn.fetchval("select exists (select from untold) or exists (select from product where restating)")
    return found


async def members(conn: Connection, limit: int) -> Rows:
    """The next ones, which are told of from then on."""
    rows = await conn.fetch(
        "select m.id, m.principal_id, m.provisional, m.linked_to, m.insee, m.version, m.ended_on from untold u join member m on m.id = u.id"
        " where u.kind = 'members' order by u.id limit $1 for no key update of m skip locked",
        limit,
    )
    return await _told(conn, "members", rows)


async def contracts(conn: Connection, limit: int) -> Rows:
    """The next ones, which are told of from then on."""
    rows = await conn.fetch(
        "select c.id, c.number, c.principal_id, c.member_id, c.product, c.starts_on, c.ends_on, c.state, c.version,"
        " array(select b.member_id::text from beneficiary b where b.contract_id = c.id and b.ended_on is null order by 1) as beneficiary_ids"
        " from untold u"
        " join contract c on c.id = u.id where u.kind = 'contracts' order by u.id limit $1 for no key update of c skip locked",
        limit,
    )
    return await _told(conn, "contracts", rows)


async def _told(conn: Connection, kind: str, rows: list[Any]) -> Rows:
    """Without those that somebody else has told of just now."""
    if not rows:
        return []
    ours = await conn.fetch("delete from untold where kind = $1 and id = any($2::uuid[]) returning id", kind, [row["id"] for row in rows])
    ids = {row["id"] for row in ours}
    return [dict(row) for row in rows if row["id"] in ids]
