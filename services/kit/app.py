"""The web process of a service: lifespan, problems, operations. Routes come from the service's `api.py` and `pages.py`."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import asyncpg
import structlog
import uvicorn
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from services.kit import kafka, logs, operations, tail, wake
from services.kit.auth import Verifier
from services.kit.db import Database
from services.kit.errors import Refusal
from services.kit.heard import HeardMiddleware, Hearing
from services.kit.memory import fewer_collections
from services.kit.settings import ServiceSettings
from services.kit.trace import TraceMiddleware

log = structlog.get_logger()

Background = Callable[[FastAPI], Awaitable[None]]
Render = Callable[[Request, "Problem"], Response]


class Problem(BaseModel):
    """RFC 9457. `code` is stable, `detail` says what to do; neither repeats what was sent."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    trace_id: str
    errors: list[dict[str, Any]] | None = None


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "content": {"application/problem+json": {}}, "description": title}
    for status, title in (
        (400, "The request cannot be understood"),
        (401, "Sign in first"),
        (403, "Not allowed"),
        (404, "Not found, or another's"),
        (409, "The state does not allow it"),
        (412, "Changed meanwhile"),
        (422, "The values cannot be accepted"),
        (503, "Not available now"),
    )
}


def create(
    service: str, settings: ServiceSettings, routers: Sequence[APIRouter], background: Sequence[Background] = (), page: Render | None = None
) -> FastAPI:
    """`page` renders a problem for a browser; everybody else gets problem+json."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        notifier = wake.Notifier()
        db = await Database.connect(
            service,
            settings.database_url.get_secret_value(),
            settings.database_url_outside.get_secret_value(),
            size=settings.pool_size,
            woken=notifier.ring,
        )
        await tail.check(db, kafka.connection(settings))
        app.state.db = db
        app.state.settings = settings
        app.state.verifier = Verifier(service, settings.jwks_file)
        apart = [] if settings.ops_port is None else [operations.serve_apart]
        tasks = [
            asyncio.create_task(notifier.run(db)),
            asyncio.create_task(hearing.run(db)),
            *(asyncio.ensure_future(task(app)) for task in (*background, *apart)),
        ]
        for task in tasks:
            task.add_done_callback(_end_process)
        yield
        for task in tasks:
            task.remove_done_callback(_end_process)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await db.close()

    hearing = Hearing()
    app = FastAPI(title=f"Entraide {service}", lifespan=lifespan, openapi_url="/openapi.json", docs_url=None, redoc_url=None)
    app.add_middleware(HeardMiddleware, hearing=hearing)
    app.add_middleware(TraceMiddleware)
    for router in routers:
        app.include_router(router)
    if settings.ops_port is None:
        app.include_router(operations.router(service))
    _handle_problems(app, page)
    return app


def serve(app: FastAPI, service: str, settings: ServiceSettings) -> None:
    logs.configure(service, "web", settings.log_level)
    fewer_collections()
    config = uvicorn.Config(
        app,
        host=settings.http_host,
        port=settings.http_port,
        log_level="warning",
        access_log=False,
        log_config=None,  # what uvicorn says goes the way of every line
        loop="uvloop",
        http="httptools",
        timeout_graceful_shutdown=3,
        server_header=False,
        date_header=False,
    )
    given = [socket.socket(fileno=settings.http_fd)] if settings.http_fd is not None else None
    uvicorn.Server(config).run(sockets=given)


def _handle_problems(app: FastAPI, page: Render | None) -> None:
    def answer(request: Request, status: int, code: str, title: str, detail: str, **more: Any) -> Response:
        problem = Problem(
            type=f"urn:entraide:problem:{code}",
            title=title,
            status=status,
            detail=detail,
            code=code,
            trace_id=request.scope.get("trace_id", ""),
            **more,
        )
        if page and "text/html" in request.headers.get("accept", ""):
            return page(request, problem)
        return JSONResponse(problem.model_dump(exclude_none=True), status, media_type="application/problem+json")

    @app.exception_handler(Refusal)
    async def refused(request: Request, refusal: Refusal) -> Response:
        response = answer(request, refusal.status, refusal.code, refusal.title, str(refusal))
        if "retry_after" in refusal.extra:
            response.headers["Retry-After"] = str(refusal.extra["retry_after"])
        return response

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, wrong: RequestValidationError) -> Response:
        errors = [
            {"field": ".".join(str(part) for part in error["loc"][1:]), "problem": error["type"], "detail": error["msg"]} for error in wrong.errors()
        ]
        return answer(request, 422, "invalid", "The values cannot be accepted", "correct the fields listed in `errors`", errors=errors)

    @app.exception_handler(HTTPException)
    async def http(request: Request, wrong: HTTPException) -> Response:
        return answer(request, wrong.status_code, f"http_{wrong.status_code}", str(wrong.detail), str(wrong.detail))

    @app.exception_handler(asyncpg.UniqueViolationError)
    async def taken(request: Request, clash: asyncpg.UniqueViolationError) -> Response:
        return answer(request, 409, "already_taken", "The state does not allow it", f"another holds this value already ({clash.constraint_name})")

    @app.exception_handler(asyncpg.DataError)
    async def refused_value(request: Request, wrong: asyncpg.DataError) -> Response:
        log.warning("the database refuses a value", failure=type(wrong).__name__, sqlstate=wrong.sqlstate)
        return answer(request, 422, "invalid", "The values cannot be accepted", "a value cannot be kept: an id that is none, a zero byte")

    async def unavailable(request: Request, failure: Exception) -> Response:
        log.warning("not available", failure=type(failure).__name__)
        return answer(request, 503, "unavailable", "Not available now, try again", "a store does not answer; the same request may be sent again")

    for failure in (
        TimeoutError,
        OSError,
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,
        asyncpg.PostgresConnectionError,
        asyncpg.OperatorInterventionError,
        asyncpg.InsufficientResourcesError,
        asyncpg.TransactionRollbackError,
        asyncpg.LockNotAvailableError,
    ):
        app.add_exception_handler(failure, unavailable)

    @app.exception_handler(Exception)
    async def broken(request: Request, failure: Exception) -> Response:
        log.error("unexpected", exc_info=failure)
        return answer(request, 500, "unexpected", "Something broke on our side", "nothing was changed; quote the trace id when you report it")


def _end_process(task: asyncio.Future[None]) -> None:
    if not task.cancelled():
        log.error("a background task ended, so does the process", exc_info=task.exception())
        raise SystemExit(1)
