"""Which rows are one person: links between members, and the cases and decisions that follow them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from services.kit.db import Connection
from services.reference.domain.identity import Kind, Known

_ALONE = 7_263_581  # whoever joins or parts members does so alone
_KNOWN = "id, principal_id, provisional, linked_to, survivor_id, erased_at is not null as erased"


async def hold(conn: Connection, member_ids: Sequence[str]) -> dict[str, tuple[str, bool]]:
    """Who these count as, and whether they were erased, until the end of the transaction. Unknown ids are missing."""
    rows = await conn.fetch("select member_id, survivor_id, erased from hold_members($1)", sorted(set(member_ids)))
    return {row["member_id"]: (row["survivor_id"], row["erased"]) for row in rows}


async def alone(conn: Connection, member_ids: Sequence[str]) -> dict[str, Known]:
    """These and all that count as one of them: nobody decides about any of them, links or erases one until the end of the transaction."""
    await conn.execute("select pg_advisory_xact_lock($1)", _ALONE)
    rows = await conn.fetch(
        "select f.id from member m cross join lateral (select coalesce(m.survivor_id, m.id) as id) top cross join lateral"
        " (select top.id union all select o.id from member o where o.survivor_id = top.id) f where m.id = any($1::uuid[])",
        member_ids,
    )
    ids = sorted({row["id"] for row in rows})
    await conn.execute("select pg_advisory_xact_lock(hashtextextended(h.id::text, 9)) from (select unnest($1::uuid[]) as id order by 1) h", ids)
    await conn.execute("select from member_case where opened_for = any($1::uuid[]) order by case_id for update", ids)  # as opening and closing do
    found = await conn.fetch(f"select {_KNOWN} from member where id = any($1::uuid[]) order by id for no key update", ids)  # noqa: S608 - our own names
    return {row["id"]: Known(**dict(row)) for row in found}


async def point(conn: Connection, member_id: str, into_id: str | None) -> dict[str, Any]:
    """Says, or takes back, whom a member is linked to: who counts is found anew for it and for all that hang on it."""
    row = await conn.fetchrow("update member set linked_to = $2, version = version + 1 where id = $1 returning *", member_id, into_id)
    assert row is not None
    await conn.execute(
        "with recursive below as (select id from member where id = $1 union select m.id from below b join member m on m.linked_to = b.id),"
        " above (id, linked_to, place) as (select m.id, m.linked_to, 0 from member m where m.id = $1"
        " union all select m.id, m.linked_to, a.place + 1 from above a join member m on m.id = a.linked_to),"
        " top as (select id from above order by place desc limit 1)"
        " update member m set survivor_id = nullif(top.id, m.id) from below b, top where m.id = b.id",
        member_id,
    )
    return dict(row)


async def note(conn: Connection, link_id: str, member_id: str, into_id: str, kind: Kind, by: str, now: datetime) -> None:
    await conn.execute(
        "insert into member_link (id, member_id, into_id, kind, at, by_whom) values ($1, $2, $3, $4, $5, $6)",
        *(link_id, member_id, into_id, kind, now, by),
    )


async def note_undone(conn: Connection, member_id: str, by: str, now: datetime) -> None:
    await conn.execute("update member_link set undone_at = $2, undone_by = $3 where member_id = $1 and undone_at is null", member_id, now, by)


async def move_cases(conn: Connection, member_ids: Sequence[str]) -> list[dict[str, Any]]:
    """The cases opened for these that now are somebody else's, with whom they were opened for; what was decided about them follows."""
    rows = await conn.fetch(
        "with moved as (update member_case k set member_id = coalesce(m.survivor_id, m.id) from member m where m.id = k.opened_for"
        " and k.opened_for = any($1::uuid[]) and k.member_id <> coalesce(m.survivor_id, m.id)"
        " returning k.case_id, k.opened_for, k.member_id, k.open),"
        " covers as (update cover c set member_id = moved.member_id from moved where c.case_id = moved.case_id)"
        " select * from moved order by case_id",
        member_ids,
    )
    return [dict(row) for row in rows]


