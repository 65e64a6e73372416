"""What files bring: the rows that changed, by an anti-join on hashes, and the tables that they are written to.

What is saved comes as the text of a JSON array of objects: it is staged as text, and is read by the database alone.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

from services.kit.db import Connection

Rows = list[dict[str, Any]]


async def changed(conn: Connection, kind: str, feed: str, after_line: int, until_line: int, limit: int) -> Rows:
    """The first of these staged rows, in the file's order, that differ from what is stored."""
    rows = await conn.fetch(
        "select s.line, s.key, s.hash, s.content from staged s left join loaded k on k.kind = $1 and k.feed_key = s.key"
        " where s.feed = $2 and s.line > $3 and s.line <= $4 and k.feed_hash is distinct from s.hash order by s.line limit $5",
        kind,
        feed,
        after_line,
        until_line,
        limit,
    )
    return [dict(row) for row in rows]


async def principal_ids(conn: Connection) -> dict[str, str]:
    return {row["code"]: row["id"] for row in await conn.fetch("select code, id from principal")}


async def product_principals(conn: Connection) -> dict[str, tuple[str, str]]:
    """Product code -> id and code of its principal."""
    rows = await conn.fetch("select d.code, p.id, p.code as principal from product d join principal p on p.id = d.principal_id")
    return {row["code"]: (row["id"], row["principal"]) for row in rows}


async def save_principals(conn: Connection, rows: str) -> Rows:
    """One row per principal and day; the identity is that of the latest day."""
    await conn.execute(
        "insert into principal (id, code, label, siren, ended_on) select distinct on (code) id, code, label, siren, ended_on"
        " from jsonb_to_recordset($1::text::jsonb) as r (id uuid, code text, label text, siren text, ended_on date, valid_from date)"
        " order by code, valid_from desc"
        " on conflict (code) do update set label = excluded.label, siren = excluded.siren, ended_on = excluded.ended_on",
        rows,
    )
    saved = await conn.fetch(
        "with saved as (insert into terms (principal_id, valid_from, fee_net_cents, markup_rate, vat_rate, at_risk_limit_cents, approval_above_cents,"
        " feed_key, feed_hash) select p.id, r.valid_from, r.fee_net_cents, r.markup_rate, r.vat_rate, r.at_risk_limit_cents, r.approval_above_cents,"
        " r.feed_key, r.feed_hash"
        " from jsonb_to_recordset($1::text::jsonb) as r (code text, valid_from date, fee_net_cents bigint, markup_rate numeric,"
        " vat_rate numeric, at_risk_limit_cents bigint, approval_above_cents bigint, feed_key text, feed_hash bytea)"
        " join principal p on p.code = r.code on conflict (feed_key) do update set fee_net_cents = excluded.fee_net_cents,"
        " markup_rate = excluded.markup_rate, vat_rate = excluded.vat_rate, at_risk_limit_cents = excluded.at_risk_limit_cents,"
        " approval_above_cents = excluded.approval_above_cents, feed_hash = excluded.feed_hash, changed_at = clock_timestamp() returning *)"
        " select s.*, p.code, p.label, p.siren, p.ended_on from saved s join principal p on p.id = s.principal_id order by p.code, s.valid_from",
        rows,
    )
    return [dict(row) for row in saved]


async def save_products(conn: Connection, rows: str) -> None:
    await conn.execute(
        "insert into product (code, label, principal_id, feed_key, feed_hash)"
        " select code, label, principal_id, feed_key, feed_hash from jsonb_populate_recordset(null::product, $1::text::jsonb)"
        " on conflict (code) do update"
        " set label = excluded.label, feed_hash = excluded.feed_hash",
        rows,
    )


async def save_guarantees(conn: Connection, rows: str) -> None:
    """The products of those in force are restating from then on."""
    await conn.execute(
        "with saved as (insert into guarantee (product, code, valid_from, services, counts, units_per_year, cap_gross_cents, member_rate,"
        " waiting_days, area, excluded, feed_key, feed_hash, cap_gross_cents_per_year, overrun, declare_within_days, min_km_from_home, one_at_a_time)"
        " select product, code, valid_from, services, counts, units_per_year, cap_gross_cents, member_rate, waiting_days, area, excluded, feed_key,"
        " feed_hash, cap_gross_cents_per_year, coalesce(overrun, 'member'), declare_within_days, min_km_from_home, coalesce(one_at_a_time, false)"
        " from jsonb_populate_recordset(null::guarantee, $1::text::jsonb)"
        " on conflict (product, code, valid_from) do update set services = excluded.services, counts = excluded.counts,"
        " units_per_year = excluded.units_per_year, cap_gross_cents = excluded.cap_gross_cents, member_rate = excluded.member_rate,"
        " waiting_days = excluded.waiting_days, area = excluded.area, excluded = excluded.excluded, feed_hash = excluded.feed_hash,"
        " cap_gross_cents_per_year = excluded.cap_gross_cents_per_year, overrun = excluded.overrun,"
        " declare_within_days = excluded.declare_within_days, min_km_from_home = excluded.min_km_from_home,"
        " one_at_a_time = excluded.one_at_a_time, changed_at = clock_timestamp()"
        " returning product, valid_from) update product set restating = true, restated_to = null"
        " where code in (select product from saved where valid_from <= (now() at time zone 'Europe/Paris')::date)",
        rows,
    )


