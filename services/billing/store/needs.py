"""Cases and needs as billing knows them, and the last coverage decision of each."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from services.billing.domain.charging import Decision, Need
from services.kit.db import Connection, row


async def insert_cases(conn: Connection, cases: Iterable[tuple[str, str]]) -> None:
    """(id, number) each."""
    await conn.executemany("insert into assistance_case (id, number) values ($1, $2) on conflict do nothing", list(cases))


async def insert(conn: Connection, needs: Iterable[tuple[Need, int]]) -> None:
    """Each with its rank, which makes its number."""
    await conn.executemany(
        "insert into need (id, case_id, number, principal_id, service, zone)"
        " values ($1, $2, coalesce((select c.number || '-' from assistance_case c where c.id = $2), '') || $3::text, $4, $5, $6)"
        " on conflict do nothing",
        [(need.id, need.case_id, str(rank), need.principal_id, need.service, need.zone) for need, rank in needs],
    )


async def lock(conn: Connection, ids: Sequence[str]) -> dict[str, Need]:
    """Locked until the end of the transaction: whoever changes the money of a need starts here."""
    rows = await conn.fetch(
        "select n.id, n.case_id, n.number, n.principal_id, n.service, n.zone, n.decision, n.decision_id, n.guarantee, n.cap_gross_cents,"
        " n.member_rate, n.at_risk_limit_cents, array(select p.id from prestation p where p.need_id = n.id order by p.id) as prestation_ids"
        " from need n where n.id = any($1::uuid[]) order by n.id for update of n",
        ids,
    )
    return {found["id"]: Need(**row(found) | {"prestation_ids": tuple(found["prestation_ids"])}) for found in rows}


async def move(conn: Connection, need_id: str, zone: str) -> None:
    await conn.execute("update need set zone = $2 where id = $1 and zone <> $2", need_id, zone)


async def grant(conn: Connection, decisions: Iterable[tuple[str, str, str, int | None, Decimal]]) -> None:
    """(need id, decision id, guarantee, cap, member rate) each. In the order in which everybody locks needs."""
    ordered = sorted(decisions, key=lambda decision: decision[0])
    await conn.executemany(
        "update need set decision = 'granted', decision_id = $2, guarantee = $3, cap_gross_cents = $4, member_rate = $5 where id = $1",
        ordered,
    )


async def refuse(conn: Connection, need_id: str, decision_id: str | None, decision: Decision = "refused") -> None:
    await conn.execute(
        "update need set decision = $3, decision_id = $2, guarantee = null, cap_gross_cents = null, member_rate = 0 where id = $1",
        need_id,
        decision_id,
        decision,
    )


async def release(conn: Connection, need_id: str, decision_id: str) -> None:
    """Nothing when another decision has come since."""
    await conn.execute("update need set decision = null where id = $1 and decision_id = $2 and decision = 'granted'", need_id, decision_id)


async def go_at_risk(conn: Connection, need_id: str, limit_cents: int) -> None:
    await conn.execute("update need set at_risk_limit_cents = $2 where id = $1", need_id, limit_cents)
