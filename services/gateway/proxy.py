"""The front: finds the service of a path, says who is calling, passes the request on and the answer back as it comes.

What the gateway answers itself, and every refusal, is left to the application behind.
"""

import asyncio
import secrets
import time
from collections.abc import Mapping
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.routes import LOCAL, PUBLIC, service_of
from services.gateway.sessions import REFUSAL, SESSION, Attached, Sessions, check_origin, cookie
from services.gateway.tokens import expiry
from services.gateway.upstream import Connection, Headers, Unreachable, Upstream
from services.kit.errors import BadInput, Refusal, Unauthenticated, Unavailable
from services.kit.web.words import COOKIE as LANGUAGE_COOKIE
from services.kit.web.words import LANGUAGES

READ_S = 10
NOWHERE = "/-"
PUBLIC_BYTES = 16 * 1024  # of a request by nobody we know
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
STREAM = b"text/event-stream"
HOP_BY_HOP = frozenset(b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding upgrade".split())
OURS_TO_SAY = HOP_BY_HOP | frozenset(
    b"cookie authorization content-length expect forwarded traceparent x-forwarded-for x-forwarded-host x-forwarded-proto".split()
)
SECURITY: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]
HSTS = (b"strict-transport-security", b"max-age=31536000")


class Front:
    """ASGI middleware. `services`: service → address; `origin`: as browsers see us, empty for http and the request's Host."""

    def __init__(self, app: ASGIApp, services: Mapping[str, str], sessions: Sessions, origin: str) -> None:
        self._behind = app
        self._upstreams = {name: Upstream(url) for name, url in services.items()}
        self._sessions = sessions
        self._origin = origin
        self._security = [*SECURITY, HSTS] if sessions.secure else SECURITY

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._behind(scope, receive, send)
            return
        if service := service_of(scope["path"]):
            headers: dict[bytes, bytes] = dict(scope["headers"])
            try:
                session = None
                if scope["path"] in PUBLIC:
                    self._check_anybody(scope, headers)
                else:
                    session = await self._caller(scope, headers)
                if service != LOCAL:
                    await self._forward(service, scope, headers, session, receive, send)
                    return
                if session:
                    scope[SESSION] = session
                    others = [pair for pair in scope["headers"] if pair[0] != b"authorization"]
                    scope["headers"] = [*others, (b"authorization", session.authorization)]
            except Unauthenticated as refusal:
                if to_sign_in := _to_sign_in(scope, headers):
                    await to_sign_in(scope, receive, self._secured(send))
                    return
                scope[REFUSAL] = refusal
            except Refusal as refusal:
                scope[REFUSAL] = refusal
                if scope["path"] in PUBLIC:
                    scope["path"] = NOWHERE  # whoever serves it would read the body first
        await self._behind(scope, receive, self._secured(send))

    async def _caller(self, scope: Scope, headers: Mapping[bytes, bytes]) -> Attached | None:
        """The browser session; None for a machine with a token of its own. Raises `Unauthenticated`, `Forbidden`, `Unavailable`."""
        session = await self._sessions.find(headers[b"cookie"]) if b"cookie" in headers else None
        if session:
            if scope["method"] not in SAFE:
                check_origin(scope, headers, self._origin)
        elif b"authorization" not in headers:
            raise Unauthenticated("sign in, or send `Authorization: Bearer <token>`")
        return session

    def _check_anybody(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        """Nobody's name goes on from here. Raises `BadInput`, `Forbidden`."""
        headers.pop(b"authorization", None)
        if scope["method"] in SAFE:
            return
        if not scope["path"].startswith("/api/"):
            check_origin(scope, headers, self._origin)
        length = headers.get(b"content-length", b"")
        if not length.isdigit() or int(length) > PUBLIC_BYTES:
            raise BadInput(f"send a body of {PUBLIC_BYTES} bytes at most, and its length")

    async def _forward(
        self, service: str, scope: Scope, headers: Mapping[bytes, bytes], session: Attached | None, receive: Receive, send: Send
    ) -> None:
        upstream = self._upstreams.get(service)
        if upstream is None:
            raise Unavailable(f"{service} is not part of this installation")
        authorization = session.authorization if session else headers.get(b"authorization", b"")
        try:
            async with upstream.connection() as connection:
                await _ask(connection, scope, headers, authorization, receive)
                said = [pair for pair in connection.headers if pair[0] not in HOP_BY_HOP]
                names = {name for name, _ in said}
                said += [pair for pair in self._security if pair[0] not in names]
                await send({"type": "http.response.start", "status": connection.status, "headers": said})
                if any(name == b"content-type" and value.startswith(STREAM) for name, value in said):
                    await _stream(connection, session.ends_at if session else expiry(authorization), receive, send)
                else:
                    await _pass_back(connection, READ_S, send)
        except Unreachable:
            raise Unavailable(f"{service} does not answer; the same request may be sent again") from None

    def _secured(self, send: Send) -> Send:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                names = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(pair for pair in self._security if pair[0] not in names)]
            await send(message)

        return sending