async def save_members(conn: Connection, rows: str) -> list[str]:
    """Nobody was told of them yet. The ids of those whose card an open case makes public; it has a new version."""
    shown = await conn.fetch(
        "with saved as ("
        " insert into member as m (id, principal_id, number, civility, last_name, first_name, name_key, birth_date, phones, emails, address,"
        " insee, postcode, language, ended_on, version, card_version, open_cases, feed_key, feed_hash)"
        " select id, principal_id, number, civility, last_name, first_name, name_key, birth_date, phones, emails, address, insee,"
        " postcode, language, ended_on, 1, 0, 0, feed_key, feed_hash from jsonb_populate_recordset(null::member, $1::text::jsonb)"
        " on conflict (feed_key) do update set civility = excluded.civility, last_name = excluded.last_name, first_name = excluded.first_name,"
        " name_key = excluded.name_key, birth_date = excluded.birth_date, phones = excluded.phones, emails = excluded.emails,"
        " address = excluded.address, insee = excluded.insee, postcode = excluded.postcode, language = excluded.language,"
        " ended_on = excluded.ended_on, feed_hash = excluded.feed_hash, version = m.version + 1,"
        " card_version = m.card_version + (m.open_cases > 0)::int returning id, open_cases"
        "), untold as (insert into untold select 'members', id from saved on conflict do nothing) select id from saved where open_cases > 0",
        rows,
    )
    return [row["id"] for row in shown]


async def save_contracts(conn: Connection, rows: str) -> set[str]:
    """Nobody was told of them yet. The keys of those saved: all whose member is known."""
    saved = await conn.fetch(
        "with saved as ("
        " insert into contract as c (id, number, principal_id, member_id, product, starts_on, ends_on, state, plate, vin, version,"
        " feed_key, feed_hash)"
        " select r.id, r.number, r.principal_id, m.id, r.product, r.starts_on, r.ends_on, r.state, case when m.erased_at is null then r.plate end,"
        " case when m.erased_at is null then r.vin end, 1, r.feed_key, r.feed_hash"
        " from jsonb_to_recordset($1::text::jsonb) as r (id uuid, number text, principal_id uuid, member_key text, product text, starts_on date,"
        " ends_on date, state text, plate text, vin text, feed_key text, feed_hash bytea) join member m on m.feed_key = r.member_key"
        " on conflict (feed_key) do update set member_id = excluded.member_id, starts_on = excluded.starts_on, ends_on = excluded.ends_on,"
        " state = excluded.state, plate = excluded.plate, vin = excluded.vin, feed_hash = excluded.feed_hash, version = c.version + 1"
        " returning id, feed_key"
        "), untold as (insert into untold select 'contracts', id from saved on conflict do nothing) select feed_key from saved",
        rows,
    )
    return {row["feed_key"] for row in saved}


async def end_members(conn: Connection, member_ids: Sequence[str], last_day: date) -> list[str]:
    """As `save_members`."""
    shown = await conn.fetch(
        "with ended as (update member set ended_on = $2, feed_hash = null, version = version + 1, card_version = card_version + (open_cases > 0)::int"
        " where id = any($1::uuid[]) returning id, open_cases"
        "), untold as (insert into untold select 'members', id from ended on conflict do nothing) select id from ended where open_cases > 0",
        member_ids,
        last_day,
    )
    return [row["id"] for row in shown]


async def end_contracts(conn: Connection, contract_ids: Sequence[str], last_day: date) -> None:
    await conn.execute(
        "with ended as (update contract set ends_on = $2, feed_hash = null, version = version + 1 where id = any($1::uuid[]) returning id)"
        " insert into untold select 'contracts', id from ended on conflict do nothing",
        contract_ids,
        last_day,
    )


async def restate(conn: Connection, products: Sequence[str]) -> None:
    """Their contracts hold other guarantees from now on."""
    await conn.execute("update product set restating = true, restated_to = null where code = any($1::text[])", products)


async def restated(conn: Connection, limit: int) -> int:
    """The next contracts of a product that is restating, by id, get a new version that nobody was told of yet. Returns how many."""
    product = await conn.fetchrow("select code, restated_to from product where restating order by code limit 1 for update skip locked")
    if product is None:
        return 0
    row = await conn.fetchrow(
        "with restated as (update contract c set version = version + 1 from (select id from contract where product = $1"
        " and ($2::uuid is null or id > $2) order by id limit $3 for update) n where c.id = n.id returning c.id"
        "), untold as (insert into untold select 'contracts', id from restated on conflict do nothing)"
        " select count(*) as count, (array_agg(id order by id desc))[1] as last from restated",
        product["code"],
        product["restated_to"],
        limit,
    )
    assert row is not None
    last = row["last"] if row["count"] else None
    await conn.execute("update product set restated_to = $2, restating = $2::uuid is not null where code = $1", product["code"], last)
    return row["count"] or 1  # somebody may come after this product


async def guarantees(conn: Connection, products: Sequence[str], day: date) -> dict[str, Rows]:
    """The version in force of each guarantee, per product."""
    rows = await conn.fetch(
        "select distinct on (product, code) * from guarantee where product = any($1::text[]) and valid_from <= $2"
        " order by product, code, valid_from desc",
        products,
        day,
    )
    found: dict[str, Rows] = {}
    for row in rows:
        found.setdefault(row["product"], []).append(dict(row))
    return found
