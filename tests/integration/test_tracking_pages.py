"""The pages of tracking in a real browser: a live case, tasks, a visit on a phone, a principal's board."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from contracts.billing import TariffChanged
from contracts.cards import CaseCard, Contact, NoteCard
from contracts.common import TaskOpened
from contracts.dispatch import ProviderChanged
from contracts.intake import NoteAdded
from contracts.reference import PrincipalChanged
from deploy.stack import Stack
from services.kit.clock import new_id
from services.kit.migrate import migrate
from services.kit.web.static_files import PREFIX, static_app
from services.tracking import main, stream
from services.tracking.settings import Settings
from tests.conftest import eventually
from tests.contracts.case_events import made
from tests.integration.tracking_harness import Case, Tracking, connect, soon
from tests.kit.harness import running
from tests.tokens import Keys

ANNA, BORIS = new_id(), new_id()
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SHOTS = os.environ.get("ENTRAIDE_SCREENSHOTS")  # a folder to keep pictures in


class Site:
    """The web process with a browser at its door; each visitor has a token of their own, as the gateway would add it."""

    def __init__(self, tracking: Tracking, keys: Keys, browser: Browser, address: str) -> None:
        self.tracking = tracking
        self.keys = keys
        self.browser = browser
        self.address = address
        self.wrong: list[str] = []

    async def visitor(self, role: str, width: int = 1440, **claims: Any) -> BrowserContext:
        token = self.keys.token("tracking", new_id(), role, csrf="c" * 32, **claims)
        return await self.browser.new_context(
            base_url=self.address, extra_http_headers={"Authorization": f"Bearer {token}"}, viewport={"width": width, "height": 900}, locale="fr-FR"
        )

    async def open(self, visitor: BrowserContext, path: str) -> Page:
        page = await visitor.new_page()
        page.on("console", lambda said: self.wrong.append(said.text) if said.type == "error" and "404" not in said.text else None)
        page.on("pageerror", lambda failure: self.wrong.append(str(failure)))
        await page.goto(path)
        return page


async def picture(page: Page, name: str) -> None:
    if SHOTS:
        await page.screenshot(path=str(Path(SHOTS) / f"{name}.png"))


@pytest.fixture(scope="module")
async def site(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    await migrate(stack.environment("tracking", migrating=True)["ENTRAIDE_DATABASE_URL_OWNER"], Path("services/tracking/migrations"))
    keys = Keys(tmp_path_factory.mktemp("keys"))
    values = {name.removeprefix("ENTRAIDE_").lower(): value for name, value in stack.environment("tracking").items()}
    app = main.create(Settings.model_validate(values | {"jwks_file": keys.jwks_file}))
    app.mount(PREFIX, static_app())  # the gateway's part
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", ws="none"))
    tracking = Tracking(await connect(stack))
    await tracking.loop_back()
    async with running(stream.notify(tracking.db)), async_playwright() as playwright:
        serving = asyncio.create_task(server._serve())
        await eventually(lambda: server.started)
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        site = Site(tracking, keys, browser, f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}")
        await known(site)
        yield site
        await browser.close()
        server.should_exit = True
        await serving
    await tracking.db.close()


async def known(site: Site) -> None:
    place = {"insee": "35238", "postcode": "35000", "departement": "35"}
    firm = {"siret": "73282932000074", "place": place, "areas": [], "door": "extranet", "capacity_per_day": 5, "version": 1}
    for provider, label in ((ANNA, "Jardins du Couesnon"), (BORIS, "Coup d’Main 35")):
        await site.tracking.tell(made(ProviderChanged, provider_id=provider, code=f"p{provider[-6:]}", label=label, **firm))
    lines = [
        {"article": name, "unit": unit, "unit_price_net": "30", "vat_rate": "0.20"}
        for name, unit in (("gardening_hour", "hour"), ("green_waste", "unit"))
    ]
    await site.tracking.tell(
        made(TariffChanged, tariff_id=new_id(), provider_id=None, service="gardening", lines=lines, valid_from="2026-01-01", version=1)
    )


@pytest.fixture
async def case(site: Site) -> Case:
    case = Case(site.tracking)
    terms = {"terms": {"fee_net_cents": 0, "markup_rate": "0", "vat_rate": "0.20"}, "at_risk_limit_cents": 0, "valid_from": "2026-01-01"}
    await site.tracking.tell(
        made(PrincipalChanged, principal_id=case.principal, code="orvane", label="Banque Orvane", siren="732829320", version=1, **terms)
    )
    await case.opened()
    person = Contact(name="Odile Fauxbois", phone="+33639981234")
    wishes = {case.need: "Tailler la haie de lauriers côté rue."}
    await site.tracking.show(
        CaseCard(id=case.id, version=1, member_id=case.member, beneficiary=person, address="12 rue des Exemples, Rennes", wishes=wishes)
    )
    await case.accepted(ANNA)
    return case


async def test_a_case_page_follows_the_log_by_itself(site: Site, case: Case) -> None:
    page = await site.open(await site.visitor("agent"), f"/desk/cases/{case.id}")
    head = page.locator("#case-head")
    await expect(head.locator(".e-state.big")).to_have_text("Planifié")
    await expect(head.locator(".e-say")).to_contain_text("Le prestataire vient le")
    await expect(page.locator("#case-aside")).to_contain_text("Odile Fauxbois")
    await expect(page.locator("#case-needs")).to_contain_text("Jardins du Couesnon")
    await expect(page.locator(".e-live:not(.unknown)")).to_be_visible()
    note = new_id()
    await site.tracking.show(NoteCard(id=note, version=1, case_id=case.id, text="Un chien est dans le jardin."))
    await case.tell(NoteAdded, card={"kind": "note", "id": note, "version": 1})
    await expect(page.locator("#case-thread")).to_contain_text("Un chien est dans le jardin.")
    await picture(page, "case")
    site.wrong.clear()  # the panels of the other services are not there


async def test_a_search_with_one_hit_opens_it(site: Site, case: Case) -> None:
    page = await site.open(await site.visitor("agent"), "/desk/cases")
    await expect(page.locator("#cases table")).to_contain_text("Odile Fauxbois")
    await picture(page, "cases")
    await page.keyboard.press("F2")
    await page.keyboard.type(f"{case.number[:3]} {case.number[3:6]} {case.number[6:]}")
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/desk/cases/{case.id}")


async def test_a_task_is_taken_and_leaves_the_list_when_it_is_settled(site: Site, case: Case) -> None:
    page = await site.open(await site.visitor("agent"), "/desk/tasks")
    task = new_id()
    await case.tell(TaskOpened, task_id=task, kind="unfilled_mission", role="agent", due_at=soon(1), reason="all_declined")
    row = page.locator("#tasks tr", has_text=f"{case.number[:3]}\u202f{case.number[3:6]}")
    await expect(row).to_contain_text("Mission sans prestataire")
    await row.get_by_role("button", name="Prendre").click()
    await expect(row).to_contain_text("vous")
    await picture(page, "tasks")
    assert site.wrong == []


async def test_a_provider_starts_and_finishes_a_visit_on_a_phone(site: Site, case: Case) -> None:
    page = await site.open(await site.visitor("provider", 390, provider_id=ANNA), f"/extranet/visits/{case.mission}")
    await page.get_by_role("button", name="Commencer l’intervention").click()
    await expect(page.locator("#visit")).to_contain_text("En cours")
    await page.get_by_label("Jardinage, heures").fill("2,5")
    await picture(page, "visit")
    await page.get_by_role("button", name="Terminer l’intervention").click()
    await expect(page.locator("#visit")).to_contain_text("Terminée")
    await site.tracking.loop_back()
    assert await site.tracking.states(case) == ["performed", "performed"]
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    assert site.wrong == []


async def test_a_refused_quantity_keeps_what_was_typed(site: Site, case: Case) -> None:
    page = await site.open(await site.visitor("provider", 390, provider_id=ANNA), f"/extranet/visits/{case.mission}")
    await page.get_by_role("button", name="Commencer l’intervention").click()
    await page.get_by_label("Jardinage, heures").fill("deux")
    await page.get_by_role("button", name="Terminer l’intervention").click()
    await expect(page.locator("#visit [role=alert]")).to_be_visible()
    await expect(page.get_by_label("Jardinage, heures")).to_have_value("deux")
    site.wrong.clear()


async def test_a_principal_sees_its_cases_move(site: Site, case: Case) -> None:
    page = await site.open(await site.visitor("principal", principal_ids=[case.principal]), "/board")
    await expect(page.locator("#board")).to_contain_text("1 dossier")
    await expect(page.locator("#board table .e-state")).to_have_text("Planifié")
    await case.taken_back(ANNA, again=False)
    await expect(page.locator("#board table .e-state")).to_have_text("Sans prestataire")
    await picture(page, "board")
    assert "Odile" not in await page.content() and "Couesnon" not in await page.content()
    assert site.wrong == []
