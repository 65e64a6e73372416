"""Entitlements, rights and covers. Everything takes and returns many at once: a batch of needs costs what one does."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any

from services.kit import deadlines
from services.kit.db import Connection
from services.reference.domain.choice import Tried
from services.reference.domain.coverage import Cover
from services.reference.domain.entitlement import Claim, Contract, Guarantee, Person, Rights, RightsKey

_CLAIM = (
    *("member_id", "principal_id", "service", "insee", "departement", "starts_at", "ends_at", "quantity", "unit"),
    *("occurred_on", "declared_on", "estimate_gross_cents"),
)
_COVER = (
    *("need_id", "case_id", "decision_id", "status", "trace", "reason", "contract_id", "guarantee", "period_start", "renews_on", "counts"),
    *("units", "units_per_year", "cap_gross_cents", "member_rate", "expires_at", "need_open", "task_id"),
    *("cap_gross_cents_per_year", "decided_at", "at_risk", "performed", "approval_cents", "approval_due", "billed_cents", "member_cents"),
    *("charged", "goodwill_by", "goodwill_actor", "goodwill_reason"),
)
_GUARANTEE = (
    *("services", "counts", "units_per_year", "cap_gross_cents", "member_rate", "waiting_days", "area", "excluded", "valid_from"),
    *("cap_gross_cents_per_year", "overrun", "declare_within_days", "min_km_from_home", "one_at_a_time"),
)


async def persons(conn: Connection, member_ids: Sequence[str]) -> dict[str, Person]:
    """What is known of each member, with contracts and every version of their guarantees: of all rows that are the same person. Who ended in
    one row only has not. Unknown ids are missing."""
    rows = await conn.fetch(
        "select a.id as member_id, m.provisional, f.ended_on, f.provisional as passing, m.insee, c.id, c.number, c.principal_id,"
        " p.ended_on as principal_ended_on, c.product, c.starts_on, least(c.ends_on, c.until) as ends_on, c.state, g.code, g.services, g.counts,"
        " g.units_per_year, g.cap_gross_cents, g.member_rate, g.waiting_days, g.area, g.excluded, g.valid_from, g.cap_gross_cents_per_year,"
        " g.overrun, g.declare_within_days, g.min_km_from_home, g.one_at_a_time,"
        " (select jsonb_agg(jsonb_build_array(t.valid_from, t.approval_above_cents)) from terms t where t.principal_id = p.id) as limits"
        " from member a join member m on m.id = coalesce(a.survivor_id, a.id)"
        " cross join lateral (select m.id, m.ended_on, m.provisional"
        "   union all select o.id, o.ended_on, o.provisional from member o where o.survivor_id = m.id) f"
        " left join lateral (select o.*, null::date as until from contract o where o.member_id = f.id"
        "   union all select o.*, b.ended_on from beneficiary b join contract o on o.id = b.contract_id where b.member_id = f.id) c on true"
        " left join principal p on p.id = c.principal_id"
        " left join guarantee g on g.product = c.product"
        " where a.id = any($1::uuid[]) order by a.id, c.starts_on, c.id, g.code, g.valid_from",
        member_ids,
    )
    return {member_id: _person(list(of)) for member_id, of in groupby(rows, lambda row: row["member_id"])}


async def known_contracts(conn: Connection, ids: Collection[str]) -> set[str]:
    """Those of the ids that are contracts, as far as the caller may see."""
    rows = await conn.fetch("select id from contract where id = any($1::uuid[])", list(ids))
    return {row["id"] for row in rows}


async def lock_rights(conn: Connection, keys: Iterable[RightsKey]) -> dict[RightsKey, Rights]:
    """The rows, made where missing and held until the end of the transaction; everybody locks in the same order."""
    ordered = _ordered(set(keys))
    if not ordered:
        return {}
    rows = await conn.fetch(
        "insert into rights (contract_id, guarantee, period_start, used, reserved)"
        " select k.*, 0, 0 from unnest($1::uuid[], $2::text[], $3::date[]) as k (contract_id, guarantee, period_start)"
        " on conflict (contract_id, guarantee, period_start) do update set used = rights.used"
        " returning contract_id, guarantee, period_start, used, reserved, used_cents, reserved_cents",
        *_columns(ordered),
    )
    return _rights(rows)


async def read_rights(conn: Connection, keys: Iterable[RightsKey]) -> dict[RightsKey, Rights]:
    """As they are now, without a lock; what was never used is missing."""
    ordered = _ordered(set(keys))
    if not ordered:
        return {}
    rows = await conn.fetch(
        "select contract_id, guarantee, period_start, used, reserved, used_cents, reserved_cents from rights"
        " where (contract_id, guarantee, period_start) in (select * from unnest($1::uuid[], $2::text[], $3::date[]))",
        *_columns(ordered),
    )
    return _rights(rows)


async def save(conn: Connection, covers: Iterable[Cover], changes: Mapping[RightsKey, Rights], due: Sequence[Any]) -> dict[RightsKey, Rights]:
    """Saves the covers and adds the (possibly negative) changes to the rights that a decision once locked; returns what stands then of those.

    `due`: their deadlines, `deadlines.moves`.
    """
    ordered = _ordered(key for key, change in changes.items() if change != Rights())
    rows = await conn.fetch(
        _SAVE,
        [_stored(cover) for cover in covers],
        *_columns(ordered),
        [changes[key].used for key in ordered],
        [changes[key].reserved for key in ordered],
        [changes[key].used_cents for key in ordered],
        [changes[key].reserved_cents for key in ordered],
        *due,
    )
    return _rights(rows)


async def load(conn: Connection, need_ids: Sequence[str]) -> dict[str, Cover]:
    """The decisions about these needs, locked until the end of the transaction."""
    rows = await conn.fetch("select * from cover where need_id = any($1::uuid[]) order by need_id for update", need_ids)
    return {row["need_id"]: cover_of(row) for row in rows}


async def of_cases(conn: Connection, case_ids: Sequence[str]) -> list[Cover]:
    """The decisions about the needs of these cases, in the order they were asked for; without a lock."""
    return [cover_of(row) for row in await conn.fetch("select * from cover where case_id = any($1::uuid[]) order by need_id", case_ids)]


async def read(conn: Connection, need_id: str) -> Cover | None:
    """Without a lock; none for a need that nobody asked about, or that is not the caller's."""
    row = await conn.fetchrow("select * from cover where need_id = $1", need_id)
    return cover_of(row) if row else None


