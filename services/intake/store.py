"""The only SQL of intake."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from services.intake.domain import Case, Need, Wish
from services.kit.db import Connection

_LISTED = "select id, number, principal_id, member_id, channel, open, version, opened_at, closed_at"
_VIEW = _LISTED + ", contract_id, card_version, card from assistance_case where id = $1"


async def insert_case(conn: Connection, case: Case, channel: str, provisional: bool, card: dict[str, Any], now: datetime) -> Case:
    """With the number that it gets."""
    number: str = await conn.fetchval(
        "select open_case(row($1, null, $2, $3, $4, $5, $6, true, 1, $7, null, 1, $8, $9, $3)::assistance_case, $10)",
        case.id,
        case.principal_id,
        case.member_id,
        case.contract_id,
        provisional,
        channel,
        now,
        card,
        card["beneficiary"].get("phone"),
        case.needs,
    )
    return replace(case, number=number)


async def save(conn: Connection, changes: Sequence[tuple[Case, Case]], now: datetime) -> None:
    """(before, after) of each: what changed is written under the lock that `load` took, and the version raised."""
    await conn.execute(
        "with saved as ("
        "  update assistance_case c set open = n.open, version = version + 1, closed_at = case when not n.open then coalesce(closed_at, $3) end,"
        "  member_id = n.member_id from unnest($1::uuid[], $2::bool[], $5::uuid[]) as n (id, open, member_id) where c.id = n.id)"
        " insert into need select * from jsonb_populate_recordset(null::need, $4)"
        " on conflict (id) do update set wish = excluded.wish, settled_wish = excluded.settled_wish, status = excluded.status,"
        " started = excluded.started, at_risk = excluded.at_risk",
        [after.id for _, after in changes],
        [after.open for _, after in changes],
        now,
        [asdict(need) | {"case_id": after.id} for before, after in changes for need in after.needs if need not in before.needs],
        [after.member_id for _, after in changes],
    )


async def load(conn: Connection, case_ids: Iterable[str]) -> dict[str, Case]:
    """The cases, locked in one order until the end of the transaction."""
    rows = await conn.fetch(
        "select id, number, principal_id, member_id, contract_id, open, version from assistance_case where id = any($1::uuid[])"
        " order by id for update",
        sorted(set(case_ids)),
    )
    # A statement of its own: what it reads was written before the lock was ours.
    found = await conn.fetch(
        "select case_id, id, rank, service, wish, settled_wish, status, started, at_risk from need where case_id = any($1::uuid[]) order by rank",
        [row["id"] for row in rows],
    )
    return {row["id"]: Case(**row, needs=tuple(_need(need) for need in found if need["case_id"] == row["id"])) for row in rows}


async def card(conn: Connection, case_id: str) -> tuple[int, dict[str, Any]]:
    row = await conn.fetchrow("select card_version, card from assistance_case where id = $1", case_id)
    assert row is not None
    return row["card_version"], row["card"]


async def save_card(conn: Connection, case_id: str, version: int, content: dict[str, Any]) -> None:
    await conn.execute(
        "update assistance_case set card_version = $2, card = $3, phone = $4 where id = $1",
        case_id,
        version,
        content,
        (content.get("beneficiary") or {}).get("phone"),
    )


async def keep_member(conn: Connection, member_id: str, version: int, content: dict[str, Any] | None) -> bool:
    """The higher version wins; False for one that does not."""
    return bool(
        await conn.fetchval(
            "insert into member_card as c (member_id, version, content) values ($1, $2, $3) on conflict (member_id)"
            " do update set version = excluded.version, content = excluded.content where excluded.version > c.version returning true",
            member_id,
            version,
            content,
        )
    )


async def member(conn: Connection, member_id: str) -> dict[str, Any] | None:
    """Of a member with an open case what the card says, if it has come."""
    content: dict[str, Any] | None = await conn.fetchval("select content from member_card where member_id = $1", member_id)
    return content


async def open_cases_of(conn: Connection, member_id: str) -> list[str]:
    return [row["id"] for row in await conn.fetch("select id from assistance_case where member_id = $1 and open order by id", member_id)]


async def view(conn: Connection, case_id: str) -> dict[str, Any] | None:
    """The case as a reader sees it, without a lock."""
    row = await conn.fetchrow(_VIEW, case_id)
    if row is None:
        return None
    needs = await conn.fetch("select id, rank, service, wish, status, started, at_risk from need where case_id = $1 order by rank", case_id)
    notes = await conn.fetch("select id, need_id, author_kind, text, at from note where case_id = $1 order by at", case_id)
    return {**row, "needs": [dict(need) for need in needs], "notes": [dict(note) for note in notes]}


async def search(
    conn: Connection,
    *,
    number: str | None,
    phone: str | None,
    member_id: str | None,
    is_open: bool | None,
    before: tuple[datetime, str] | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Newest first."""
    filters: dict[str, Any] = {"number = ": number, "phone = ": phone, "member_id = ": member_id, "open = ": is_open}
    given = {filter_: value for filter_, value in filters.items() if value is not None}
    if before:
        given |= {"(opened_at, id) < ": before}
    values: list[Any] = []
    conditions = []
    for filter_, value in given.items():
        parts = value if isinstance(value, tuple) else (value,)
        marks = ", ".join(f"${len(values) + n}" for n in range(1, len(parts) + 1))
        conditions.append(f"{filter_}({marks})")
        values += parts
    where = " where " + " and ".join(conditions) if conditions else ""
    sql = f"{_LISTED} from assistance_case{where} order by opened_at desc, id desc limit {limit:d}"
    rows = await conn.fetch(sql, *values)
    return [dict(row) for row in rows]


