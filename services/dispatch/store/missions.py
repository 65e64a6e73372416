"""Missions and their offers: loaded under lock, saved together."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any

from services.dispatch.domain.mission import Mission, Offer, Place, Slot, Task, Wish
from services.kit.db import Connection

DECLINES_WITHIN = timedelta(days=7)
_BY_ID = "select * from mission where id = $1"
_OFFERS = "select * from offer where mission_id = any($1::uuid[]) order by mission_id, attempt"


@dataclass(frozen=True, slots=True)
class NewNeed:
    mission_id: str
    case_id: str
    need_id: str
    rank: int
    service: str
    wish: Wish


async def insert_cases(conn: Connection, cases: Sequence[tuple[str, str, str]]) -> None:
    """(case, number, member) of each."""
    await conn.execute(
        "insert into case_file (id, number, member_id) select * from unnest($1::uuid[], $2::text[], $3::uuid[])",
        [case_id for case_id, *_ in cases],
        [number for _, number, _ in cases],
        [member_id for *_, member_id in cases],
    )


async def insert(conn: Connection, needs: Sequence[NewNeed], now: datetime) -> None:
    await conn.executemany(
        "insert into mission (id, case_id, need_id, number, service, wish, status, version, round, attempts, live, changed_at)"
        " select $1, c.id, $3, c.number || '-' || $4::text, $5, $6, 'waiting', 1, 1, 0, 0, $7 from case_file c where c.id = $2",
        [(need.mission_id, need.case_id, need.need_id, str(need.rank), need.service, asdict(need.wish), now) for need in needs],
    )


async def lock(conn: Connection, mission_id: str) -> Mission | None:
    return await _one(conn, await conn.fetchrow(_BY_ID + " for update", mission_id))


async def lock_by_offer(conn: Connection, offer_id: str) -> Mission | None:
    """None too when the offer is out of the caller's sight."""
    found = await conn.fetchrow("select * from mission where id = (select mission_id from offer where id = $1) for update", offer_id)
    return await _one(conn, found)


async def lock_by_needs(conn: Connection, need_ids: Sequence[str]) -> dict[str, Mission]:
    """need -> its mission, locked in one order by whoever locks several."""
    rows = await conn.fetch("select * from mission where need_id = any($1::uuid[]) order by id for update", need_ids)
    asked = [row["id"] for row in rows if row["attempts"]]
    offers = await conn.fetch(_OFFERS, asked) if asked else []
    return {row["need_id"]: _mission(row, [offer for offer in offers if offer["mission_id"] == row["id"]]) for row in rows}


async def read(conn: Connection, mission_id: str) -> Mission | None:
    return await _one(conn, await conn.fetchrow(_BY_ID, mission_id))


async def _one(conn: Connection, row: Any) -> Mission | None:
    return row and _mission(row, await conn.fetch(_OFFERS, [row["id"]]))


async def save(conn: Connection, changes: Sequence[tuple[Mission, Mission]], now: datetime) -> None:
    """(before, after) of each, under the lock that was taken when it was loaded, in one statement."""
    offers = [(after.id, offer) for before, after in changes for offer in after.offers if offer not in before.offers]
    # An offer that ends is written before another takes its place, since only one may be accepted.
    offers.sort(key=lambda found: found[1].status in ("live", "accepted"))
    await conn.execute(_SAVE, [_stored(after, now) for _, after in changes], [_stored_offer(mission_id, offer, now) for mission_id, offer in offers])


_SAVE = """
with saved as (
  update mission m set wish = n.wish, status = n.status, version = n.version, round = n.round, attempts = n.attempts, live = n.live,
    provider_id = n.provider_id, offer_id = n.offer_id, pending = n.pending, answer_by = n.answer_by, task_id = n.task_id,
    task_kind = n.task_kind, changed_at = n.changed_at
  from jsonb_populate_recordset(null::mission, $1) n where m.id = n.id
)
insert into offer select * from jsonb_populate_recordset(null::offer, $2)
on conflict (id) do update set status = excluded.status, reason = excluded.reason, said = excluded.said, day = excluded.day,
  appointment_start = excluded.appointment_start, appointment_end = excluded.appointment_end, changed_at = excluded.changed_at
"""


async def loads(conn: Connection, days: Sequence[date]) -> dict[date, dict[str, int]]:
    """day -> provider -> missions and live offers."""
    rows = await conn.fetch(
        "select day, provider_id, count(*) as n from offer where day = any($1::date[]) and status in ('live', 'accepted') group by day, provider_id",
        days,
    )
    found: dict[date, dict[str, int]] = {day: {} for day in days}
    for row in rows:
        found[row["day"]][row["provider_id"]] = row["n"]
    return found


async def declines(conn: Connection, now: datetime) -> dict[str, int]:
    """provider -> offers declined, let expire or given up of late; "no_capacity" is no fault."""
    rows = await conn.fetch(
        "select provider_id, count(*) as n from offer where status in ('declined', 'expired', 'taken_back') and changed_at > $1"
        " and (status = 'expired' or status = 'declined' and reason <> 'no_capacity' or reason = 'provider_gave_up') group by provider_id",
        now - DECLINES_WITHIN,
    )
    return {row["provider_id"]: row["n"] for row in rows}


def _mission(row: Any, offers: Sequence[Any]) -> Mission:
    return Mission(
        id=row["id"],
        case_id=row["case_id"],
        need_id=row["need_id"],
        number=row["number"],
        service=row["service"],
        wish=_wish(row["wish"]),
        status=row["status"],
        version=row["version"],
        round=row["round"],
        attempts=row["attempts"],
        live=row["live"],
        provider_id=row["provider_id"],
        offer_id=row["offer_id"],
        pending=row["pending"] and _wish(row["pending"]),
        answer_by=row["answer_by"],
        task=Task(row["task_id"], row["task_kind"]) if row["task_id"] else None,
        offers=tuple(_offer(offer) for offer in offers),
    )


def _offer(row: Any) -> Offer:
    return Offer(
        id=row["id"],
        provider_id=row["provider_id"],
        attempt=row["attempt"],
        round=row["round"],
        expires_at=row["expires_at"],
        why=tuple(row["why"]),
        day=row["day"],
        status=row["status"],
        reason=row["reason"],
        said=row["said"],
        appointment=Slot(row["appointment_start"], row["appointment_end"]) if row["appointment_start"] else None,
    )


def _wish(stored: dict[str, Any]) -> Wish:
    times = {"start": datetime.fromisoformat(stored["start"]), "end": datetime.fromisoformat(stored["end"])}
    return Wish(**stored | times | {"place": Place(**stored["place"])})


def _stored(mission: Mission, now: datetime) -> dict[str, Any]:
    names = ("id", "wish", "status", "version", "round", "attempts", "live", "provider_id", "offer_id", "pending", "answer_by")
    task = {"task_id": mission.task and mission.task.id, "task_kind": mission.task and mission.task.kind}
    return {name: getattr(mission, name) for name in names} | task | {"changed_at": now}


def _stored_offer(mission_id: str, offer: Offer, now: datetime) -> dict[str, Any]:
    names = ("id", "provider_id", "attempt", "round", "expires_at", "why", "day", "status", "reason", "said")
    slot = {"appointment_start": offer.appointment and offer.appointment.start, "appointment_end": offer.appointment and offer.appointment.end}
    return {name: getattr(offer, name) for name in names} | slot | {"mission_id": mission_id, "changed_at": now}
