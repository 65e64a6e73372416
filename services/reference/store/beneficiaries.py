"""Who else a contract covers."""

from collections.abc import Sequence
from datetime import date

from services.kit.db import Connection


async def save(conn: Connection, rows: str) -> set[str]:
    """As `feed.save_contracts`: their contracts are at a new version that nobody was told of yet. The keys of those saved: all whose contract
    and member are known."""
    saved = await conn.fetch(
        "with saved as ("
        " insert into beneficiary (id, contract_id, member_id, principal_id, relation, ended_on, feed_key, feed_hash)"
        " select r.id, c.id, m.id, c.principal_id, r.relation, r.ended_on, r.feed_key, r.feed_hash from jsonb_to_recordset($1::text::jsonb)"
        " as r (id uuid, contract_key text, member_key text, relation text, ended_on date, feed_key text, feed_hash bytea)"
        " join contract c on c.feed_key = r.contract_key join member m on m.feed_key = r.member_key and m.erased_at is null"
        " on conflict (feed_key) do update set relation = excluded.relation, ended_on = excluded.ended_on, feed_hash = excluded.feed_hash"
        " returning contract_id, feed_key"
        "), altered as (update contract set version = version + 1 where id in (select contract_id from saved) returning id"
        "), untold as (insert into untold select 'contracts', id from altered on conflict do nothing) select feed_key from saved",
        rows,
    )
    return {row["feed_key"] for row in saved}


async def end(conn: Connection, ids: Sequence[str], last_day: date) -> None:
    await conn.execute(
        "with ended as (update beneficiary set ended_on = $2, feed_hash = null where id = any($1::uuid[]) returning contract_id"
        "), altered as (update contract set version = version + 1 where id in (select contract_id from ended) returning id)"
        " insert into untold select 'contracts', id from altered on conflict do nothing",
        ids,
        last_day,
    )


async def contract_known(conn: Connection, contract_key: str) -> bool:
    known: bool = await conn.fetchval("select exists (select from contract where feed_key = $1)", contract_key)
    return known
