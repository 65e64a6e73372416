"""The web process of reference."""

from fastapi import FastAPI

from services.kit import app as kit
from services.kit.web import refused, stuck
from services.reference import pages
from services.reference.api import catalog, coverage, members
from services.reference.settings import Settings


def create(settings: Settings) -> FastAPI:
    return kit.create(
        "reference", settings, [members.router, coverage.router, catalog.router, pages.router, stuck.router("reference")], page=refused.page
    )


if __name__ == "__main__":
    settings = Settings.read()
    kit.serve(create(settings), "reference", settings)
