"""The web process of reference."""

from fastapi import FastAPI

from services.kit import app as kit
from services.kit.tickets import TicketSigner
from services.kit.web import refused, stuck
from services.reference.api import (
    accounts,
    amendments,
    approvals,
    catalog,
    contracts,
    coverage,
    decisions,
    feedback,
    identity,
    members,
    persons,
    portal,
)
from services.reference.pages import catalogue, conflicts, covering, desk, details, duplicates, files, join, me
from services.reference.settings import Settings
from services.reference.usecases import coverage as usecases

API = (members, amendments, identity, feedback, contracts, coverage, approvals, decisions, catalog, portal, persons, accounts)
PAGES = (catalogue, conflicts, covering, desk, details, files, me, duplicates, join)


def create(settings: Settings) -> FastAPI:
    routers = [*(module.router for module in (*API, *PAGES)), stuck.router("reference")]
    app = kit.create("reference", settings, routers, page=refused.page)
    app.state.tickets = TicketSigner(settings.ticket_keys_file) if settings.ticket_keys_file else None
    return app


if __name__ == "__main__":
    settings = Settings.read()
    usecases.hold = settings.hold
    kit.serve(create(settings), "reference", settings)
