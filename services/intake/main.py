"""The web process of intake."""

from fastapi import FastAPI

from services.intake import api, pages, usecases
from services.intake.settings import Settings
from services.kit import app as kit
from services.kit.web import refused, stuck


def create(settings: Settings) -> FastAPI:
    usecases.close_after = settings.close_after
    return kit.create("intake", settings, [api.router, pages.router, stuck.router("intake")], page=refused.page)


if __name__ == "__main__":
    settings = Settings.read()
    kit.serve(create(settings), "intake", settings)
