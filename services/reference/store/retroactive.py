"""Decisions that something recorded later may concern."""

from typing import Any

from services.kit.db import Connection
from services.reference.domain.coverage import Cover
from services.reference.store.coverage import cover_of


async def decided_before(conn: Connection, since: Any, after: str | None, limit: int) -> list[Cover]:
    """By need: those decided before a change of their rights that was recorded at or after `since`. The day from which a change holds is not
    looked at: deciding once more shows whether it reaches so far back."""
    rows = await conn.fetch(
        "select v.* from cover v join member m on m.id = v.member_id where v.goodwill_by is null and not m.provisional"
        " and ($2::uuid is null or v.need_id > $2) and ("
        " exists (select from contract c where c.member_id = v.member_id and c.known_since >= $1 and c.known_since > v.decided_at)"
        " or exists (select from contract c join contract_past p on p.contract_id = c.id"
        "   where (c.member_id = v.member_id or c.id = v.contract_id) and p.until >= $1 and p.until > v.decided_at)"
        " or exists (select from member_past p where p.member_id = v.member_id and p.until >= $1 and p.until > v.decided_at)"
        " or exists (select from contract c join guarantee g on g.product = c.product"
        "   where c.member_id = v.member_id and g.changed_at >= $1 and g.changed_at > v.decided_at)"
        " or exists (select from terms t where t.principal_id = v.principal_id and t.changed_at >= $1 and t.changed_at > v.decided_at))"
        " order by v.need_id limit $3",
        *(since, after, limit),
    )
    return [cover_of(row) for row in rows]