async def insert_note(conn: Connection, note_id: str, case_id: str, need_id: str | None, author: tuple[str, str], text: str, now: datetime) -> None:
    await conn.execute(
        "insert into note (id, case_id, need_id, author_id, author_kind, text, at) values ($1, $2, $3, $4, $5, $6, $7)",
        note_id,
        case_id,
        need_id,
        author[0],
        author[1],
        text,
        now,
    )


async def note_ids(conn: Connection, case_id: str) -> list[str]:
    return [row["id"] for row in await conn.fetch("select id from note where case_id = $1", case_id)]


async def forget(conn: Connection, case_id: str) -> None:
    """Blanks what a closed case knew of people."""
    await conn.execute("update assistance_case set card = '{}', phone = null where id = $1", case_id)
    await conn.execute("update note set text = '' where case_id = $1", case_id)


async def note_erased(conn: Connection, member_id: str, at: datetime) -> None:
    await conn.execute("insert into erased_member (member_id, requested_at) values ($1, $2) on conflict do nothing", member_id, at)
    await conn.execute("update member_card set content = null where member_id = $1", member_id)


async def is_erased(conn: Connection, case_id: str) -> bool:
    """Whether it is the case of somebody who was erased."""
    found: bool = await conn.fetchval(
        "select exists (select from assistance_case c join erased_member e on e.member_id in (c.member_id, c.opened_for) where c.id = $1)", case_id
    )
    return found


async def cases_of(conn: Connection, member_ids: Sequence[str]) -> list[str]:
    """Theirs, and those opened for them."""
    rows = await conn.fetch(
        "select id from assistance_case where member_id = any($1::uuid[]) union select id from assistance_case"
        " where opened_for = any($1::uuid[]) and opened_for <> member_id order by id",
        member_ids,
    )
    return [row["id"] for row in rows]


async def said_in(conn: Connection, case_id: str) -> list[str]:
    """The notes of a case."""
    return [row["text"] for row in await conn.fetch("select text from note where case_id = $1", case_id)]


async def drop_drafts(conn: Connection, texts: Sequence[str]) -> None:
    """Forms not sent yet that hold one of these."""
    await conn.execute("delete from draft where exists (select from unnest($1::text[]) t where position(t in form::text) > 0)", texts)


async def held(conn: Connection, member_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """All that intake holds of these members, by table."""
    case_ids = await cases_of(conn, member_ids)
    queries = {
        "cases": "select id, number, principal_id, member_id, opened_for, channel, open, opened_at, closed_at, card, phone from assistance_case"
        " where id = any($1::uuid[]) order by id",
        "needs": "select id, case_id, rank, service, wish, status from need where case_id = any($1::uuid[]) order by case_id, rank",
        "notes": "select id, case_id, need_id, text, at from note where case_id = any($1::uuid[]) order by at",
    }
    return {name: [dict(row) for row in await conn.fetch(query, case_ids)] for name, query in queries.items()}


async def at_risk_limit(conn: Connection, principal_id: str) -> int:
    limit: int | None = await conn.fetchval("select at_risk_limit_cents from principal where id = $1", principal_id)
    return limit or 0


async def save_principal(conn: Connection, principal_id: str, at_risk_limit_cents: int) -> None:
    await conn.execute(
        "insert into principal (id, at_risk_limit_cents) values ($1, $2)"
        " on conflict (id) do update set at_risk_limit_cents = excluded.at_risk_limit_cents",
        principal_id,
        at_risk_limit_cents,
    )


async def save_draft(conn: Connection, draft_id: str, owner_id: str, form: dict[str, Any], now: datetime) -> int | None:
    """The new version; None when the draft is another's."""
    version: int | None = await conn.fetchval(
        "insert into draft as d (id, owner_id, form, version, at) values ($1, $2, $3, 1, $4)"
        " on conflict (id) do update set form = excluded.form, version = d.version + 1, at = excluded.at where d.owner_id = $2 returning version",
        draft_id,
        owner_id,
        form,
        now,
    )
    return version


async def drafts(conn: Connection, owner_id: str) -> list[dict[str, Any]]:
    return [dict(row) for row in await conn.fetch("select id, form, version, at from draft where owner_id = $1 order by at desc limit 50", owner_id)]


async def delete_draft(conn: Connection, draft_id: str, owner_id: str) -> None:
    await conn.execute("delete from draft where id = $1 and owner_id = $2", draft_id, owner_id)


def _need(row: Any) -> Need:
    return Need(
        id=row["id"],
        rank=row["rank"],
        service=row["service"],
        wish=_wish(row["wish"]),
        status=row["status"],
        started=row["started"],
        at_risk=row["at_risk"],
        settled_wish=row["settled_wish"] and _wish(row["settled_wish"]),
    )


def _wish(stored: dict[str, Any]) -> Wish:
    occurred_on = stored.get("occurred_on")
    return Wish(
        **stored
        | {"start": datetime.fromisoformat(stored["start"]), "end": datetime.fromisoformat(stored["end"]), "quantity": Decimal(stored["quantity"])}
        | {"occurred_on": occurred_on and date.fromisoformat(occurred_on)}
    )
