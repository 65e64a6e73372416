"""What dispatch holds of a person: copies of the case cards, and what providers were told from them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from services.kit.db import Connection


async def belong_to(conn: Connection, members: Mapping[str, str]) -> None:
    """Case id -> whose case it is now."""
    await conn.execute(
        "update case_file f set member_id = m.member_id from unnest($1::uuid[], $2::uuid[]) as m (case_id, member_id) where f.id = m.case_id",
        list(members),
        list(members.values()),
    )


async def note_erased(conn: Connection, member_id: str, at: datetime) -> None:
    await conn.execute("insert into erased_member (member_id, requested_at) values ($1, $2) on conflict do nothing", member_id, at)


async def over(conn: Connection) -> list[str]:
    """Cases of erased persons that nobody works on any more and of which something is left."""
    rows = await conn.fetch(
        "select f.id from case_file f join erased_member e on e.member_id = f.member_id where not exists"
        " (select from mission m where m.case_id = f.id and m.status not in ('done', 'cancelled', 'unfilled', 'waiting'))"
        " and (exists (select from case_card c where c.case_id = f.id and c.card <> '{}') or exists (select from provider_feed p join mission m"
        " on m.id = p.mission_id where m.case_id = f.id and p.document ? 'contact')) order by f.id"
    )
    return [row["id"] for row in rows]


async def blank_card(conn: Connection, case_id: str) -> dict[str, Any]:
    """The copy keeps its version alone. What it held."""
    row = await conn.fetchrow(
        "with before as (select card from case_card where case_id = $1 for update) update case_card c set card = '{}' from before"
        " where c.case_id = $1 returning before.card",
        case_id,
    )
    return row["card"] if row else {}


async def missions(conn: Connection, case_id: str) -> list[str]:
    return [row["id"] for row in await conn.fetch("select id from mission where case_id = $1", case_id)]


async def fresh(conn: Connection, case_id: str) -> bool:
    """Whether answers about this case may still be kept."""
    found: bool = await conn.fetchval("select exists (select from mission where case_id = $1 and changed_at > now() - interval '50 hours')", case_id)
    return found


async def held(conn: Connection, member_ids: Sequence[str], case_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """All that dispatch holds of these members, and of these cases, by table."""
    cases = [
        row["id"]
        for row in await conn.fetch("select id from case_file where member_id = any($1::uuid[]) or id = any($2::uuid[])", member_ids, case_ids)
    ]
    queries = {
        "cards": "select case_id, card from case_card where case_id = any($1::uuid[]) and card <> '{}' order by 1",
        "missions": "select id, case_id, need_id, number, service, wish, status, provider_id from mission where case_id = any($1::uuid[]) order by 1",
        "documents": "select p.provider_id, p.position, p.document, p.at from provider_feed p join mission m on m.id = p.mission_id"
        " where m.case_id = any($1::uuid[]) and p.document ? 'contact' order by 1, 2",
    }
    return {name: [dict(row) for row in await conn.fetch(query, cases)] for name, query in queries.items()}
