"""A small platform to look at in a browser: four providers, a few hundred members, people of every kind who can sign in."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import date

import httpx

from deploy.demo import data, seed
from deploy.demo.data import Member, Provider
from deploy.demo.geography import distance_km
from deploy.demo.seed import Seeded
from deploy.platform import Platform
from services.gateway import usecases as gateway
from services.gateway.domain import NewClient, NewUser
from services.kit.clock import new_id
from services.kit.db import Database

SERVICE = "gardening"
MEMBERS = 400
WITHIN_KM = 120


@dataclass(frozen=True, slots=True)
class Stage:
    """`members`: entitled to SERVICE, near the two providers of the extranet, each with a phone of their own."""

    platform: Platform
    seeded: Seeded
    members: list[Member]
    firms: tuple[Provider, ...]

    @property
    def url(self) -> str:
        return self.platform.url

    @property
    def password(self) -> str:
        return self.seeded.people.password

    @contextlib.asynccontextmanager
    async def machine(self, client: NewClient) -> AsyncIterator[httpx.AsyncClient]:
        """The API with this client's token; every command has a key of its own."""

        async def keyed(request: httpx.Request) -> None:
            request.headers.setdefault("Idempotency-Key", new_id())

        async with httpx.AsyncClient(base_url=self.url, timeout=30, event_hooks={"request": [keyed]}) as http:
            form = {"grant_type": "client_credentials", "client_id": client.client_id, "client_secret": client.secret}
            http.headers["authorization"] = f"Bearer {(await http.post('/oauth/token', data=form)).raise_for_status().json()['access_token']}"
            yield http

    def desk(self) -> contextlib.AbstractAsyncContextManager[httpx.AsyncClient]:
        return self.machine(self.seeded.machines.desk[0])

    def firm(self, provider: Provider) -> contextlib.AbstractAsyncContextManager[httpx.AsyncClient]:
        return self.machine(self.seeded.machines.providers[provider.id])


@contextlib.asynccontextmanager
async def playing() -> AsyncIterator[Stage]:
    """Started, loaded, and gone afterwards."""
    world = data.make(1, date.today(), MEMBERS)
    world = replace(world, providers=world.providers[:4])
    firms = tuple(firm for firm in world.providers if firm.door == "extranet")
    callers = [one for one in world.members if _suits(one, firms[0])]
    platform = await Platform.prepare()
    try:
        seeded = await seed.seed(platform, world, callers[:2])
        await _sign_up(platform, firms[1], seeded.people.password)
        await platform.start()
        yield Stage(platform, seeded, callers, firms)
    finally:
        await platform.down()


def _suits(member: Member, firm: Provider) -> bool:
    return SERVICE in member.covered(date.today()) and distance_km(member.town, firm.town) < WITHIN_KM


async def _sign_up(platform: Platform, firm: Provider, password: str) -> None:
    """The demo's people work for the first firm of the extranet only."""
    db = await Database.connect("gateway", platform.stack.environment("gateway")["ENTRAIDE_DATABASE_URL"], size=1)
    try:
        async with db.transaction() as tx:
            await gateway.create_user(tx, NewUser(login=firm.code, password=password, name=firm.label, roles=("provider",), provider_id=firm.id))
    finally:
        await db.close()
