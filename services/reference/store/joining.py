"""Who asks for a code, what was sent, and what was tried."""

from datetime import date, datetime
from typing import Any

from services.kit.db import Connection


async def one_by_one(conn: Connection, *digests: bytes) -> None:
    """Requests of one person, or from one address, queue here until the transaction ends: many at once cannot all be the last allowed."""
    for number in sorted({int.from_bytes(digest[:8], signed=True) for digest in digests}):
        await conn.execute("select pg_advisory_xact_lock($1)", number)


async def asked(conn: Connection, who: bytes, address: bytes, since: datetime) -> tuple[int, int]:
    """How many codes, of this person and from this address."""
    row = await conn.fetchrow(
        "select (select count(*) from join_request where who_sha256 = $1 and made_at > $3) as of_person,"
        " (select count(*) from join_request where address_sha256 = $2 and made_at > $3) as from_address",
        who,
        address,
        since,
    )
    assert row is not None
    return row["of_person"], row["from_address"]


async def add(
    conn: Connection, request_id: str, who: bytes, address: bytes, number: str, birth_date: date, channel: str, now: datetime, ends_at: datetime
) -> None:
    await conn.execute(
        "insert into join_request (id, who_sha256, address_sha256, number, birth_date, channel, made_at, ends_at)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8)",
        *(request_id, who, address, number, birth_date, channel, now, ends_at),
    )


async def take(conn: Connection, request_id: str) -> dict[str, Any] | None:
    """Locked."""
    row = await conn.fetchrow("select * from join_request where id = $1 for update", request_id)
    return dict(row) if row else None


async def members(conn: Connection, number: str, birth_date: date, today: date) -> list[dict[str, Any]]:
    """Who has this number and was born that day, and has not left."""
    rows = await conn.fetch(
        "select id, phones, emails, language from member where number = $1 and birth_date = $2 and not provisional"
        " and (ended_on is null or ended_on >= $3)",
        number,
        birth_date,
        today,
    )
    return [dict(row) for row in rows]


async def settle(conn: Connection, request_id: str, member_id: str | None, code_hash: bytes | None) -> None:
    """What the worker found; number and birth date go."""
    await conn.execute(
        "update join_request set member_id = $2, code_hash = $3, number = null, birth_date = null where id = $1", request_id, member_id, code_hash
    )


async def tried(conn: Connection, address: bytes, since: datetime) -> int:
    """How many codes were tried from there; this one counts from now on."""
    count: int = await conn.fetchval("select count(*) from join_try where address_sha256 = $1 and at > $2", address, since)
    await conn.execute("insert into join_try (address_sha256, at) values ($1, now())", address)
    return count


async def try_all(conn: Connection, who: bytes, now: datetime, tries: int) -> list[dict[str, Any]]:
    """The requests of this person that may still be answered; one more try of each is used up. Locked."""
    rows = await conn.fetch(
        "update join_request set tries = tries + 1 where who_sha256 = $1 and ends_at > $2 and used_at is null and tries < $3"
        " returning id, member_id, code_hash",
        who,
        now,
        tries,
    )
    return [dict(row) for row in rows]


async def use(conn: Connection, who: bytes, now: datetime) -> None:
    """Whoever has a ticket needs no other of the codes."""
    await conn.execute("update join_request set used_at = $2 where who_sha256 = $1 and used_at is null", who, now)


async def person(conn: Connection, member_id: str) -> dict[str, Any] | None:
    row = await conn.fetchrow(
        "select m.id, m.number, m.first_name, m.last_name, m.language, p.code as principal"
        " from member m join principal p on p.id = m.principal_id where m.id = $1",
        member_id,
    )
    return dict(row) if row else None


async def purge(conn: Connection, before: datetime) -> None:
    await conn.execute("delete from join_request where made_at < $1", before)
    await conn.execute("delete from join_try where at < $1", before)
