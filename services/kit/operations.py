"""What those who run a process ask it: health and metrics. Beside its routes, or on a port of their own where the door is public."""

import socket

import uvicorn
from fastapi import APIRouter, FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from services.kit.settings import ServiceSettings


def router(service: str) -> APIRouter:
    made = APIRouter(include_in_schema=False)

    @made.get("/health/live")
    async def live() -> dict[str, str]:
        return {"service": service, "status": "live"}

    @made.get("/health/ready")
    async def ready(request: Request) -> dict[str, str]:
        async with request.app.state.db.connection() as conn:
            await conn.execute("select 1")
        return {"service": service, "status": "ready"}

    @made.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return made


async def serve_apart(app: FastAPI) -> None:
    """Until cancelled, for an app whose settings name the port; `app.state.ops_port` is the one that 0 came to."""
    settings: ServiceSettings = app.state.settings
    beside = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    beside.state.db = app.state.db
    beside.include_router(router(app.state.db.service))
    server = uvicorn.Server(uvicorn.Config(beside, log_level="warning", access_log=False, log_config=None, lifespan="off"))
    with socket.create_server((settings.http_host, settings.ops_port or 0)) as listening:
        app.state.ops_port = listening.getsockname()[1]
        try:
            await server._serve([listening])  # noqa: SLF001 - serve() would take the signals, which are this process's own
        finally:
            await server.shutdown()
