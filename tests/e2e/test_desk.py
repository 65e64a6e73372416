"""The desk: a call, and the case that comes of it."""

import pytest
from playwright.async_api import Page, expect

from tests.e2e.conftest import Enter
from tests.e2e.stage import SERVICE, Stage

pytestmark = pytest.mark.timeout(600)
MOST_PRESSES = 6
WORDS = "Tailler la haie de lauriers côté rue, environ 12 m sur 1,80 m. Évacuer les branches. Un chien dans le jardin, gentil."


async def caller_known(page: Page, typed: str) -> None:
    """Types into the search that has the focus, and waits until the rights are there and the first has the focus."""
    await page.keyboard.type(typed)
    await page.keyboard.press("Enter")
    await expect(page.locator("#rights input").first).to_be_focused()


async def test_a_case_is_opened_by_keyboard_alone_in_six_presses_beyond_the_text(stage: Stage, enter: Enter) -> None:
    visitor = await enter("agent")
    page, member = visitor.page, stage.members[0]
    await expect(page.locator("#who")).to_be_focused()
    await visitor.forget_presses()
    await caller_known(page, member.phones[0])
    await expect(page.locator("#caller")).to_contain_text(member.town.name)
    digit = await page.locator(f"#rights input[value={SERVICE}]").get_attribute("data-digit")
    await page.keyboard.press(str(digit))
    await expect(page.locator("#answer")).to_contain_text("Pris en charge")
    await expect(page.locator("#f-words")).to_be_focused()
    await page.keyboard.type(WORDS)
    await visitor.shot("desk")
    await page.keyboard.press("Control+Enter")
    await page.wait_for_url("**/desk/cases/*")
    assert 3 <= await visitor.presses() <= MOST_PRESSES
    await expect(page.locator("#case-head")).to_contain_text("Jardinage")
    await expect(page.locator("#case-head .e-state.big")).to_have_text("Proposé")
    await expect(page.locator("#case-actions")).to_contain_text("Annuler cette demande")

    await page.goto("/desk")
    await caller_known(page, member.number)
    await expect(page.locator("#member-cases .e-state").first).to_have_text("Proposé")


async def test_a_refusal_says_why_and_what_else_may_be_done(stage: Stage, enter: Enter) -> None:
    visitor = await enter("agent")
    page = visitor.page
    await caller_known(page, stage.members[1].phones[0])
    refused = page.locator("#rights label", has_text="prestation non garantie").first
    await refused.click()
    await expect(page.locator("#answer")).to_contain_text("service_not_covered")
    await expect(page.locator("#answer")).to_contain_text("un superviseur peut accorder un geste")
    await expect(page.locator("#send")).to_contain_text("Enregistrer le refus")
    await visitor.shot("desk-refused")


async def test_several_people_of_one_name_are_told_apart_by_birth_year_and_commune(stage: Stage, enter: Enter) -> None:
    visitor = await enter("agent")
    page, wanted = visitor.page, stage.members[0]
    await page.keyboard.type(wanted.last_name[:4])
    await page.keyboard.press("Enter")
    hit = page.locator("#caller button", has_text=f"{wanted.first_name} {wanted.last_name}").first
    await expect(hit).to_contain_text(str(wanted.birth_date.year))
    await expect(hit).to_contain_text(wanted.town.name)
    await visitor.shot("desk-several")
    await hit.click()
    await expect(page.locator("#identity")).to_contain_text(wanted.last_name)


async def test_a_caller_nobody_knows_gets_a_case_all_the_same(enter: Enter) -> None:
    visitor = await enter("agent")
    page = visitor.page
    await page.keyboard.type("06 39 98 99 99")
    await page.keyboard.press("Enter")
    await page.locator("#f-last_name").fill("Ravelin")
    await page.locator("#f-address").fill("3 rue des Exemples")
    await page.locator("#f-commune").fill("Saint-Denis")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("#error-commune")).to_contain_text("Saint-Denis (93200)")
    visitor.complaints = [complaint for complaint in visitor.complaints if "status of 422" not in complaint]
    await expect(page.locator("#f-commune")).to_be_focused()
    await visitor.shot("desk-unknown")
    await page.locator("#f-commune").fill("93200")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("#caller")).to_contain_text("provisoire")
    await expect(page.locator("#rights input[data-digit='1']")).to_be_focused()
    await page.keyboard.press("1")
    await expect(page.locator("#answer")).to_contain_text("Le dossier s’ouvre quand même")
    await page.keyboard.type("Besoin d’aide pour la haie")
    await page.keyboard.press("Control+Enter")
    await page.wait_for_url("**/desk/cases/*")
