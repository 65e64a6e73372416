"""The feed of each provider, and the copy of the case cards that it is made from."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic_core import to_json

from contracts.deliveries import MissionDocument
from services.kit.db import Connection, Transaction
from services.kit.outbox import Cause

KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Item:
    provider_id: str
    document: dict[str, Any]
    cause: Cause


async def append(tx: Transaction, items: list[Item]) -> None:
    """To be handed to `Transaction.at_end`. Positions follow the commits: they are given under the locks of the heads, taken in one order."""
    given = await tx.conn.fetch(_APPEND, [item.provider_id for item in items], [item.document for item in items], tx.now)
    for item, (position, door) in zip(items, given, strict=True):
        if door == "kafka":
            document = MissionDocument.model_validate({"position": position, **item.document})
            topic = document.TOPIC.format(provider_id=item.provider_id)
            tx.outbox.add_delivery(topic, document.key, document.TYPE, to_json(document, exclude_none=True), position, item.cause)


_APPEND = """
with item as (
  select i.*, row_number() over (partition by provider_id order by place) as n
  from unnest($1::uuid[], $2::jsonb[]) with ordinality as i (provider_id, document, place)
), head as (
  select provider_id from feed_head where provider_id = any($1) order by provider_id for update
), moved as (
  update feed_head f set last = f.last + w.n from (select provider_id, count(*) as n from item group by provider_id) w, head
  where f.provider_id = w.provider_id and head.provider_id = w.provider_id
  returning f.provider_id, f.door, f.last - w.n as before
), given as (
  select i.*, m.door, m.before + i.n as position from item i join moved m on m.provider_id = i.provider_id
), added as (
  insert into provider_feed (provider_id, position, mission_id, kind, document, at)
  select provider_id, position, (document->>'mission_id')::uuid, document->>'kind', jsonb_build_object('position', position) || document, $3
  from given
)
select position, door from given order by place
"""


async def read(conn: Connection, provider_id: str, after: int, limit: int) -> list[dict[str, Any]]:
    rows = await conn.fetch(
        "select document from provider_feed where provider_id = $1 and position > $2 order by position limit $3", provider_id, after, limit
    )
    return [row["document"] for row in rows]


async def head(conn: Connection, provider_id: str) -> tuple[int, str | None, datetime | None]:
    """The last position; what this provider answered last, and when, as far back as the feed is kept."""
    row = await conn.fetchrow(
        "select h.last, a.kind, a.at from feed_head h left join lateral (select kind, at from provider_feed f where f.provider_id = h.provider_id"
        " and kind in ('accepted', 'declined', 'reconfirmed') order by position desc limit 1) a on true where h.provider_id = $1",
        provider_id,
    )
    return (row["last"], row["kind"], row["at"]) if row else (0, None, None)


async def purge(conn: Connection, now: datetime) -> None:
    await conn.execute("delete from provider_feed where at < $1", now - KEPT)


async def cards(conn: Connection, case_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The cards as they are; a newer one waits until this transaction ends, and then finds the missions it leaves."""
    rows = await conn.fetch("select case_id, card from held_cards($1)", case_ids)
    return {row["case_id"]: row["card"] for row in rows}


async def replace_card(conn: Connection, case_id: str, version: int, card: dict[str, Any]) -> tuple[bool, dict[str, Any] | None]:
    """Whether this version is the highest, and the content before (None: there was none)."""
    await conn.execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", case_id)
    row = await conn.fetchrow("select version, card from case_card where case_id = $1", case_id)
    if row and row["version"] >= version:
        return False, row["card"]
    await conn.execute(
        "insert into case_card (case_id, version, card) values ($1, $2, $3)"
        " on conflict (case_id) do update set version = excluded.version, card = excluded.card",
        case_id,
        version,
        card,
    )
    return True, row["card"] if row else None


async def lock_accepted(conn: Connection, case_id: str) -> None:
    await conn.execute("select from mission where case_id = $1 and status in ('accepted', 'started') order by id for update", case_id)


async def accepted_of_case(conn: Connection, case_id: str) -> list[str]:
    """Missions that somebody is on, or was."""
    rows = await conn.fetch("select id from mission where case_id = $1 and status in ('accepted', 'started') order by id", case_id)
    return [row["id"] for row in rows]


async def forget(conn: Connection, case_id: str) -> None:
    """What the feeds still hold of the people of a case."""
    await conn.execute(
        "update provider_feed set document = document - 'contact'"
        " where document ? 'contact' and mission_id in (select id from mission where case_id = $1)",
        case_id,
    )
