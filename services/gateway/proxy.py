"""The front of the platform: finds the service of a path, says who is calling, passes the request on and the answer back as it comes.

Everything else — sign-in, tokens, static files, and every refusal — is answered by the application behind.
"""

import asyncio
import secrets
from collections.abc import Mapping
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.routes import LOCAL, service_of
from services.gateway.sessions import Attached, Sessions, cookie_in
from services.gateway.tokens import expiry
from services.gateway.upstream import REPEATABLE, Connection, Headers, Unreachable, Upstream
from services.kit.errors import Forbidden, Refusal, Unauthenticated, Unavailable

READ_S = 10
REFUSAL = "entraide.refusal"  # in the scope: what the application behind is to answer
SESSION = "entraide.session"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
HOP_BY_HOP = frozenset({
    b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te", b"trailer",
    b"transfer-encoding", b"upgrade",
})  # fmt: skip
NOT_PASSED_ON = HOP_BY_HOP | {
    b"cookie", b"authorization", b"content-length", b"expect", b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto",
}  # fmt: skip
SECURITY: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
]
HSTS: Headers = [(b"strict-transport-security", b"max-age=31536000; includeSubDomains")]


class Front:
    def __init__(self, behind: ASGIApp, services: Mapping[str, str], sessions: Sessions, origin: str) -> None:
        """`origin`: as browsers see this platform; empty: as the request's Host says, over http."""
        self._behind = behind
        self._upstreams = {name: Upstream(url) for name, url in services.items()}
        self._sessions = sessions
        self._origin = origin.encode()
        self._security = SECURITY + (HSTS if origin.startswith("https:") else [])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._behind(scope, receive, send)
            return
        service = service_of(scope["path"])
        headers = dict(scope["headers"])
        session = None
        try:
            if service:
                session = await self._caller(scope, headers)
                if service != LOCAL:
                    await self._forward(service, scope, headers, session, receive, send)
                    return
        except Unauthenticated as refusal:
            if page := _to_sign_in(scope, headers):
                await page(scope, receive, self._securing(send))
                return
            scope[REFUSAL] = refusal
        except Refusal as refusal:
            scope[REFUSAL] = refusal
        if session:
            scope[SESSION] = session
            scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"authorization"]
            scope["headers"].append((b"authorization", session.header))
        await self._behind(scope, receive, self._securing(send))

    async def _caller(self, scope: Scope, headers: dict[bytes, bytes]) -> Attached | None:
        """The browser session, or None for a machine with a token of its own. Raises `Unauthenticated`, `Forbidden`."""
        cookie = cookie_in(headers.get(b"cookie", b""))
        session = await self._sessions.attached(cookie) if cookie else None
        if session is None:
            if b"authorization" not in headers:
                raise Unauthenticated("sign in, or send `Authorization: Bearer <token>`")
        elif scope["method"] not in SAFE:
            self.check_origin(scope, headers)
        return session

    def check_origin(self, scope: Scope, headers: Mapping[bytes, bytes]) -> None:
        """A browser says where a form comes from; another site's is refused, and so is silence. Raises `Forbidden`."""
        site, origin = headers.get(b"sec-fetch-site"), headers.get(b"origin")
        ours = self._origin or b"%s://%s" % (scope["scheme"].encode(), headers.get(b"host", b""))
        if site not in (None, b"same-origin") or origin not in (None, ours) or site is origin is None:
            raise Forbidden("this came from another site; load the page again", code="origin")

    async def _forward(
        self, service: str, scope: Scope, headers: dict[bytes, bytes], session: Attached | None, receive: Receive, send: Send
    ) -> None:
        upstream = self._upstreams.get(service)
        if upstream is None:
            raise Unavailable(f"{service} is not part of this installation")
        body, more = b"", False
        if b"content-length" in headers or b"transfer-encoding" in headers:
            message = await receive()
            body, more = message.get("body", b""), message.get("more_body", False)
        request = _head(scope, headers, session, body, more) + body
        try:
            connection = await self._answered(upstream, scope["method"], request, more, receive)
        except Unreachable:
            raise Unavailable(f"{service} does not answer; the same request may be sent again") from None
        try:
            await self._pass_back(connection, headers, session, receive, send)
        finally:
            upstream.give_back(connection)

    async def _answered(self, upstream: Upstream, method: str, request: bytes, more: bool, receive: Receive) -> Connection:
        """A connection on which the head of the answer has come. A request without effect is tried again on a new connection
        when a waiting one proves dead."""
        connection = await upstream.send(method, request)
        try:
            if more:
                await _send_rest(connection, b"transfer-encoding: chunked\r\n" in request, receive)
            await connection.head(READ_S)
        except Unreachable:
            connection.close()
            if method not in REPEATABLE or more or connection.fresh:
                raise
            connection = await upstream.send(method, request, fresh=True)
            await connection.head(READ_S)
        return connection
