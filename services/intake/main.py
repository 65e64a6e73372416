"""The web process of intake."""

from fastapi import FastAPI

from services.intake import api, usecases
from services.intake.settings import Settings
from services.kit import app as kit


def create(settings: Settings) -> FastAPI:
    usecases.close_after = settings.close_after
    return kit.create("intake", settings, [api.router])


if __name__ == "__main__":
    settings = Settings.read()
    kit.serve(create(settings), "intake", settings)