async def elsewhere(conn: Connection, contract_ids: Collection[str]) -> list[Cover]:
    """What open needs have under these contracts, once their rights are locked."""
    rows = await conn.fetch(
        "select * from cover where member_id in (select member_id from contract where id = any($1::uuid[])) and contract_id = any($1::uuid[])"
        " and need_open and status in ('asked', 'granted')",
        list(contract_ids),
    )
    return [cover_of(row) for row in rows]


async def need_of_task(conn: Connection, task_id: str) -> str | None:
    need_id: str | None = await conn.fetchval("select need_id from cover where task_id = $1", task_id)
    return need_id


_SAVE = f"""
with saved as (insert into cover select * from jsonb_populate_recordset(null::cover, $1)
on conflict (need_id) do update set
  insee = excluded.insee, departement = excluded.departement, starts_at = excluded.starts_at, ends_at = excluded.ends_at,
  quantity = excluded.quantity, unit = excluded.unit, occurred_on = excluded.occurred_on, declared_on = excluded.declared_on,
  estimate_gross_cents = excluded.estimate_gross_cents,
  decision_id = excluded.decision_id, status = excluded.status, trace = excluded.trace, reason = excluded.reason,
  contract_id = excluded.contract_id, guarantee = excluded.guarantee, period_start = excluded.period_start, renews_on = excluded.renews_on,
  counts = excluded.counts, units = excluded.units, units_per_year = excluded.units_per_year, cap_gross_cents = excluded.cap_gross_cents,
  member_rate = excluded.member_rate, expires_at = excluded.expires_at, need_open = excluded.need_open, task_id = excluded.task_id,
  cap_gross_cents_per_year = excluded.cap_gross_cents_per_year, decided_at = excluded.decided_at, tried = excluded.tried,
  at_risk = excluded.at_risk, performed = excluded.performed, approval_cents = excluded.approval_cents, approval_due = excluded.approval_due,
  billed_cents = excluded.billed_cents, member_cents = excluded.member_cents, charged = excluded.charged, goodwill_by = excluded.goodwill_by,
  goodwill_actor = excluded.goodwill_actor, goodwill_reason = excluded.goodwill_reason),
{deadlines.following(9)}
update rights r set used = r.used + c.used, reserved = r.reserved + c.reserved, used_cents = r.used_cents + c.used_cents,
  reserved_cents = r.reserved_cents + c.reserved_cents
from unnest($2::uuid[], $3::text[], $4::date[], $5::numeric[], $6::numeric[], $7::bigint[], $8::bigint[])
  as c (contract_id, guarantee, period_start, used, reserved, used_cents, reserved_cents)
where (r.contract_id, r.guarantee, r.period_start) = (c.contract_id, c.guarantee, c.period_start)
returning r.contract_id, r.guarantee, r.period_start, r.used, r.reserved, r.used_cents, r.reserved_cents
"""  # noqa: S608 - our own text


