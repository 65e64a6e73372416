"""Who is calling: a signed token, verified here, never by asking another service.

ES256 only; keys come from a JWKS file named in settings and read again when it changes. Audience, expiry and issuer are checked.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from fastapi import Depends, Request
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from contracts.common import Actor
from services.kit.db import Tenant
from services.kit.errors import Forbidden, Unauthenticated

ISSUER = "entraide"
ALGORITHMS = ["ES256"]
STAFF = frozenset({"agent", "supervisor", "finance", "admin", "auditor"})
DESK = frozenset({"agent", "supervisor"})
LOOK_S = 1  # a key that is taken away is trusted that much longer; a new one is known at once
_LEEWAY_S = 5


@dataclass(frozen=True, slots=True)
class Caller:
    id: str
    roles: frozenset[str]
    scopes: frozenset[str]
    principal_ids: tuple[str, ...] = ()
    provider_id: str | None = None
    member_id: str | None = None
    csrf: str | None = None  # set for a browser session: its forms must carry it back
    name: str = ""  # for the page's own eyes; told of people in a browser only
    language: str = "fr"
    trail: str = ""  # client and user, for audits

    @property
    def staff(self) -> bool:
        return bool(self.roles & STAFF)

    @property
    def tenant(self) -> Tenant | None:
        """What row-level security lets this caller see; None for staff."""
        return None if self.staff else Tenant(self.principal_ids, self.provider_id, self.member_id)

    @property
    def kind(self) -> str:
        """As an `Actor` names it."""
        for role, kind in _KINDS.items():
            if role in self.roles:
                return kind
        return "system"

    @property
    def actor(self) -> Actor:
        """As events name it: a provider or a member by their own id, anybody else by their account's."""
        mine = self.id if len(self.id) == 36 and self.id.count("-") == 4 else None
        return Actor(kind=self.kind, id=self.provider_id or self.member_id or mine)


_KINDS = {
    "supervisor": "supervisor",
    "agent": "agent",
    "admin": "supervisor",
    "finance": "supervisor",
    "provider": "provider",
    "provider_admin": "provider",
    "principal": "principal",
    "principal_approver": "principal",
    "member": "member",
}


class Verifier:
    """Checks tokens for one audience. A verified token is remembered until it expires: verification costs more than the look-up."""

    def __init__(self, audience: str, jwks_file: Path) -> None:
        self._audience = audience
        self._file = jwks_file
        self._read_at = self._looked_at = 0.0
        self._keys = KeySet([])
        self._known: dict[str, tuple[float, Caller]] = {}

    def verify(self, token: str) -> Caller:
        """Raises `Unauthenticated`."""
        now = time.time()
        known = self._known.get(token)
        if known is None or now > self._looked_at + LOOK_S:
            self._looked_at = now
            self._reload()
            known = self._known.get(token)
        if known and known[0] > now:
            return known[1]
        try:
            claims = jwt.decode(token, self._keys, algorithms=ALGORITHMS).claims
        except (JoseError, ValueError, TypeError, KeyError):
            raise Unauthenticated("the token is not signed by this platform") from None
        caller = self._caller(claims, now)
        if len(self._known) > 5_000:
            self._known.clear()
        self._known[token] = (float(claims["exp"]) + _LEEWAY_S, caller)
        return caller

    def _caller(self, claims: dict[str, Any], now: float) -> Caller:
        audience = claims.get("aud", [])
        if claims.get("iss") != ISSUER or self._audience not in ([audience] if isinstance(audience, str) else audience):
            raise Unauthenticated(f"the token is not for {self._audience}")
        if not isinstance(claims.get("exp"), int | float) or claims["exp"] + _LEEWAY_S < now:
            raise Unauthenticated("the token has expired, get a new one")
        if not claims.get("sub"):
            raise Unauthenticated("the token names nobody")
        return Caller(
            id=str(claims["sub"]),
            roles=frozenset(claims.get("roles", ())),
            scopes=frozenset(str(claims.get("scope", "")).split()),
            principal_ids=tuple(claims.get("principal_ids", ())),
            provider_id=claims.get("provider_id"),
            member_id=claims.get("member_id"),
            csrf=claims.get("csrf"),
            name=claims.get("name", ""),
            language=claims.get("lang", "fr"),
            trail=str(claims.get("client_id") or claims["sub"]),
        )

    def _reload(self) -> None:
        changed = self._file.stat().st_mtime
        if changed != self._read_at:
            self._keys = KeySet.import_key_set(orjson.loads(self._file.read_bytes()))
            self._read_at = changed
            self._known.clear()


def bearer(request: Request) -> Caller:
    """The caller of a request. Raises `Unauthenticated`."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("send `Authorization: Bearer <token>`")
    verifier: Verifier = request.app.state.verifier
    return verifier.verify(token)


def address(request: Request) -> str:
    """Of whoever sent it to the gateway, which alone can reach a service and says so last."""
    said = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    return said or (request.client.host if request.client else "")


def allow(scope: str, *roles: str) -> Any:
    """A dependency: the caller must hold the scope, and one of the roles where some are named."""

    async def check(request: Request) -> Caller:  # a plain function would cost a thread for every request
        caller = bearer(request)
        if scope not in caller.scopes:
            raise Forbidden(f"this needs the scope {scope}")
        if roles and not caller.roles & set(roles):
            raise Forbidden(f"this needs one of the roles {', '.join(roles)}")
        return caller

    return Depends(check)
