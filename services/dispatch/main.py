"""The web process of dispatch."""

from fastapi import FastAPI

from services.dispatch import pages
from services.dispatch.api import for_providers, for_staff
from services.dispatch.settings import Settings
from services.dispatch.usecases import missions
from services.kit import app as kit
from services.kit.web import refused, stuck


def create(settings: Settings) -> FastAPI:
    missions.rules = settings.rules
    return kit.create(
        "dispatch", settings, [for_providers.router, for_staff.router, pages.router, pages.desk, stuck.router("dispatch")], page=refused.page
    )


if __name__ == "__main__":
    settings = Settings.read()
    kit.serve(create(settings), "dispatch", settings)
