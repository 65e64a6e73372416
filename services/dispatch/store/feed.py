"""The feed of each provider, and the copy of the case cards that it is made from."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.kit.db import Connection, Transaction
from services.kit.outbox import Cause, dumps

TYPE = "dispatch.mission.v1"
KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Item:
    provider_id: str
    document: dict[str, Any]
    cause: Cause


async def append(tx: Transaction, items: list[Item]) -> None:
    """To be handed to `Transaction.at_end`. Positions follow the commits: they are given under the locks of the heads, taken in one order."""
    wanted: dict[str, int] = {}
    for item in items:
        wanted[item.provider_id] = wanted.get(item.provider_id, 0) + 1
    providers = sorted(wanted)
    heads = await tx.conn.fetch(
        "with head as (select provider_id from feed_head where provider_id = any($1::uuid[]) order by provider_id for update)"
        " update feed_head f set last = f.last + w.n from unnest($1::uuid[], $2::int[]) as w (provider_id, n), head"
        " where f.provider_id = w.provider_id and head.provider_id = w.provider_id returning f.provider_id, f.door, f.last",
        providers,
        [wanted[provider] for provider in providers],
    )
    doors = {head["provider_id"]: head["door"] for head in heads}
    following = {head["provider_id"]: head["last"] - wanted[head["provider_id"]] for head in heads}
    rows = []
    for item in items:
        following[item.provider_id] += 1
        document = {"position": following[item.provider_id], **item.document}
        rows.append((item.provider_id, document["position"], document["mission_id"], document["kind"], document, tx.now))
        if doors[item.provider_id] == "kafka":
            topic = f"provider.{item.provider_id}.missions"
            tx.outbox.add_delivery(topic, document["mission_id"], TYPE, dumps(document).encode(), document["position"], item.cause)
    await tx.conn.executemany(
        "insert into provider_feed (provider_id, position, mission_id, kind, document, at) values ($1, $2, $3, $4, $5, $6)", rows
    )


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
    await conn.execute("select pg_advisory_xact_lock_shared(hashtextextended(c, 0)) from unnest($1::text[]) as c", sorted(set(case_ids)))
    rows = await conn.fetch("select case_id, card from case_card where case_id = any($1::uuid[])", case_ids)
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
