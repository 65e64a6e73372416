"""The web process of tracking."""

from fastapi import FastAPI

from services.kit import app as kit
from services.kit.web import refused, stuck
from services.tracking import api, pages
from services.tracking.settings import Settings
from services.tracking.stream import Hub
from services.tracking.usecases import work


async def hear(app: FastAPI) -> None:
    await app.state.hub.run(app.state.db)


def create(settings: Settings) -> FastAPI:
    work.grace = settings.watchdog_grace
    app = kit.create("tracking", settings, [*api.routers, pages.router, stuck.router("tracking")], [hear], page=refused.page)
    app.state.hub = Hub()
    return app


if __name__ == "__main__":
    settings = Settings.read()
    kit.serve(create(settings), "tracking", settings)
