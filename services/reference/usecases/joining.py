"""Accounts: a code to a phone or an address that we know, and for the code a ticket. Nothing here tells a stranger who is a member:
what a request does before its answer is the same for everybody, the rest is the worker's."""

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import Any

from services.kit import deadlines, notify
from services.kit.clock import new_id
from services.kit.db import Database, Transaction
from services.kit.errors import Invalid, TooMany
from services.kit.notify import Notice, Text
from services.kit.tickets import TicketSigner
from services.reference.domain import joining as domain
from services.reference.domain.entitlement import CONTRACT_ZONE
from services.reference.domain.joining import Channel
from services.reference.store import joining as store

CODE = "join_code"  # the deadline
AUDIENCE = "gateway"
KEPT = timedelta(days=1)
PURPOSE = b"join code"
RETRY_AFTER_S = 3600


class WrongCode(Invalid):
    """Also where none was sent, it is too old, or it was tried too often."""

    code, title = "wrong_code", "The code is wrong, or not valid any more"


class TooManyCodes(TooMany):
    code, title = "too_many_codes", "Too many attempts, wait an hour"

    def __init__(self) -> None:
        super().__init__("wait an hour, or call us", retry_after=RETRY_AFTER_S)


async def ask(tx: Transaction, number: str, birth_date: date, channel: Channel, address: str) -> None:
    """The worker looks whether there is such a member. Raises `TooManyCodes`."""
    number = domain.number(number)
    who, where = _who(number, birth_date), _digest(address)
    await store.one_by_one(tx.conn, who, where)
    if not domain.may_ask(*await store.asked(tx.conn, who, where, tx.now - domain.WINDOW)):
        raise TooManyCodes
    request_id = new_id()
    await store.add(tx.conn, request_id, who, where, number, birth_date, channel, tx.now, tx.now + domain.CODE_LIFE)
    await deadlines.put(tx.conn, CODE, request_id, tx.now)


def sending(signer: TicketSigner) -> Callable[[Transaction, str], Awaitable[None]]:
    """The worker's part: the code, if there is such a member and a way to reach them. Two with the same number and birth date get none."""

    async def send(tx: Transaction, request_id: str) -> None:
        await store.purge(tx.conn, tx.now - KEPT)
        asked = await store.take(tx.conn, request_id)
        if asked is None or asked["number"] is None:
            return
        found = await store.members(tx.conn, asked["number"], asked["birth_date"], tx.now.astimezone(CONTRACT_ZONE).date())
        to = domain.contact(asked["channel"], found[0]["phones"], found[0]["emails"]) if len(found) == 1 else None
        if to is None:
            await store.settle(tx.conn, request_id, None, None)
            return
        code = f"{secrets.randbelow(10**6):06}"
        await store.settle(tx.conn, request_id, found[0]["id"], _hash(signer, request_id, code))
        channel, address = to
        await notify.put(
            tx,
            Notice(
                key=f"{CODE}:{request_id}",
                channel=channel,
                to=address,
                language=found[0]["language"],
                texts=_texts(code),
                urgent=True,
                until=asked["ends_at"],
                kept=False,
            ),
        )

    return send


async def answer(db: Database, signer: TicketSigner, number: str, birth_date: date, code: str, address: str) -> tuple[str, str]:
    """The ticket, and the login that the account will have if it is free. Raises `WrongCode`, `TooManyCodes`; a wrong try counts all the same."""
    who, where = _who(domain.number(number), birth_date), _digest(address)
    async with db.transaction() as tx:
        await store.one_by_one(tx.conn, who, where)
        allowed = domain.may_try(await store.tried(tx.conn, where, tx.now - domain.WINDOW))
        open_ = await store.try_all(tx.conn, who, tx.now, domain.TRIES) if allowed else []
        right = [row["member_id"] for row in open_ if hmac.compare_digest(row["code_hash"] or b"", _hash(signer, row["id"], code))]
        person = await store.person(tx.conn, right[0]) if right else None
        if person:
            await store.use(tx.conn, who, tx.now)
    if not allowed:
        raise TooManyCodes
    if person is None:
        raise WrongCode("ask for a new code, or call us")
    return _ticket(signer, person, tx)


def _ticket(signer: TicketSigner, person: dict[str, Any], tx: Transaction) -> tuple[str, str]:
    logins = domain.logins(person["number"], person["principal"])
    name = f"{person['first_name']} {person['last_name']}".strip()
    return signer.sign(AUDIENCE, person["id"], tx.now, logins=logins, name=name, lang=person["language"]), logins[0]


def _texts(code: str) -> dict[str, Text]:
    return {
        "fr": Text(
            f"Entraide : votre code est {code}. Il est valable 10 minutes. Si vous n’avez rien demandé, ne faites rien et ne le donnez à personne.",
            "Votre code Entraide",
        ),
        "en": Text(
            f"Entraide: your code is {code}. It is valid for 10 minutes. If you have not asked for it, do nothing and give it to nobody.",
            "Your Entraide code",
        ),
    }


def _who(number: str, birth_date: date) -> bytes:
    return _digest(f"{number}/{birth_date}")


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _hash(signer: TicketSigner, request_id: str, code: str) -> bytes:
    return hmac.digest(signer.secret(PURPOSE), f"{request_id}:{code}".encode(), "sha256")