async def recount(conn: Connection, member_ids: Sequence[str]) -> list[dict[str, Any]]:
    """The members who have their first open case, or none any more, with a new card version."""
    rows = await conn.fetch(
        "with counted as (select m.id, m.open_cases as before, (select count(*)::int from member_case k where k.member_id = m.id and k.open) as now"
        " from member m where m.id = any($1::uuid[]))"
        " update member m set open_cases = c.now, card_version = m.card_version + ((c.before = 0) <> (c.now = 0))::int"
        " from counted c where m.id = c.id and c.now <> c.before returning m.*, (c.before = 0) <> (c.now = 0) as turned",
        member_ids,
    )
    return [dict(row) for row in rows if row["turned"]]


async def needs_of(conn: Connection, case_ids: Sequence[str]) -> list[str]:
    """Of which something was decided and that are open."""
    rows = await conn.fetch("select need_id from cover where case_id = any($1::uuid[]) and need_open order by need_id", case_ids)
    return [row["need_id"] for row in rows]


async def consumed_of(conn: Connection, case_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Needs of these cases whose units are used up: under which contract, whoever holds it."""
    rows = await conn.fetch(
        "select need_id, case_id, contract_id, guarantee from cover where case_id = any($1::uuid[]) and status = 'consumed' order by need_id",
        case_ids,
    )
    return [dict(row) for row in rows]


async def link_of(conn: Connection, member_ids: Sequence[str]) -> list[dict[str, Any]]:
    """All that was ever said of these, the latest first."""
    rows = await conn.fetch(
        "select l.member_id, l.into_id, l.kind, l.at, l.by_whom, l.undone_at, l.undone_by from member_link l"
        " where l.member_id = any($1::uuid[]) or l.into_id = any($1::uuid[]) order by l.at desc",
        member_ids,
    )
    return [dict(row) for row in rows]


# Proposals: who a provisional member may be


async def meeting(conn: Connection, member_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Provisional members who share a phone, an e-mail or a birth date with one of these, principal by principal; what they share."""
    rows = await conn.fetch(
        "with p as (select id, principal_id, name_key, birth_date, phones, emails from member where provisional and survivor_id is null"
        " and erased_at is null), m as (select id, principal_id, name_key, birth_date, phones, emails from member where id = any($1::uuid[])"
        " and not provisional and survivor_id is null and erased_at is null),"
        " met as (select p.id as provisional_id, m.id as member_id, 'same_phone' as why from"
        " (select id, principal_id, unnest(phones) as phone from p) p"
        " join (select id, principal_id, unnest(phones) as phone from m) m using (principal_id, phone)"
        " union select p.id, m.id, 'same_email' from (select id, principal_id, unnest(emails) as email from p) p"
        " join (select id, principal_id, unnest(emails) as email from m) m using (principal_id, email)"
        " union select p.id, m.id, 'same_birth_date' from p join m using (principal_id, birth_date))"
        " select met.provisional_id, met.member_id, array_agg(met.why order by met.why) as why, p.name_key as typed, m.name_key, m.birth_date"
        " from met join p on p.id = met.provisional_id join m on m.id = met.member_id group by 1, 2, 4, 5, 6",
        member_ids,
    )
    return [dict(row) for row in rows]


async def alike(conn: Connection, member_id: str) -> list[dict[str, Any]]:
    """As `meeting`, of one provisional member, by the indexes of all members."""
    rows = await conn.fetch(
        "select p.id as provisional_id, m.id as member_id, p.name_key as typed, m.name_key, m.birth_date, array_remove(array["
        " case when m.emails && p.emails then 'same_email' end, case when m.birth_date = p.birth_date then 'same_birth_date' end,"
        " case when m.phones && p.phones then 'same_phone' end], null) as why"
        " from member p cross join lateral (select * from member where phones && p.phones union select * from member where emails && p.emails"
        " union select * from member where birth_date = p.birth_date) m"
        " where p.id = $1 and m.principal_id = p.principal_id and not m.provisional and m.survivor_id is null and m.erased_at is null",
        member_id,
    )
    return [dict(row) for row in rows]


async def any_provisional(conn: Connection) -> bool:
    found: bool = await conn.fetchval("select exists (select from member where provisional and survivor_id is null)")
    return found


async def propose(conn: Connection, found: Sequence[Mapping[str, Any]], now: datetime) -> list[str]:
    """Keeps what is new; what was said not to be so stays said. The provisional members whom something new is proposed for."""
    rows = await conn.fetch(
        "insert into proposal (provisional_id, member_id, why, found_at) select r.provisional_id, r.member_id, r.why, $2"
        " from jsonb_to_recordset($1::jsonb) as r (provisional_id uuid, member_id uuid, why text[]) order by 1, 2"
        " on conflict do nothing returning provisional_id",
        [{name: one[name] for name in ("provisional_id", "member_id", "why")} for one in found],
        now,
    )
    return sorted({row["provisional_id"] for row in rows})


async def open_task(conn: Connection, provisional_id: str, task_id: str) -> tuple[bool, str | None]:
    """Whether there was none, and the open case that it is about, where there is one."""
    row = await conn.fetchrow(
        "insert into proposal_task (provisional_id, task_id, case_id) select $1, $2,"
        " (select case_id from member_case where member_id = $1 and open order by case_id desc limit 1) on conflict do nothing returning case_id",
        provisional_id,
        task_id,
    )
    return row is not None, row["case_id"] if row else None


async def close_task(conn: Connection, provisional_id: str) -> tuple[str, str | None] | None:
    """The task that there was, and its case."""
    row = await conn.fetchrow("delete from proposal_task where provisional_id = $1 returning task_id, case_id", provisional_id)
    return (row["task_id"], row["case_id"]) if row else None


async def provisional_of_task(conn: Connection, task_id: str) -> str | None:
    found: str | None = await conn.fetchval("select provisional_id from proposal_task where task_id = $1", task_id)
    return found


async def settle_proposals(conn: Connection, provisional_id: str, member_id: str | None, state: str, by: str) -> int:
    """Those open about one provisional member: of this member, or all. How many are left open."""
    await conn.execute(
        "update proposal set state = $3, settled_by = $4 where provisional_id = $1 and ($2::uuid is null or member_id = $2) and state = 'open'",
        *(provisional_id, member_id, state, by),
    )
    left: int = await conn.fetchval("select count(*) from proposal where provisional_id = $1 and state = 'open'", provisional_id)
    return left


async def proposals(conn: Connection, provisional_id: str) -> list[dict[str, Any]]:
    rows = await conn.fetch(
        "select member_id, why, found_at from proposal where provisional_id = $1 and state = 'open' order by found_at, member_id", provisional_id
    )
    return [dict(row) for row in rows]


async def waiting(conn: Connection, limit: int) -> list[dict[str, Any]]:
    """Provisional members for whom something is proposed, the longest waiting first, with what is proposed."""
    rows = await conn.fetch(
        "select provisional_id, min(found_at) as since, jsonb_agg(jsonb_build_object('member_id', member_id, 'why', why) order by member_id) as found"
        " from proposal where state = 'open' group by provisional_id order by 2, 1 limit $1",
        limit,
    )
    return [dict(row) for row in rows]


# Duplicates


async def sharing(conn: Connection, field: str, most: int) -> list[dict[str, Any]]:
    """Members of one principal who share a phone or an e-mail with a few others: `field` is `phones` or `emails`. Each group once."""
    assert field in ("phones", "emails")
    rows = await conn.fetch(
        f"select principal_id, array_agg(id order by id) as ids, array_agg(name_key order by id) as names, array_agg(birth_date order by id) as born"  # noqa: S608 - one of two names
        f" from (select principal_id, id, name_key, birth_date, unnest({field}) as shared from member"
        " where not provisional and survivor_id is null and erased_at is null) s"
        " group by principal_id, shared having count(*) between 2 and $1",
        most,
    )
    return [dict(row) for row in rows]


async def born_together(conn: Connection, after: Any, days: int) -> tuple[Any, list[dict[str, Any]]]:
    """The next birth dates by the index, and who was born on each, principal by principal. None as the last date: that was all."""
    rows = await conn.fetch(
        "select principal_id, birth_date, array_agg(id order by id) as ids, array_agg(name_key order by id) as names"
        " from member where birth_date in (select distinct birth_date from member where $1::date is null or birth_date > $1 order by 1 limit $2)"
        " and not provisional and survivor_id is null and erased_at is null group by principal_id, birth_date",
        after,
        days,
    )
    last = await conn.fetchval(
        "select max(birth_date) from (select distinct birth_date from member where $1::date is null or birth_date > $1 order by 1 limit $2) d",
        after,
        days,
    )
    return last, [dict(row) for row in rows if len(row["ids"]) > 1]


async def keep_duplicates(conn: Connection, found: Sequence[Mapping[str, Any]], now: datetime) -> int:
    """What was settled stays settled. How many are new."""
    rows = await conn.fetch(
        "insert into duplicate (one_id, other_id, principal_id, why, likeness, found_at)"
        " select r.one_id, r.other_id, r.principal_id, r.why, r.likeness, $2 from jsonb_to_recordset($1::jsonb)"
        " as r (one_id uuid, other_id uuid, principal_id uuid, why text[], likeness int) order by 1, 2"
        " on conflict (one_id, other_id) do update set why = excluded.why, likeness = excluded.likeness, found_at = excluded.found_at"
        " where duplicate.state = 'open' returning (xmax = 0) as new",
        list(found),
        now,
    )
    return sum(row["new"] for row in rows)


async def drop_stale(conn: Connection, before: datetime) -> int:
    """Pairs that a later search did not find any more. How many."""
    rows = await conn.fetch("delete from duplicate where state = 'open' and found_at < $1 returning 1", before)
    return len(rows)


async def duplicates(conn: Connection, after: tuple[int, str, str] | None, limit: int) -> list[dict[str, Any]]:
    """Open pairs, the likeliest first."""
    rows = await conn.fetch(
        "select one_id, other_id, principal_id, why, likeness, found_at from duplicate where state = 'open'"
        " and ($1::int is null or (-likeness, one_id, other_id) > (-$1::int, $2::uuid, $3::uuid)) order by -likeness, one_id, other_id limit $4",
        after and after[0],
        after and after[1],
        after and after[2],
        limit,
    )
    return [dict(row) for row in rows]


async def settle_duplicate(conn: Connection, one_id: str, other_id: str, state: str, by: str | None, now: datetime) -> bool:
    """Whether there is such a pair. `state` open again: nobody settled it."""
    row = await conn.fetchrow(
        "update duplicate set state = $3, settled_by = $4, settled_at = case when $4::text is not null then $5::timestamptz end"
        " where one_id = least($1::uuid, $2::uuid) and other_id = greatest($1::uuid, $2::uuid) returning 1",
        *(one_id, other_id, state, by, now),
    )
    return row is not None


async def count_duplicates(conn: Connection) -> int:
    found: int = await conn.fetchval("select count(*) from duplicate where state = 'open'")
    return found


async def set_aside(conn: Connection, provisional_id: str) -> set[str]:
    """Of whom somebody said that it is another person."""
    rows = await conn.fetch("select member_id from proposal where provisional_id = $1 and state = 'other'", provisional_id)
    return {row["member_id"] for row in rows}


async def family(conn: Connection, member_id: str) -> list[str]:
    """All rows of the person; none for nobody."""
    rows = await conn.fetch(
        "select f.id from member m cross join lateral (select coalesce(m.survivor_id, m.id) as id) top cross join lateral"
        " (select top.id union all select o.id from member o where o.survivor_id = top.id) f where m.id = $1 order by f.id",
        member_id,
    )
    return [row["id"] for row in rows]


async def standing_links(conn: Connection, limit: int) -> list[dict[str, Any]]:
    """The latest that nobody has undone."""
    rows = await conn.fetch(
        "select l.member_id, l.into_id, l.kind, l.at from member_link l join member m on m.id = l.member_id"
        " where l.undone_at is null and m.erased_at is null order by l.at desc limit $1",
        limit,
    )
    return [dict(row) for row in rows]