def holdings(covers: Iterable[Cover], sign: int) -> dict[RightsKey, Rights]:
    """What these hold together, times the sign."""
    total: dict[RightsKey, Rights] = {}
    for cover in covers:
        if cover.holding:
            key, held = cover.holding
            total[key] = _sum(total.get(key, Rights()), held, sign)
    return total


def added(one: Mapping[RightsKey, Rights], other: Mapping[RightsKey, Rights]) -> dict[RightsKey, Rights]:
    return dict(one) | {key: _sum(one.get(key, Rights()), change, 1) for key, change in other.items()}


def _sum(one: Rights, other: Rights, sign: int) -> Rights:
    return Rights(
        one.used + sign * other.used,
        one.reserved + sign * other.reserved,
        one.used_cents + sign * other.used_cents,
        one.reserved_cents + sign * other.reserved_cents,
    )


def _person(rows: list[Any]) -> Person:
    contracts = [_contract(list(of)) for contract_id, of in groupby(rows, lambda row: row["id"]) if contract_id]
    ends = [row["ended_on"] for row in rows if not row["passing"]]
    ended_on = max(ends) if ends and None not in ends else None
    return Person(rows[0]["member_id"], rows[0]["provisional"], ended_on, tuple(contracts), rows[0]["insee"])


def _contract(rows: list[Any]) -> Contract:
    first = rows[0]
    guarantees = tuple(Guarantee(row["code"], *(row[name] for name in _GUARANTEE)) for row in rows if row["code"])
    names = ("id", "number", "principal_id", "principal_ended_on", "product", "starts_on", "ends_on", "state")
    limits = tuple((date.fromisoformat(day), above) for day, above in first["limits"] or ())
    return Contract(guarantees=guarantees, limits=limits, **{name: first[name] for name in names})


def cover_of(row: Any) -> Cover:
    claim = Claim(contract_id=row["asked_contract_id"], **{name: row[name] for name in _CLAIM})
    return Cover(claim=claim, tried=tuple(map(_tried, row["tried"])), **{name: row[name] for name in _COVER} | {"trace": tuple(row["trace"])})


def _stored(cover: Cover) -> dict[str, Any]:
    claim = {name: getattr(cover.claim, name) for name in _CLAIM} | {"asked_contract_id": cover.claim.contract_id}
    decision = {name: getattr(cover, name) for name in _COVER}
    exact = {"quantity": str(cover.claim.quantity), "units": str(cover.units), "member_rate": str(cover.member_rate)}
    limit = cover.units_per_year
    tried = [_noted(one) for one in cover.tried]
    return claim | decision | exact | {"units_per_year": None if limit is None else str(limit), "tried": tried}


def _noted(tried: Tried) -> dict[str, Any]:
    """With the rights it found, as far as there were any."""
    here = tried.rights
    rights = {"used": str(here.used), "reserved": str(here.reserved), "used_cents": here.used_cents, "reserved_cents": here.reserved_cents}
    named = {"contract_id": tried.contract_id, "guarantee": tried.guarantee, "period_start": tried.period_start}
    return named | {"trace": tried.trace} | (rights if here != Rights() else {})


def _tried(noted: Mapping[str, Any]) -> Tried:
    start = noted["period_start"]
    rights = Rights(Decimal(noted.get("used", 0)), Decimal(noted.get("reserved", 0)), noted.get("used_cents", 0), noted.get("reserved_cents", 0))
    return Tried(noted["contract_id"], noted["guarantee"], start and date.fromisoformat(start), tuple(noted["trace"]), rights)


def _ordered(keys: Iterable[RightsKey]) -> list[RightsKey]:
    return sorted(keys, key=lambda key: (key.contract_id, key.guarantee, key.period_start))


def _columns(keys: Sequence[RightsKey]) -> tuple[list[Any], list[Any], list[Any]]:
    return [key.contract_id for key in keys], [key.guarantee for key in keys], [key.period_start for key in keys]


def _rights(rows: Iterable[Any]) -> dict[RightsKey, Rights]:
    return {
        RightsKey(row["contract_id"], row["guarantee"], row["period_start"]): Rights(
            row["used"], row["reserved"], row["used_cents"], row["reserved_cents"]
        )
        for row in rows
    }
