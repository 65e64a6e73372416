"""Tickets that a browser carries from one service to another: signed by the one, used once at the other, for a few minutes.

ES256 with keys of their own: a ticket is no access token, and none of those is a ticket. Keys are files, read again when they change.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fastapi import Request
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

from services.kit.auth import ALGORITHMS, ISSUER
from services.kit.clock import new_id
from services.kit.errors import Unauthenticated, Unavailable

TYPE = "ticket+jwt"
LIFE = timedelta(minutes=5)
MOST = 4096  # characters


class WrongTicket(Unauthenticated):
    code, title = "wrong_ticket", "This ticket is not valid (any more)"


@dataclass(frozen=True, slots=True)
class Ticket:
    """`id` is used once. `subject`: whom it is about; `claims`: what else the signer says of them."""

    id: str
    subject: str
    ends_at: datetime
    claims: dict[str, Any]


class TicketSigner:
    """`file`: a private JWK set, the first key signs."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def sign(self, audience: str, subject: str, now: datetime, **claims: Any) -> str:
        key = self._key()
        ours = {"iss": ISSUER, "aud": audience, "sub": subject, "jti": new_id(), "iat": int(now.timestamp()), "exp": int((now + LIFE).timestamp())}
        return jwt.encode({"alg": ALGORITHMS[0], "kid": key.kid, "typ": TYPE}, claims | ours, key)

    def secret(self, purpose: bytes) -> bytes:
        """A key for hashing, known to whoever has the file."""
        return hashlib.blake2b(json.dumps(self._key().as_dict(private=True)["d"]).encode(), digest_size=32, person=purpose).digest()

    def _key(self) -> ECKey:
        return ECKey.import_key(json.loads(self._file.read_bytes())["keys"][0])


class TicketVerifier:
    """`file`: the JWK set of the signer's public keys."""

    def __init__(self, audience: str, file: Path) -> None:
        self._audience = audience
        self._file = file

    def verify(self, ticket: str, now: datetime) -> Ticket:
        """Raises `WrongTicket`."""
        keys = KeySet.import_key_set(json.loads(self._file.read_bytes()))
        try:
            token = jwt.decode(ticket[:MOST], keys, algorithms=ALGORITHMS)
            claims = token.claims
            ends_at = datetime.fromtimestamp(claims["exp"], UTC)
            right = (token.header.get("typ"), claims["iss"], claims["aud"]) == (TYPE, ISSUER, self._audience)
            found = Ticket(str(claims["jti"]), str(claims["sub"]), ends_at, dict(claims))
        except (JoseError, ValueError, TypeError, KeyError, OverflowError):
            raise WrongTicket("this ticket is not signed by this platform") from None
        if not right:
            raise WrongTicket("this ticket is for something else")
        if ends_at <= now:
            raise WrongTicket("this ticket has expired; ask for a new code")
        return found


def signing(request: Request) -> TicketSigner:
    """Of the application. Raises `Unavailable`."""
    found: TicketSigner | None = request.app.state.tickets
    if found is None:
        raise Unavailable("no keys for tickets are set up here")
    return found


def verifying(request: Request) -> TicketVerifier:
    """Of the application. Raises `Unavailable`."""
    found: TicketVerifier | None = request.app.state.tickets
    if found is None:
        raise Unavailable("no keys for tickets are set up here")
    return found
