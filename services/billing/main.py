"""The web process of billing."""

from fastapi import FastAPI

from services.billing import api
from services.billing.settings import Settings
from services.kit import app as kit


def create(settings: Settings) -> FastAPI:
    return kit.create("billing", settings, [api.router])


if __name__ == "__main__":
    settings = Settings.read()
    kit.serve(create(settings), "billing", settings)
