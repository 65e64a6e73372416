"""Browser sessions at the door: the cookie, where a form may come from, and the token that is attached to what goes on to a service."""

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import asyncpg
from starlette.types import Scope

from services.gateway import domain, usecases
from services.gateway.tokens import LIFE_S, Signer
from services.gateway.usecases import Session
from services.kit.db import Database
from services.kit.errors import Forbidden, Unavailable

REFUSAL, SESSION = "entraide.refusal", "entraide.session"  # in the scope: what the front tells the application behind it
CHECKED_S = 30  # a session that was ended in another process is refused within this time
KNOWN = 10_000


@dataclass(slots=True)
class Attached:
    session: Session
    authorization: bytes
    ends_at: float
    check_at: float


class Sessions:
    """Remembers each session's token until half its life; asks the database again every CHECKED_S."""

    def __init__(self, db: Callable[[], Database], signer: Signer, csrf_secret: bytes, *, secure: bool) -> None:
        self.cookie = "__Host-entraide_session" if secure else "entraide_session"
        self.secure = secure
        self._db = db
        self._signer = signer
        self._csrf_secret = csrf_secret
        self._known: dict[str, Attached] = {}

    async def find(self, cookies: bytes) -> Attached | None:
        """The living session that a Cookie header names. Raises `Unavailable`."""
        token = cookie(cookies, self.cookie)
        if not token:
            return None
        known = self._known.get(token)
        now = time.time()
        if known and known.check_at > now:
            return known
        try:
            async with self._db().transaction() as tx:
                session = await usecases.see_session(tx, token)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            if known and known.ends_at > now:  # the platform goes on for who is in while our database is away
                known.check_at = min(now + CHECKED_S, known.ends_at)
                return known
            raise Unavailable("the sessions cannot be read; the same request may be sent again") from None
        if session is None:
            self.forget(token)
            return None
        return self._attach(token, session, now, known)

    def forget(self, token: str) -> None:
        self._known.pop(token, None)

    def csrf(self, session: Session) -> str:
        return hmac.new(self._csrf_secret, b"csrf:" + session.sid.encode(), hashlib.sha256).hexdigest()

    def _attach(self, token: str, session: Session, now: float, known: Attached | None) -> Attached:
        check_at = min(now + CHECKED_S, session.ends_at.timestamp())
        if known and known.session.user == session.user and known.ends_at - now > LIFE_S / 2:
            known.check_at = check_at
            return known
        user = session.user
        more = {"sid": session.sid, "csrf": self.csrf(session), "name": user.name, "lang": user.language}
        signed = self._signer.sign(user.id, user, domain.scopes_of(user.roles), **more)
        if len(self._known) >= KNOWN:
            self._known.clear()
        attached = self._known[token] = Attached(session, f"Bearer {signed}".encode(), now + LIFE_S, check_at)
        return attached


def cookie(header: bytes, name: str) -> str:
    for part in header.decode("latin-1").split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return value
    return ""


def check_origin(scope: Scope, headers: Mapping[bytes, bytes], origin: str) -> None:
    """A browser says where a form comes from: another site's is refused, and so is silence. Raises `Forbidden`."""
    ours = origin.encode() or b"%s://%s" % (scope["scheme"].encode(), headers.get(b"host", b""))
    site, said = headers.get(b"sec-fetch-site"), headers.get(b"origin")
    if site is said is None or site not in (None, b"same-origin") or said not in (None, ours):
        raise Forbidden("this was sent from another site; load the page again", code="origin")
