"""A provider on a phone."""

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
