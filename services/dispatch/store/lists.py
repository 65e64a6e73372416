"""What readers are shown: rows as plain dicts, without locks."""

from typing import Any

from services.kit import places
from services.kit.db import Connection

_OWN = (  # with how the offer stands for the provider it was made to
    "select m.id as mission_id, o.id as offer_id, m.case_id, m.need_id, m.number, m.service, m.wish, m.pending, m.answer_by, o.expires_at,"
    " o.reason, o.appointment_start, o.appointment_end, case o.status when 'live' then 'offered' when 'accepted' then m.status"
    " when 'taken_back' then 'cancelled' else o.status end as status"
    " from offer o join mission m on m.id = o.mission_id where o.provider_id = $1"
)


async def own_offers(conn: Connection, provider_id: str) -> list[dict[str, Any]]:
    """Those that wait for an answer, the first to expire first."""
    rows = await conn.fetch(_OWN + " and o.status = 'live' order by o.expires_at limit 200", provider_id)
    return [_own(row) for row in rows]


async def own_missions(conn: Connection, provider_id: str, state: str | None, before: str | None, limit: int) -> list[dict[str, Any]]:
    """What it accepted, newest first."""
    rows = await conn.fetch(
        _OWN + " and o.status in ('accepted', 'taken_back')"
        " and ($2::text is null or $2 = case o.status when 'accepted' then m.status else 'cancelled' end)"
        " and ($3::uuid is null or o.id < $3) order by o.id desc limit $4",
        provider_id,
        state,
        before,
        limit,
    )
    return [_own(row) for row in rows]


async def own_mission(conn: Connection, provider_id: str, mission_id: str) -> dict[str, Any] | None:
    """By its last offer."""
    row = await conn.fetchrow(_OWN + " and m.id = $2 order by o.attempt desc limit 1", provider_id, mission_id)
    return _own(row) if row else None


async def card_of(conn: Connection, mission_id: str) -> tuple[str, dict[str, Any]] | None:
    """The need and the case card of a mission; None while there is none, or none for the caller."""
    row = await conn.fetchrow("select m.need_id, c.card from mission m join case_card c on c.case_id = m.case_id where m.id = $1", mission_id)
    return (row["need_id"], row["card"]) if row and row["card"] else None


async def missions(conn: Connection, state: str | None, case_id: str | None, before: str | None, limit: int) -> list[dict[str, Any]]:
    """For staff, newest first."""
    rows = await conn.fetch(
        "select id, case_id, need_id, number, service, status, version, attempts, provider_id, wish, changed_at from mission"
        " where ($1::text is null or status = $1) and ($2::uuid is null or case_id = $2) and ($3::uuid is null or id < $3) order by id desc limit $4",
        state,
        case_id,
        before,
        limit,
    )
    return [dict(row) for row in rows]


async def mission(conn: Connection, mission_id: str) -> dict[str, Any] | None:
    row = await conn.fetchrow("select * from mission where id = $1", mission_id)
    if row is None:
        return None
    offers = await conn.fetch(
        "select o.id, o.provider_id, p.label as provider, o.attempt, o.status, o.reason, o.said, o.why, o.expires_at, o.appointment_start,"
        " o.appointment_end, o.changed_at from offer o join provider p on p.id = o.provider_id where o.mission_id = $1 order by o.attempt",
        mission_id,
    )
    return {**row, "offers": [dict(offer) for offer in offers]}


async def providers(conn: Connection, after: str | None, limit: int) -> list[dict[str, Any]]:
    """By code."""
    rows = await conn.fetch("select * from provider where ($1::text is null or code > $1) order by code limit $2", after, limit)
    return [dict(row) for row in rows]


def _own(row: Any) -> dict[str, Any]:
    wish = row["wish"]
    found = {
        "mission_id": row["mission_id"],
        "offer_id": row["offer_id"],
        "case_id": row["case_id"],
        "case_number": row["number"],
        "service": row["service"],
        "status": row["status"],
        "reason": row["reason"],
        "place": _place(wish),
        "wanted": {"start": wish["start"], "end": wish["end"]},
        "quantity": wish["quantity"],
        "unit": wish["unit"],
        "urgency": wish["urgency"],
        "expires_at": row["expires_at"],
        "appointment": {"start": row["appointment_start"], "end": row["appointment_end"]} if row["appointment_start"] else None,
        "amendment": None,
    }
    if row["pending"] and row["status"] == "accepted":
        pending = row["pending"]
        found["amendment"] = {
            "place": _place(pending),
            "wanted": {"start": pending["start"], "end": pending["end"]},
            "answer_by": row["answer_by"],
        }
    return found


def _place(wish: dict[str, Any]) -> dict[str, str]:
    place = wish["place"]
    return {"insee": place["insee"], "postcode": place["postcode"], "commune": places.name(place["insee"]), "zone": place["zone"]}
