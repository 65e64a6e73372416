"""What tracking holds of a person: copies of cards. Blanked where the case is over and the person was erased, in whatever order that is heard."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.kit.db import Connection

_OVER = (
    "select v.case_id from view.case_view v join erased_member e on e.member_id = v.member_id where v.state = 'closed'"
    " union select c.id from card c join erased_member e on c.content->>'member_id' = e.member_id::text"
    " left join view.case_view v on v.case_id = c.id where c.kind = 'case' and coalesce(v.state, 'closed') = 'closed'"
)


async def note_erased(conn: Connection, member_id: str, at: datetime) -> None:
    await conn.execute("insert into erased_member (member_id, requested_at) values ($1, $2) on conflict do nothing", member_id, at)


async def cases_of(conn: Connection, member_id: str) -> list[str]:
    return [row["case_id"] for row in await conn.fetch("select case_id from view.case_view where member_id = $1 and state = 'closed'", member_id)]


async def sweep(conn: Connection) -> list[dict[str, Any]]:
    """Blanks the copies of all erased persons' closed cases and their notes. What they held."""
    rows = await conn.fetch(
        f"with over as ({_OVER}), found as (select c.kind, c.id, c.content from card c where c.content is not null"  # noqa: S608 - our own text
        " and (c.kind = 'case' and c.id in (select case_id from over)"
        " or c.kind = 'note' and c.content->>'case_id' in (select case_id::text from over)) for update)"
        " update card c set content = null, terms = '{}' from found f where (c.kind, c.id) = (f.kind, f.id) returning f.content"
    )
    return [row["content"] for row in rows]


async def fresh(conn: Connection, case_id: str) -> bool:
    """Whether answers about this case may still be kept."""
    found: bool = await conn.fetchval(
        "select exists (select from view.case_view where case_id = $1 and last_event_at > now() - interval '50 hours')", case_id
    )
    return found


async def held(conn: Connection, member_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """All that tracking holds of these members, by table."""
    queries = {
        "cases": "select case_id, number, state, opened_at, last_event_at from view.case_view where member_id = any($1::uuid[]) order by 1",
        "cards": "select c.kind, c.id, c.content from card c where c.content is not null and (c.kind = 'case' and c.id in"
        " (select case_id from view.case_view where member_id = any($1::uuid[])) or c.kind = 'note' and c.content->>'case_id' in"
        " (select case_id::text from view.case_view where member_id = any($1::uuid[]))) order by 1, 2",
        "visits": "select id, case_id, need_id, service, starts_at, ends_at, state, started_at, completed_at, rating from visit"
        " where member_id = any($1::uuid[]) order by 1",
    }
    return {name: [dict(row) for row in await conn.fetch(query, member_ids)] for name, query in queries.items()}
