"""What people, machines and administrators do here."""

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from services.gateway import domain, emits, store
from services.gateway.domain import AccountExists, Client, NewClient, NewUser, TooManyAttempts, User, WrongCredentials
from services.gateway.store import Kind
from services.kit import erasing
from services.kit.clock import new_id
from services.kit.db import Database, Transaction
from services.kit.errors import NotFound
from services.kit.tickets import Ticket, WrongTicket

AUDIT_DAYS = 365
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)  # OWASP's first choice, some 25 ms
_hashing = asyncio.Semaphore(4)  # each takes 19 MiB and a core
_NOBODY = _hasher.hash(secrets.token_urlsafe())  # an unknown login takes as long as a wrong password

Subject = TypeVar("Subject", User, Client)


@dataclass(frozen=True, slots=True)
class Session:
    """`sid` names it without giving it away."""

    sid: str
    user: User
    ends_at: datetime


async def create_user(tx: Transaction, new: NewUser) -> User:
    """Raises `WrongAccount`, `LoginTaken`."""
    user = domain.create_user(new_id(), new)
    await store.add_user(tx, user, await _hash(new.password))
    emits.user_changed(tx, user)
    return user


async def open_account(tx: Transaction, ticket: Ticket, password: str) -> User:
    """Of the member that the ticket is about. Raises `WrongTicket` for one that was used, `AccountExists`, `WrongAccount`."""
    if not await store.use_ticket(tx, ticket.id, ticket.ends_at):
        raise WrongTicket("this ticket was used already; ask for a new code")
    if await store.has_account(tx, ticket.subject):
        raise AccountExists
    logins = [str(login) for login in ticket.claims["logins"]]
    taken = await store.taken(tx, logins)
    login = next((one for one in logins if one not in taken), logins[-1])
    language = ticket.claims["lang"] if ticket.claims["lang"] in domain.LANGUAGES else domain.LANGUAGES[0]
    who = NewUser(login=login, password=password, name=ticket.claims["name"], language=language, roles=("member",), member_id=ticket.subject)
    return await create_user(tx, who)


async def enter(db: Database, user: User, address: str) -> str:
    """The token of a session of somebody who has just proven otherwise who they are."""
    token = secrets.token_urlsafe(32)
    async with db.transaction() as tx:
        await store.add_attempt(tx, "person", digest(f"person:{user.login}"), address, user.id, "signed_in")
        await store.add_session(tx, digest(token), user.id)
    return token


async def deactivate_user(tx: Transaction, user_id: str) -> User:
    """Signs them out everywhere. Again: nothing more happens. Raises `NotFound`."""
    user = await store.lock_user(tx, user_id)
    if user is None:
        raise NotFound
    after = domain.deactivate(user)
    if after != user:
        await store.save_activity(tx, after)
        await store.end_sessions_of(tx, user_id)
        emits.user_changed(tx, after)
    return after


async def erase_member(tx: Transaction, member_id: str) -> None:
    """The accounts of a member who was erased. Again: nothing more happens."""
    for user in await store.accounts_of(tx, member_id):
        after = domain.erase(user)
        if after == user:
            continue
        await store.blank_account(tx, after)
        await erasing.blank_cards(tx.conn, [f"user:{user.id}"])
        await erasing.blank_answers(tx.conn, erasing.texts_of([user.login, user.name]))
        emits.user_erased(tx, after)


async def create_client(tx: Transaction, new: NewClient) -> Client:
    """Raises `WrongAccount`, `LoginTaken`."""
    client = domain.create_client(new_id(), new)
    await store.add_client(tx, client, await _hash(new.secret))
    return client


async def sign_in(db: Database, login: str, password: str, address: str) -> tuple[str, User]:
    """The new session's token, which is kept nowhere, and whose it is. Raises `WrongCredentials`, `TooManyAttempts`."""
    token = secrets.token_urlsafe(32)

    async def enter(tx: Transaction, user: User) -> None:
        await store.add_session(tx, digest(token), user.id)

    user = await _prove(db, "person", login.strip().lower(), password, address, store.user_by_login, enter)
    return token, user


async def sign_in_client(db: Database, client_id: str, secret: str, address: str) -> Client:
    """Raises `WrongCredentials`, `TooManyAttempts`."""
    return await _prove(db, "machine", client_id, secret, address, store.client_by_id)


async def sign_out(tx: Transaction, token: str) -> None:
    await store.end_session(tx, digest(token))


async def see_session(tx: Transaction, token: str) -> Session | None:
    """The living session of an active account."""
    found = await store.see_session(tx, digest(token))
    return Session(digest(token).hex()[:32], *found) if found else None


async def purge(db: Database) -> None:
    async with db.transaction() as tx:
        await store.purge(tx, AUDIT_DAYS)


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


async def _prove(
    db: Database,
    kind: Kind,
    login: str,
    secret: str,
    address: str,
    find: Callable[[Transaction, str], Awaitable[tuple[Subject, str] | None]],
    enter: Callable[[Transaction, Subject], Awaitable[None]] | None = None,
) -> Subject:
    """Whom login and secret prove; `enter` commits with the success. Raises `WrongCredentials`, `TooManyAttempts`.

    Two transactions: none is held while the secret is checked, and an attempt counts even when this process dies meanwhile.
    """
    login_sha256 = digest(f"{kind}:{login}")
    async with db.transaction() as tx:
        found = await find(tx, login)
        allowed = domain.may_try(kind, *await store.failures(tx, login_sha256, address))
        subject_id = found[0].id if found else None
        attempt = await store.add_attempt(tx, kind, login_sha256, address, subject_id, "started" if allowed else "locked")
    if not allowed:
        raise TooManyAttempts
    subject, secret_hash = found or (None, _NOBODY)
    proven = await _matches(secret_hash, secret) and subject is not None and subject.active
    async with db.transaction() as tx:
        await store.end_attempt(tx, attempt, "signed_in" if proven else "wrong")
        if proven and subject and enter:
            await enter(tx, subject)
    if subject is None or not proven:
        raise WrongCredentials
    return subject


async def _hash(secret: str) -> str:
    async with _hashing:
        return await asyncio.to_thread(_hasher.hash, secret)


async def _matches(secret_hash: str, secret: str) -> bool:
    async with _hashing:
        try:
            return await asyncio.to_thread(_hasher.verify, secret_hash, secret)
        except VerificationError:
            return False
