"""The only SQL of the gateway."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

import asyncpg

from services.gateway.domain import SESSION, WINDOW, Client, LoginTaken, User
from services.kit.db import Connection, Transaction, affected

Kind = Literal["person", "machine"]
Outcome = Literal["signed_in", "wrong", "locked"]

_INSERT_USER = """
insert into account (id, login, password_hash, roles, principal_ids, provider_id, member_id, name, language, active, version, created_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) on conflict do nothing
"""
_INSERT_CLIENT = """
insert into client (id, client_id, secret_hash, roles, principal_ids, provider_id, member_id, name, scopes, active, created_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict do nothing
"""
_FAILURES = """
select count(*) filter (where login_sha256 = $1) as of_login, count(*) filter (where address = $2) as from_address
from attempt
where (login_sha256 = $1 or address = $2) and at > $3 and outcome in ('started', 'wrong')
  and (login_sha256 <> $1 or at > coalesce((select max(at) from attempt where login_sha256 = $1 and outcome = 'signed_in'), '-infinity'))
"""
_SEE_SESSION = """
update session s set seen_at = $2
from account a
where s.token_sha256 = $1 and s.expires_at > $2 and a.id = s.account_id and a.active
returning a.id, a.login, a.name, a.language, a.active, a.version, a.roles, a.principal_ids, a.provider_id,
  counts_as(a.member_id) as member_id, s.expires_at
"""


class Failures(NamedTuple):
    """Since the last success of the login; `locked` attempts do not count, so a lock ends."""

    of_login: int
    from_address: int


async def add_user(tx: Transaction, user: User, password_hash: str) -> None:
    """Raises `LoginTaken`."""
    added = await tx.conn.execute(
        _INSERT_USER,
        *(user.id, user.login, password_hash, user.roles, user.principal_ids, user.provider_id, user.member_id),
        *(user.name, user.language, user.active, user.version, tx.now),
    )
    if not affected(added):
        raise LoginTaken


async def use_ticket(tx: Transaction, ticket_id: str, ends_at: datetime) -> bool:
    """Whether it was not used yet."""
    return bool(affected(await tx.conn.execute("insert into used_ticket (id, ends_at) values ($1, $2) on conflict do nothing", ticket_id, ends_at)))


async def has_account(tx: Transaction, member_id: str) -> bool:
    """Also a closed one. Who asks at the same time waits until this transaction ends."""
    await tx.conn.execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", member_id)
    found: bool = await tx.conn.fetchval("select exists (select from account where member_id = $1)", member_id)
    return found


async def taken(tx: Transaction, logins: Sequence[str]) -> set[str]:
    return {row["login"] for row in await tx.conn.fetch("select login from account where login = any($1::text[])", logins)}


async def lock_user(tx: Transaction, user_id: str) -> User | None:
    row = await tx.conn.fetchrow(
        "select id, login, name, language, active, version, roles, principal_ids, provider_id, member_id from account where id = $1 for update",
        user_id,
    )
    return User(**_fields(row)) if row else None


async def save_activity(tx: Transaction, user: User) -> None:
    await tx.conn.execute("update account set active = $2, version = $3 where id = $1", user.id, user.active, user.version)


async def user_by_login(tx: Transaction, login: str) -> tuple[User, str] | None:
    """The account and its password hash."""
    row = await tx.conn.fetchrow(
        "select password_hash, id, login, name, language, active, version, roles, principal_ids, provider_id, member_id"
        " from account where login = $1",
        login,
    )
    if row is None:
        return None
    fields = _fields(row)
    return User(**{name: value for name, value in fields.items() if name != "password_hash"}), fields["password_hash"]


async def add_client(tx: Transaction, client: Client, secret_hash: str) -> None:
    """Raises `LoginTaken`."""
    added = await tx.conn.execute(
        _INSERT_CLIENT,
        *(client.id, client.client_id, secret_hash, client.roles, client.principal_ids, client.provider_id, client.member_id),
        *(client.name, client.scopes, client.active, tx.now),
    )
    if not affected(added):
        raise LoginTaken


async def client_by_id(tx: Transaction, client_id: str) -> tuple[Client, str] | None:
    """The client and its secret's hash."""
    row = await tx.conn.fetchrow(
        "select id, client_id, name, scopes, active, roles, principal_ids, provider_id, member_id, secret_hash from client where client_id = $1",
        client_id,
    )
    if row is None:
        return None
    fields = _fields(row)
    return Client(**{name: value for name, value in fields.items() if name != "secret_hash"}), fields["secret_hash"]


async def failures(tx: Transaction, login_sha256: bytes, address: str) -> Failures:
    """Attempts at one login queue here, so that many at once cannot all be the tenth."""
    await tx.conn.execute("select pg_advisory_xact_lock($1)", int.from_bytes(login_sha256[:8], signed=True))
    [row] = await tx.conn.fetch(_FAILURES, login_sha256, address, tx.now - WINDOW)
    return Failures(row["of_login"], row["from_address"])


async def add_attempt(tx: Transaction, kind: Kind, login_sha256: bytes, address: str, subject_id: str | None, outcome: str) -> int:
    added: int = await tx.conn.fetchval(
        "insert into attempt (kind, login_sha256, address, subject_id, outcome, at) values ($1, $2, $3, $4, $5, $6) returning id",
        *(kind, login_sha256, address, subject_id, outcome, tx.now),
    )
    return added


async def end_attempt(tx: Transaction, attempt: int, outcome: Outcome) -> None:
    await tx.conn.execute("update attempt set outcome = $2 where id = $1", attempt, outcome)


async def add_session(tx: Transaction, token_sha256: bytes, user_id: str) -> None:
    await tx.conn.execute(
        "insert into session (token_sha256, account_id, created_at, seen_at, expires_at) values ($1, $2, $3, $3, $4)",
        *(token_sha256, user_id, tx.now, tx.now + SESSION),
    )


async def see_session(tx: Transaction, token_sha256: bytes) -> tuple[User, datetime] | None:
    """Who a living session belongs to and when it ends; notes that it was used."""
    row = await tx.conn.fetchrow(_SEE_SESSION, token_sha256, tx.now)
    if row is None:
        return None
    fields = _fields(row)
    return User(**{name: value for name, value in fields.items() if name != "expires_at"}), fields["expires_at"]


async def end_session(tx: Transaction, token_sha256: bytes) -> None:
    await tx.conn.execute("delete from session where token_sha256 = $1", token_sha256)


async def end_sessions_of(tx: Transaction, user_id: str) -> None:
    await tx.conn.execute("delete from session where account_id = $1", user_id)


async def accounts_of(tx: Transaction, member_id: str) -> list[User]:
    """A member's own, locked."""
    rows = await tx.conn.fetch(
        "select id, login, name, language, active, version, roles, principal_ids, provider_id, member_id from account where member_id = $1"
        " order by id for update",
        member_id,
    )
    return [User(**_fields(row)) for row in rows]


async def blank_account(tx: Transaction, user: User) -> None:
    """Nobody signs in with it any more, and it names nobody."""
    await tx.conn.execute(
        "update account set login = $2, name = $3, password_hash = '', active = $4, version = $5 where id = $1",
        *(user.id, user.login, user.name, user.active, user.version),
    )
    await tx.conn.execute("delete from attempt where subject_id = $1", user.id)
    await end_sessions_of(tx, user.id)


async def held(conn: Connection, member_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """All that the gateway holds of these members, without what proves who they are."""
    queries = {
        "accounts": "select id, login, name, language, active, created_at from account where member_id = any($1::uuid[]) order by id",
        "sessions": "select s.created_at, s.seen_at, s.expires_at from session s join account a on a.id = s.account_id"
        " where a.member_id = any($1::uuid[]) order by 1",
        "attempts": "select t.kind, t.address, t.outcome, t.at from attempt t join account a on a.id = t.subject_id"
        " where a.member_id = any($1::uuid[]) order by t.at",
    }
    return {name: [dict(row) for row in await conn.fetch(query, member_ids)] for name, query in queries.items()}


async def link_members(tx: Transaction, members: Mapping[str, str | None]) -> None:
    """Member id -> whom it is linked to, None for nobody."""
    linked = {member_id: other for member_id, other in members.items() if other}
    await tx.conn.execute("delete from linked_member where member_id = any($1::uuid[])", [one for one in members if one not in linked])
    if linked:
        await tx.conn.execute(
            "insert into linked_member (member_id, linked_to) select * from unnest($1::uuid[], $2::uuid[])"
            " on conflict (member_id) do update set linked_to = excluded.linked_to",
            list(linked),
            list(linked.values()),
        )


async def purge(tx: Transaction, audit_days: int) -> None:
    await tx.conn.execute("delete from session where expires_at < $1", tx.now)
    await tx.conn.execute("delete from used_ticket where ends_at < $1", tx.now)
    await tx.conn.execute("delete from attempt where at < $1::timestamptz - make_interval(days => $2)", tx.now, audit_days)


def _fields(row: asyncpg.Record) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
