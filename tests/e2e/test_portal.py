"""A member at home: what they are entitled to, what is paid back to them, on a phone first."""

import pytest
from playwright.async_api import expect

from tests.e2e.conftest import DESK, PHONE, Enter
from tests.e2e.stage import Stage

pytestmark = pytest.mark.timeout(600)


def login(stage: Stage) -> str:
    return next(user.login for user in stage.seeded.people.users if "member" in user.roles)


async def test_a_member_reads_rights_and_statements_on_a_phone_and_keeps_them_on_paper(stage: Stage, enter: Enter) -> None:
    visitor = await enter(login(stage), PHONE)
    page = visitor.page
    await page.wait_for_url("**/me")
    member = next(one for one in stage.members if one.number.lower() == login(stage))
    await expect(page.locator("h1")).to_contain_text(member.first_name)
    await expect(page.locator("main")).to_contain_text(member.contracts[0].number)
    await expect(page.locator(".right-row").first).to_be_visible()
    await visitor.shot("portal-rights-390", whole=True)
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Mes droits en PDF").click()
    paper = visitor.shots / "rights.pdf"
    await (await download.value).save_as(paper)
    assert paper.read_bytes().startswith(b"%PDF-")

    await page.get_by_role("navigation", name="Mon espace, bas d’écran").get_by_role("link", name="Mes remboursements").click()
    await page.wait_for_url("**/me/statements")
    rows = page.locator(".right-row")
    everything = await rows.count()
    assert everything > 0
    await visitor.shot("portal-statements-390", whole=True)
    await page.get_by_label("Rechercher un relevé").fill("taxi 42,80")
    await page.keyboard.press("Enter")
    await expect(page.locator(".right-row", has_text="taxi")).to_have_count(1)
    async with page.expect_download() as download:
        await page.locator(".right-row").get_by_role("link", name="PDF").click()
    await (await download.value).save_as(visitor.shots / "statement.pdf")
    await page.get_by_label("Rechercher un relevé").fill("rien de tel")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Aucun relevé ne correspond à cette recherche.")).to_be_visible()
    await visitor.shot("portal-statements-none-390")
    wide = await page.evaluate("document.documentElement.scrollWidth")
    assert wide <= PHONE[0], wide


async def test_the_portal_is_read_in_english_on_a_wide_screen_too(stage: Stage, enter: Enter) -> None:
    visitor = await enter(login(stage), DESK)
    page = visitor.page
    await page.get_by_role("link", name="English").click()
    await expect(page.locator("h1")).to_contain_text("Hello")
    await visitor.shot("portal-rights", whole=True)
    await page.get_by_role("navigation", name="Main navigation").get_by_role("link", name="My reimbursements").click()
    await expect(page.locator("h1")).to_have_text("My reimbursements")
    await visitor.shot("portal-statements", whole=True)
