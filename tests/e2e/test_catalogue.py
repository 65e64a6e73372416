"""The catalogue at an administrator's: a guarantee is another one from a day on."""

import pytest
from playwright.async_api import expect

from tests.e2e.conftest import Enter
from tests.e2e.stage import Stage

pytestmark = pytest.mark.timeout(600)


async def test_an_administrator_gives_a_guarantee_a_new_version_and_the_old_one_stays_readable(stage: Stage, enter: Enter) -> None:
    visitor = await enter("admin")
    page = visitor.page
    await page.goto("/admin/catalogue")
    await visitor.shot("catalogue", whole=True)
    async with stage.desk() as desk:
        products = (await desk.get("/api/reference/v1/products")).raise_for_status().json()["products"]
    product, code = next((one["code"], one["guarantees"][0]["code"]) for one in products if one["guarantees"])
    label = next(one["label"] for one in products if one["code"] == product)
    await page.get_by_role("link", name=label, exact=True).click()
    card = page.locator("section", has=page.get_by_role("heading", name=code, exact=True))
    await card.get_by_text("Nouvelle version").click()
    await card.get_by_label("Plafond TTC (€)").fill("beaucoup")
    await card.get_by_role("button", name="Enregistrer").click()
    await expect(card.get_by_role("alert")).to_contain_text("n’est pas un nombre")
    await expect(card.get_by_label("Plafond TTC (€)")).to_have_value("beaucoup")
    await card.get_by_label("Plafond TTC (€)").fill("1 234,50")
    await card.get_by_label("Valable dès le").fill("2031-03-01")
    await card.get_by_role("button", name="Enregistrer").click()
    await expect(card.locator("tbody tr").first).to_contain_text("1234,50")
    await expect(card.locator("tbody tr").first).to_contain_text("à venir")
    await expect(card.locator("tbody tr").first).to_contain_text("le bénéficiaire")
    await expect(card.locator("tbody tr", has_text="en vigueur")).to_have_count(1)
    await expect(page.locator("section", has=page.get_by_role("heading", name="Derniers changements"))).to_contain_text("à la main")
    await visitor.shot("catalogue-product", whole=True)
    visitor.complaints.clear()  # the amount that was no number was answered with 422, which a browser notes


async def test_a_principal_gets_new_terms_and_a_supervisor_has_no_catalogue(stage: Stage, enter: Enter) -> None:
    visitor = await enter("admin")
    page = visitor.page
    await page.goto(f"/admin/catalogue/principals/{stage.members[0].principal}")
    await page.get_by_text("Nouvelles conditions").click()
    form = page.locator("form", has=page.get_by_role("button", name="Enregistrer")).filter(visible=True)
    await form.get_by_label("Marge (%)").fill("4,5")
    await form.get_by_label("Valable dès le").fill("2032-01-01")
    await form.get_by_role("button", name="Enregistrer").click()
    await expect(page.locator("tbody tr", has_text="à venir")).to_contain_text("4,5")
    await visitor.shot("catalogue-principal", whole=True)
    other = (await enter("superviseur")).page
    await expect(other.get_by_role("link", name="Catalogue")).to_have_count(0)
