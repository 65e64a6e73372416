"""A provider on a phone."""

from signal import SIGCONT, SIGSTOP

import pytest
from playwright.async_api import Page, expect

from tests.e2e.conftest import PHONE, Enter
from tests.e2e.stage import Stage

pytestmark = pytest.mark.timeout(600)


async def fits(page: Page) -> bool:
    """No sideways scroll of the page."""
    return bool(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


async def test_a_provider_accepts_starts_and_finishes_on_a_phone(stage: Stage, enter: Enter) -> None:
    member = stage.members[3]
    opened = await stage.open_case(member)
    firm, _ = await stage.offered(opened["number"])
    visitor = await enter(firm.code, PHONE, has_touch=True)
    page = visitor.page
    offer = page.locator("article.offer", has=page.locator(".e-num")).filter(has_text=member.town.name).first
    await expect(offer).to_contain_text("Jardinage")
    await expect(page.locator("main")).not_to_contain_text(member.last_name)
    assert await fits(page)
    await visitor.shot("offers-390")
    await offer.get_by_role("button", name="Accepter").click()
    await visitor.shot("accept-390")
    await page.get_by_role("button", name="Accepter la mission").click()
    await page.wait_for_url("**/extranet/missions/*")
    await expect(page.locator("main")).to_contain_text(member.last_name)
    await page.get_by_role("button", name="Commencer l’intervention").click()
    quantities = page.locator("#visit input[name^='q:']")
    await expect(quantities.first).to_be_visible()
    await quantities.first.fill("2,5")
    assert await fits(page)
    await visitor.shot("visit-390", whole=True)
    await page.get_by_role("button", name="Terminer l’intervention").click()
    await expect(page.locator("#visit")).to_contain_text("La facture en est tirée")
    await visitor.shot("done-390", whole=True)
    await page.goto("/extranet/missions")
    assert await fits(page)
    await visitor.shot("missions-390")


async def test_a_mission_page_follows_what_happens_elsewhere_and_keeps_what_is_being_typed(stage: Stage, enter: Enter) -> None:
    opened = await stage.open_case(stage.members[4])
    firm, offer = await stage.offered(opened["number"])
    visitor = await enter(firm.code, PHONE, has_touch=True)
    page, mission = visitor.page, offer["mission_id"]
    dispatch = stage.platform.process("dispatch-worker")
    badge, visit = page.locator("#mission-head .e-state"), page.locator("#visit")
    async with stage.firm(firm) as elsewhere:
        (await elsewhere.post(f"/api/dispatch/v1/offers/{offer['offer_id']}/accept", json=offer["wanted"])).raise_for_status()
        await page.goto(f"/extranet/missions/{mission}")
        await page.evaluate("window.sameDocument = true")
        await expect(visit.get_by_role("button", name="Commencer l’intervention")).to_be_visible()
        assert dispatch.send(SIGSTOP)
        (await elsewhere.post(f"/api/tracking/v1/missions/{mission}/start")).raise_for_status()
        quantities = page.locator("#visit input[name^='q:']")
        await quantities.first.fill("2,5")
        await expect(badge).to_contain_text("Accepté")  # dispatch has not heard of it
        assert dispatch.send(SIGCONT)
        await expect(badge).to_contain_text("En cours")
        await expect(quantities.first).to_have_value("2,5")
        article, unit = (await quantities.first.get_attribute("name") or "").split(":")[1:]
        lines = {"lines": [{"article": article, "unit": unit, "quantity": "1.5"}]}
        (await elsewhere.post(f"/api/tracking/v1/missions/{mission}/complete", json=lines)).raise_for_status()
    await expect(badge).to_contain_text("Réalisé")
    await expect(visit).to_contain_text("1,5 h")
    assert await page.evaluate("window.sameDocument") is True
    await page.goto("/extranet/missions")
    await expect(page.locator("#missions")).to_contain_text("Réalisé")
