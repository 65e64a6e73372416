"""The live view of a case."""

import pytest
from playwright.async_api import expect

from tests.e2e.conftest import Enter
from tests.e2e.stage import Stage

pytestmark = pytest.mark.timeout(600)


async def test_a_case_shows_the_acceptance_without_being_loaded_again(stage: Stage, enter: Enter) -> None:
    opened = await stage.open_case(stage.members[2])
    firm, offer = await stage.offered(opened["number"])
    await stage.told(opened["case_id"])
    visitor = await enter("agent")
    page = visitor.page
    await page.goto(f"/desk/cases/{opened['case_id']}")
    await expect(page.locator("#case-head")).to_contain_text("Proposé")
    await expect(page.locator("[data-live-dot]")).to_contain_text("En direct")
    await page.evaluate("window.sameDocument = true")
    async with stage.firm(firm) as http:
        accepted = await http.post(f"/api/dispatch/v1/offers/{offer['offer_id']}/accept", json=offer["wanted"])
        accepted.raise_for_status()
    await expect(page.locator("#case-head .e-state.big")).to_contain_text("Planifié")
    await expect(page.locator("main")).to_contain_text(firm.label)
    assert await page.evaluate("window.sameDocument") is True
    await page.locator("#note").fill("Le portail est vert.")
    await page.keyboard.press("F8")
    await expect(page.locator("#case-actions .pl")).to_contain_text("Le portail est vert.")
    await visitor.shot("case")