async def _ask(connection: Connection, scope: Scope, headers: Mapping[bytes, bytes], authorization: bytes, receive: Receive) -> None:
    """Sends the request, its body as it comes, and waits for the head of the answer. Raises `Unreachable`."""
    body, more, framing = b"", False, b""
    if b"content-length" in headers or b"transfer-encoding" in headers:
        message = await receive()
        body, more = message.get("body", b""), message.get("more_body", False)
        if more and b"content-length" not in headers:
            framing = b"transfer-encoding: chunked\r\n"
        else:
            framing = b"content-length: %s\r\n" % (headers[b"content-length"] if more else str(len(body)).encode())
    chunked = framing.startswith(b"t")
    connection.begin(head_only=scope["method"] == "HEAD")
    await connection.write(_head(scope, headers, authorization, framing) + (_chunk(body) if chunked and body else body))
    while more and not connection.status:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Unreachable
        body, more = message.get("body", b""), message.get("more_body", False)
        await connection.write((_chunk(body) if body else b"") + (b"" if more else b"0\r\n\r\n") if chunked else body)
    await connection.head(READ_S)
    if more:
        connection.spoiled = True  # it answered before it had read everything


def _head(scope: Scope, headers: Mapping[bytes, bytes], authorization: bytes, framing: bytes) -> bytes:
    query = scope["query_string"]
    lines = [b"%s %s%s HTTP/1.1\r\n" % (scope["method"].encode(), scope["raw_path"], b"?" + query if query else b"")]
    dropped = OURS_TO_SAY
    if b"connection" in headers:
        dropped |= {name.strip().lower() for name in headers[b"connection"].split(b",")}
    lines += [b"%s: %s\r\n" % pair for pair in scope["headers"] if pair[0] not in dropped]
    client = scope.get("client")
    lines.append(
        b"traceparent: %s\r\nx-forwarded-for: %s\r\nx-forwarded-proto: %s\r\nx-forwarded-host: %s\r\n"
        % (
            headers.get(b"traceparent") or f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01".encode(),
            client[0].encode() if client else b"unknown",
            scope["scheme"].encode(),
            headers.get(b"host", b""),
        )
    )
    if authorization:
        lines.append(b"authorization: %s\r\n" % authorization)
    if b"cookie" in headers and (language := cookie(headers[b"cookie"], LANGUAGE_COOKIE)) in LANGUAGES:
        lines.append(f"cookie: {LANGUAGE_COOKIE}={language}\r\n".encode())
    lines += [framing, b"\r\n"]
    return b"".join(lines)


def _chunk(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(body), body)


async def _pass_back(connection: Connection, seconds: float | None, send: Send) -> None:
    """To its end; breaks the client's answer off where the service's breaks off."""
    more = True
    while more:
        try:
            body = await connection.read(seconds)
        except Unreachable:
            return
        more = not connection.complete
        await send({"type": "http.response.body", "body": body, "more_body": more})


async def _stream(connection: Connection, ends_at: float, receive: Receive, send: Send) -> None:
    """Until the service ends it, the client goes, or the token ends."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        connection.end()

    watch = asyncio.ensure_future(gone())
    end = asyncio.get_running_loop().call_later(max(0, ends_at - time.time()), connection.end)
    try:
        await _pass_back(connection, None, send)
    finally:
        end.cancel()
        watch.cancel()


def _to_sign_in(scope: Scope, headers: Mapping[bytes, bytes]) -> Response | None:
    """For a page. A fragment cannot be redirected, so it tells htmx to leave the page. For the API, None."""
    if scope["path"].startswith("/api/"):
        return None
    query = scope["query_string"].decode("latin-1")
    wanted = scope["path"] + (f"?{query}" if query else "")
    address = "/sign-in" if scope["method"] not in SAFE or wanted == "/" else f"/sign-in?next={quote(wanted, safe='/')}"
    if b"hx-request" in headers:
        return Response(status_code=401, headers={"HX-Redirect": "/sign-in"})
    return RedirectResponse(address, 303)
