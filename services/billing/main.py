"""The web process of billing."""

from fastapi import FastAPI

from services.billing import api, pages
from services.billing.settings import Settings
from services.kit import app as kit
from services.kit.web import refused, stuck


def create(settings: Settings) -> FastAPI:
    return kit.create("billing", settings, [api.router, pages.router, stuck.router("billing")], page=refused.page)


if __name__ == "__main__":
    settings = Settings.read()
    kit.serve(create(settings), "billing", settings)
