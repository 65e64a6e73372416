"""The web process of the gateway: the one origin of people and machines."""

from fastapi import FastAPI

from services.gateway import api, pages
from services.gateway.proxy import Front
from services.gateway.sessions import Sessions
from services.gateway.settings import Settings
from services.gateway.tokens import Signer
from services.kit import app as kit
from services.kit.tickets import TicketVerifier
from services.kit.web.static_files import PREFIX, static_app


def create(settings: Settings) -> FastAPI:
    """Raises VendorError when the files of the pages are not there."""
    csrf_secret = settings.csrf_secret.get_secret_value().encode()
    app = kit.create("gateway", settings, [api.router, api.accounts, api.admin], page=pages.problem)
    app.mount(PREFIX, static_app())
    app.include_router(pages.router)  # its last route takes every path that is left
    app.state.pages = pages.load()
    app.state.signer = Signer(settings.signing_keys_file)
    app.state.tickets = TicketVerifier("gateway", settings.ticket_jwks_file) if settings.ticket_jwks_file else None
    sessions = Sessions(lambda: app.state.db, app.state.signer, csrf_secret, secure=settings.public_origin.startswith("https:"))
    app.state.sessions = sessions
    app.add_middleware(Front, services=settings.services, sessions=sessions, origin=settings.public_origin)
    return app


if __name__ == "__main__":
    settings = Settings.read()
    kit.serve(create(settings), "gateway", settings)
