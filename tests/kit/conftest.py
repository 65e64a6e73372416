"""Labs for the suite: on the engines of the whole run, or on engines of this suite alone, which its tests may stop."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from deploy.stack import Stack
from services.kit import logs
from tests.kit.harness import Lab, Workshop
from tests.kit.web import Keys, make


@pytest.fixture(scope="session", autouse=True)
def logging_as_in_service() -> None:
    logs.configure("test", "kit")


@pytest.fixture(scope="session")
async def workshop(stack: Stack) -> AsyncIterator[Workshop]:
    async with Workshop.on(stack) as workshop:
        yield workshop


@pytest.fixture(scope="session")
async def used_lab(workshop: Workshop) -> AsyncIterator[Lab]:
    async with workshop.lab() as lab:
        yield lab


@pytest.fixture
async def lab(used_lab: Lab) -> Lab:
    await used_lab.clean()
    return used_lab


@pytest.fixture
async def fresh_lab(workshop: Workshop) -> AsyncIterator[Lab]:
    async with workshop.lab() as lab:
        yield lab


@pytest.fixture(scope="session")
async def own_workshop() -> AsyncIterator[Workshop]:
    stack = await Stack.up(services=("intake", "tracking"), partitions=3)
    async with Workshop.on(stack) as workshop:
        yield workshop
    await stack.down()


@pytest.fixture
async def own_lab(own_workshop: Workshop) -> AsyncIterator[Lab]:
    async with own_workshop.lab() as lab:
        yield lab


@pytest.fixture
def keys(lab: Lab) -> Keys:
    return Keys(lab.sender.settings.jwks_file)


@pytest.fixture(scope="session")
async def app(used_lab: Lab) -> AsyncIterator[FastAPI]:
    Keys(used_lab.sender.settings.jwks_file)
    app = make(used_lab.sender)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def web(app: FastAPI, lab: Lab, keys: Keys) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as made:
        made.headers["authorization"] = f"Bearer {keys.token(lab.sender.name)}"
        yield made
