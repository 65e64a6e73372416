"""Visits, read under lock and written."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from services.kit.db import Connection
from services.tracking.domain.visit import Line, Task, Visit

_COLUMNS = (
    "id, case_id, need_id, mission_id, offer_id, provider_id, member_id, service, starts_at, ends_at, state, eta, started_at, completed_at,"
    " prestation_id, lines, reason, rating, task_id, task_kind, version"
)
_SELECT = f"select {_COLUMNS} from visit"  # noqa: S608 - our own names


async def of_needs(conn: Connection, need_ids: Iterable[str]) -> list[Visit]:
    """Oldest first, locked in that order."""
    return [_visit(row) for row in await conn.fetch(f"{_SELECT} where need_id = any($1::uuid[]) order by id for update", list(need_ids))]


async def of_mission(conn: Connection, mission_id: str, provider_id: str | None = None) -> Visit | None:
    """The latest of a mission, of any provider or of one, locked. The one that counts comes before those that were cancelled."""
    return await _one(
        conn,
        "where mission_id = $1 and ($2::uuid is null or provider_id = $2) order by state = 'cancelled', id desc limit 1",
        mission_id,
        provider_id,
    )


async def of_prestation(conn: Connection, prestation_id: str) -> Visit | None:
    return await _one(conn, "where prestation_id = $1", prestation_id)


async def of_task(conn: Connection, task_id: str) -> Visit | None:
    return await _one(conn, "where task_id = $1", task_id)


async def done_for(conn: Connection, need_id: str, member_id: str) -> Visit | None:
    return await _one(conn, "where need_id = $1 and member_id = $2 order by state = 'done' desc limit 1", need_id, member_id)


async def get(conn: Connection, visit_id: str) -> Visit | None:
    return await _one(conn, "where id = $1", visit_id)


async def insert(conn: Connection, made: Iterable[Visit]) -> None:
    await conn.executemany(
        f"insert into visit ({_COLUMNS})"  # noqa: S608 - our own names
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,"
        " $21)",
        [_values(visit) for visit in made],
    )


async def save(conn: Connection, changed: Iterable[Visit]) -> None:
    """Under the lock that the load took."""
    await conn.executemany(
        "update visit set starts_at = $2, ends_at = $3, state = $4, eta = $5, started_at = $6, completed_at = $7, prestation_id = $8, lines = $9,"
        " reason = $10, rating = $11, task_id = $12, task_kind = $13, version = $14 where id = $1",
        [(visit.id, *_values(visit)[8:]) for visit in changed],
    )


async def belong_to(conn: Connection, members: Mapping[str, str]) -> None:
    """Case id -> whose case it is now."""
    await conn.execute(
        "update visit v set member_id = m.member_id from unnest($1::uuid[], $2::uuid[]) as m (case_id, member_id) where v.case_id = m.case_id",
        list(members),
        list(members.values()),
    )


def _values(visit: Visit) -> tuple[Any, ...]:
    return (
        visit.id,
        visit.case_id,
        visit.need_id,
        visit.mission_id,
        visit.offer_id,
        visit.provider_id,
        visit.member_id,
        visit.service,
        visit.start,
        visit.end,
        visit.state,
        visit.eta,
        visit.started_at,
        visit.completed_at,
        visit.prestation_id,
        [asdict(line) for line in visit.lines],
        visit.reason,
        visit.rating,
        visit.task and visit.task.id,
        visit.task and visit.task.kind,
        visit.version,
    )


async def _one(conn: Connection, condition: str, *arguments: Any) -> Visit | None:
    row = await conn.fetchrow(f"{_SELECT} {condition} for update", *arguments)
    return _visit(row) if row else None


def _visit(row: Any) -> Visit:
    stored = dict(row)
    start: datetime = stored.pop("starts_at")
    end: datetime = stored.pop("ends_at")
    lines = tuple(Line(line["article"], line["unit"], Decimal(line["quantity"])) for line in stored.pop("lines"))
    task_id, kind = stored.pop("task_id"), stored.pop("task_kind")
    return Visit(**stored, start=start, end=end, lines=lines, task=Task(task_id, kind) if task_id else None)
