"""The web process of reference."""

from fastapi import FastAPI

from services.kit import app as kit
from services.kit.web import refused, stuck
from services.reference.api import catalog, contracts, coverage, members
from services.reference.pages import catalogue, desk, files
from services.reference.settings import Settings
from services.reference.usecases import coverage as usecases


def create(settings: Settings) -> FastAPI:
    routers = [
        members.router,
        contracts.router,
        coverage.router,
        catalog.router,
        catalogue.router,
        desk.router,
        files.router,
        stuck.router("reference"),
    ]
    return kit.create("reference", settings, routers, page=refused.page)


if __name__ == "__main__":
    settings = Settings.read()
    usecases.hold = settings.hold
    kit.serve(create(settings), "reference", settings)
