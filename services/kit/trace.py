"""The thread through everything: each request gets a cause, taken from its `traceparent` or new, which the outbox carries on."""

import re
import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.kit.db import request_cause
from services.kit.outbox import Cause

TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
log = structlog.get_logger()


class TraceMiddleware:
    """Pure ASGI: sets the cause, answers its trace id as `Trace-Id`, logs one line per request (path template, no query)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        header = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"), None)
        cause = Cause.fresh(header if header and TRACEPARENT.fullmatch(header) else None)
        trace_id = scope["trace_id"] = cause.traceparent[3:35]
        token = request_cause.set(cause)
        started = time.perf_counter()
        status = 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"trace-id", trace_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            request_cause.reset(token)
            route = scope.get("route")
            if status >= 500 or log.is_enabled_for(10):
                log.info(
                    "request",
                    method=scope["method"],
                    route=getattr(route, "path", "-"),
                    status=status,
                    ms=round((time.perf_counter() - started) * 1000, 1),
                    trace=trace_id,
                )
