"""The platform in containers, from nothing to a finished visit, through the one port it publishes."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.demo.catalogue import siren, siret
from deploy.topics import SERVICES
from services.kit.clock import new_id
from tests.conftest import eventually
from tests.docker import project
from tests.docker.project import Project

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]

FEEDS = {
    "principals": f"code,label,siren,valid_from\nalma,Mutuelle Alma,{siren(420_001)},2024-01-01\n",
    "products": "code,label,principal\nalma_maison,Alma Maison,alma\n",
    "guarantees": "product,code,services,units_per_year,counts\nalma_maison,garden,gardening,10,units\n",
    "members": "principal,number,last_name,first_name,phones,insee,postcode\nalma,A-1001,Montvert,Claire,0639980001,69123,69003\n",
    "contracts": "number,product,member,starts_on,ends_on,state\nC-1001,alma_maison,A-1001,2024-01-01,,active\n",
}


class Machine(httpx.AsyncClient):
    """A client of the gateway that expects every request to be granted, if not at once: 503 says to send it again."""

    async def ask(self, method: str, path: str, **sent: Any) -> Any:
        key = new_id()

        async def answered() -> httpx.Response | None:
            answer = await self.request(method, path, headers={"Idempotency-Key": key}, **sent)
            return None if answer.status_code == 503 else answer

        answer = await eventually(answered, seconds=60, every=1)
        assert answer.is_success, f"{method} {path} {answer.status_code}: {answer.text}"
        return answer.json()


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, engine: bool) -> Iterator[Project]:
    if not engine:
        pytest.skip("no Docker engine")
    with project.up(tmp_path_factory.mktemp("containers") / "secrets") as running:
        yield running


@pytest.fixture
async def administrator(platform: Project) -> AsyncIterator[Machine]:
    """The first account, as a person in a browser."""
    async with Machine(base_url=platform.url, headers={"Origin": platform.url}, trust_env=False, timeout=30) as browser:
        password = (platform.secrets / "passwords" / "administrator").read_text()
        answer = await browser.post("/sign-in", data={"login": "administrator", "password": password})
        assert (answer.status_code, answer.headers["location"]) == (303, "/desk/stuck")
        found = re.search(r'name="csrf" value="(\w+)"', (await browser.get("/desk/stuck")).text)
        assert found
        browser.headers["X-CSRF"] = found[1]
        yield browser


@asynccontextmanager
async def machine(administrator: Machine, url: str, **account: Any) -> AsyncIterator[Machine]:
    """A new machine account, signed in."""
    client_id, secret = f"machine-{new_id()}", f"{new_id()}{new_id()}"
    body = {"client_id": client_id, "secret": secret, "name": "Robot", **account}
    await administrator.ask("POST", "/api/gateway/v1/clients", json=body)
    async with Machine(base_url=url, trust_env=False, timeout=30) as made:
        form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
        made.headers["Authorization"] = f"Bearer {(await made.post('/oauth/token', data=form)).json()['access_token']}"
        yield made


def load(platform: Project, folder: Path) -> str:
    """The files of a principal, as an operator loads them; what the loader said."""
    for name, rows in FEEDS.items():
        (folder / f"{name}.csv").write_text(rows)
        (folder / f"{name}.csv").chmod(0o600)
    return platform.entraide("feed", "load", *(folder / f"{name}.csv" for name in FEEDS))


async def test_every_container_comes_up_healthy(platform: Project) -> None:
    def healthy() -> bool:
        states = platform.states()
        return len(states) == 15 and states.pop("setup") == "exited 0" and set(states.values()) == {"healthy"}

    try:
        await eventually(healthy, seconds=300, every=3)
    except AssertionError:
        print(platform.states(), platform.last_words())
        raise


async def test_a_case_is_covered_offered_accepted_and_done(platform: Project, administrator: Machine, tmp_path: Path) -> None:
    counts = re.findall(r"│ +(\d+) │ +(\d+) │ +(\d+) │ +(\d+) │", load(platform, tmp_path))
    assert counts == [("1", "1", "0", "0")] * len(FEEDS)
    provider_id = new_id()
    async with (
        machine(administrator, platform.url, roles=["supervisor"]) as desk,
        machine(administrator, platform.url, roles=["provider"], provider_id=provider_id) as provider,
    ):
        areas = [{"service": "gardening", "radius_km": 50}]
        firm = {"code": "vert_fil", "label": "Vert-Fil", "siret": siret(420_001), "place": "69123", "areas": areas, "door": "polling"}
        await desk.ask("PUT", f"/api/dispatch/v1/providers/{provider_id}", json={**firm, "capacity_per_day": 5})
        [member] = (await desk.ask("GET", "/api/reference/v1/members", params={"q": "A-1001"}))["members"]
        now = datetime.now(UTC)
        slot = {"start": now.isoformat(), "end": (now + timedelta(hours=6)).isoformat()}
        need = {"service": "gardening", "place": "69123", "postcode": "69003", "urgency": "today", "quantity": "2", **slot}
        person = {"name": "Claire Montvert", "phone": "06 39 98 00 01"}
        case = {"principal_id": member["principal_id"], "member_id": member["id"], "beneficiary": person, "address": "12 rue du Lac", "needs": [need]}
        case_id = (await desk.ask("POST", "/api/intake/v1/cases", json=case))["case_id"]

        async def offered() -> Any:
            return (await provider.ask("GET", "/api/dispatch/v1/feed"))["items"]

        [offer] = await eventually(offered, seconds=60)
        assert (offer["kind"], offer["service"]) == ("offered", "gardening")
        await provider.ask("POST", f"/api/dispatch/v1/offers/{offer['offer_id']}/accept", json=slot)
        mission = f"/api/tracking/v1/missions/{offer['mission_id']}"

        async def known() -> bool:
            return (await provider.get(mission)).is_success

        await eventually(known, seconds=60)
        await provider.ask("POST", f"{mission}/start")
        await provider.ask("POST", f"{mission}/complete", json={"lines": [{"article": "gardening_hour", "unit": "hour", "quantity": "2"}]})

        async def done() -> Any:
            seen = await desk.ask("GET", f"/api/tracking/v1/cases/{case_id}")
            return [one for one in seen["needs"] if one["state"] == "performed"]

        await eventually(done, seconds=60)


async def test_an_operator_sees_and_adds_from_this_machine(platform: Project) -> None:
    firm = ("--label", "Lisière", "--siret", siret(420_002), "--insee", "69123", "--area", "gardening 40", "--capacity", "5")
    told = dict(line.split(maxsplit=1) for line in platform.entraide("provider", "add", "lisiere", *firm, "--door", "kafka").splitlines()[:-1])
    assert told["kafka_topic"] == f"provider.{told['provider']}.missions"
    assert told["provider"] in platform.entraide("provider", "show", "lisiere")

    status = platform.entraide("status")
    assert platform.url in status
    assert {service for service in SERVICES if f"│ {service} " in status} == set(SERVICES)
    assert platform.entraide("stuck", "list").strip() == "Nothing is stuck."
    assert "reads cases again" in platform.entraide("replay", "-s", "billing")
    assert "built anew" in platform.entraide("rebuild")
    async with httpx.AsyncClient(base_url=platform.url, trust_env=False, auth=(told["client_id"], told["client_secret"])) as software:
        assert (await software.post("/oauth/token", data={"grant_type": "client_credentials"})).is_success
