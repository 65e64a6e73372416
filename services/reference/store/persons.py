"""All that reference holds of a person: to be handed out, and to be erased."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from services.kit.db import Connection


async def held(conn: Connection, member_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """By table, without what is ours alone."""
    queries = {
        "members": "select id, number, principal_id, civility, last_name, first_name, birth_date, phones, emails, address, insee, postcode, language,"
        " provisional, linked_to, survivor_id, ended_on, erased_at, version from member where id = any($1::uuid[]) order by id",
        "contracts": "select c.id, c.number, c.member_id, c.product, c.starts_on, c.ends_on, c.state, c.plate, c.vin, c.known_since from contract c"
        " where c.member_id = any($1::uuid[]) order by c.id",
        "covered_by": "select b.contract_id, c.number, b.relation, b.ended_on from beneficiary b join contract c on c.id = b.contract_id"
        " where b.member_id = any($1::uuid[]) order by 1",
        "contracts_before": "select p.contract_id, p.until, p.starts_on, p.ends_on, p.state, p.plate, p.vin from contract_past p"
        " join contract c on c.id = p.contract_id where c.member_id = any($1::uuid[]) order by 1, 2",
        "rights": "select r.* from rights r join contract c on c.id = r.contract_id where c.member_id = any($1::uuid[]) order by 1, 2, 3",
        "cases": "select case_id, opened_for, member_id, open from member_case where opened_for = any($1::uuid[]) or member_id = any($1::uuid[])"
        " order by 1",
        "decisions": "select v.need_id, v.case_id, v.service, v.insee, v.starts_at, v.quantity, v.unit, v.status, v.reason, v.contract_id,"
        " v.guarantee, v.units, v.trace from cover v where v.member_id = any($1::uuid[]) order by 1",
        "links": "select member_id, into_id, kind, at, undone_at from member_link where member_id = any($1::uuid[]) or into_id = any($1::uuid[])"
        " order by at",
        "changes": "select c.at, c.field, c.old, c.new, c.reason, c.by_kind, c.door, c.exported_at, c.acknowledged_at from member_change c"
        " where c.member_id = any($1::uuid[]) order by c.id",
        "changed_on_both_sides": "select c.at, c.field, c.ours, c.theirs, c.rule, c.decided from member_conflict c"
        " where c.member_id = any($1::uuid[]) order by c.id",
        "consents": "select purpose, given, proof, by_kind, door, at from member_consent where member_id = any($1::uuid[]) order by id",
        "statements": "select reference, issued_on, label, paid_gross_cents, pending_gross_cents, due_on, paid_on, withdrawn_on from statement"
        " where member_id = any($1::uuid[]) order by issued_on, id",
        "account_codes": "select channel, made_at, ends_at, used_at from join_request where member_id = any($1::uuid[]) order by made_at",
        "refused_rows": "select r.id, r.kind, r.cells, r.reason, r.field, r.state from feed_refused r where r.kind = 'members' and r.key in"
        " (select feed_key from member where id = any($1::uuid[])) and r.cells is not null order by r.id",
    }
    return {name: [dict(row) for row in await conn.fetch(query, member_ids)] for name, query in queries.items()}


async def open_cases(conn: Connection, member_ids: Sequence[str]) -> int:
    number: int = await conn.fetchval("select count(*) from member_case where member_id = any($1::uuid[]) and open", member_ids)
    return number


async def blank(conn: Connection, member_ids: Sequence[str], last_day: date, at: datetime) -> list[dict[str, Any]]:
    """The rows of those that were not blank yet, at a new version. Contracts stay, without vehicle; what was changed, agreed to, paid back
    or asked for is gone."""
    rows = await conn.fetch(
        "update member set civility = '', last_name = '', first_name = '', name_key = '', birth_date = null, phones = '{}', emails = '{}',"
        " address = '', insee = null, postcode = null, ended_on = least(coalesce(ended_on, $2::date), $2::date), erased_at = $3,"
        " version = version + 1, card_version = card_version + 1 where id = any($1::uuid[]) and erased_at is null returning *",
        member_ids,
        last_day,
        at,
    )
    await conn.execute(
        "update contract set plate = null, vin = null where member_id = any($1::uuid[]) and (plate is not null or vin is not null)", member_ids
    )
    await conn.execute(
        "update contract_past p set plate = null, vin = null from contract c where c.id = p.contract_id and c.member_id = any($1::uuid[])", member_ids
    )
    await conn.execute(
        "delete from feed_export_change e using member_change c where c.id = e.change_id and c.member_id = any($1::uuid[])", member_ids
    )
    for table in ("member_change", "member_conflict", "member_consent", "statement", "join_request", "beneficiary"):
        await conn.execute(f"delete from {table} where member_id = any($1::uuid[])", member_ids)  # noqa: S608 - our own names
    await conn.execute("delete from staged where key in (select feed_key from member where id = any($1::uuid[]))", member_ids)
    await conn.execute("delete from duplicate where one_id = any($1::uuid[]) or other_id = any($1::uuid[])", member_ids)
    await conn.execute("delete from proposal where provisional_id = any($1::uuid[]) or member_id = any($1::uuid[])", member_ids)
    return [dict(row) for row in rows]


async def drop_refused(conn: Connection, member_ids: Sequence[str], texts: Sequence[str]) -> int:
    """Refused rows that name one of these, or hold one of these texts: a later file brings whatever else was in them again. How many."""
    rows = await conn.fetch(
        "update feed_refused set cells = null, key = case when kind = 'members' then null else key end,"
        " state = case when state = 'open' then 'dropped' else state end, settled_by = coalesce(settled_by, 'erasure'),"
        " settled_at = coalesce(settled_at, now()) where cells is not null and (key in (select feed_key from member where id = any($1::uuid[]))"
        " or exists (select from unnest($2::text[]) t where position(lower(t) in lower(cells)) > 0)) returning 1",
        member_ids,
        texts,
    )
    return len(rows)
