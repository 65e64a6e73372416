"""A small platform to look at in a browser: four providers, a few hundred members, people of every kind who can sign in."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

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
from tests.conftest import eventually
from tests.postbox import Postbox

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
    postbox: Postbox

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

    async def open_case(self, member: Member, service: str = SERVICE, insee: str | None = None) -> dict[str, Any]:
        """By the API, for tomorrow morning; the answer, with the number of its first need."""
        async with self.desk() as desk:
            found = (await desk.get("/api/reference/v1/members", params={"q": member.number})).raise_for_status().json()["members"][0]
            start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=1)
            need = {"place": insee or member.town.insee, "start": start.isoformat(), "end": (start + timedelta(hours=4)).isoformat()}
            body = {
                "principal_id": found["principal_id"],
                "member_id": found["id"],
                "beneficiary": {"name": f"{member.first_name} {member.last_name}", "phone": member.phones[0]},
                "address": member.address,
                "needs": [need | {"service": service, "words": "Tailler la haie côté rue, évacuer les branches."}],
            }
            opened: dict[str, Any] = (await desk.post("/api/intake/v1/cases", json=body)).raise_for_status().json()
            return opened

    async def told(self, case_id: str) -> None:
        """Until the view has heard of the case: consumers that have just started take a while."""

        async def look() -> bool:
            return (await desk.get(f"/api/tracking/v1/cases/{case_id}")).is_success

        async with self.desk() as desk:
            await eventually(look, seconds=90, every=0.5)

    async def offered(self, number: str) -> tuple[Provider, dict[str, Any]]:
        """The firm of the extranet that this case was offered to first, and the offer."""

        async def look() -> tuple[Provider, dict[str, Any]] | None:
            for firm in self.firms:
                async with self.firm(firm) as http:
                    offers = (await http.get("/api/dispatch/v1/offers")).raise_for_status().json()["offers"]
                    if offer := next((one for one in offers if one["case_number"].startswith(number)), None):
                        return firm, offer
            return None

        found: tuple[Provider, dict[str, Any]] = await eventually(look, seconds=90, every=0.5)
        return found

    def desk(self) -> contextlib.AbstractAsyncContextManager[httpx.AsyncClient]:
        return self.machine(self.seeded.machines.desk[0])

    def firm(self, provider: Provider) -> contextlib.AbstractAsyncContextManager[httpx.AsyncClient]:
        return self.machine(self.seeded.machines.providers[provider.id])


@contextlib.asynccontextmanager
async def playing() -> AsyncIterator[Stage]:
    """Started, loaded, and gone afterwards; what it mails lands in a postbox of ours."""
    world = data.make(1, date.today(), MEMBERS)
    world = replace(world, providers=world.providers[:4])
    firms = tuple(firm for firm in world.providers if firm.door == "extranet")
    callers = [one for one in world.members if _suits(one, firms[0])]
    async with Postbox.open() as postbox:
        platform = await Platform.prepare()
        try:
            seeded = await seed.seed(platform, world, callers[:2])
            await _sign_up(platform, firms[1], seeded.people.password)
            await platform.start(postbox.environment)
            yield Stage(platform, seeded, callers, firms, postbox)
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
