"""Signing in and out."""

import re

import pytest
from playwright.async_api import expect

from tests.e2e.conftest import Enter
from tests.e2e.stage import Stage

pytestmark = pytest.mark.timeout(600)


async def test_a_wrong_password_says_so_and_the_right_one_leads_home(stage: Stage, enter: Enter) -> None:
    visitor = await enter()
    page = visitor.page
    await visitor.sign_in("agent", "not-the-password")
    await expect(page.locator("form [role=alert]")).to_contain_text("incorrect")
    await expect(page.locator("[name=password]")).to_be_focused()
    visitor.complaints = [complaint for complaint in visitor.complaints if "status of 401" not in complaint]
    await visitor.shot("sign-in")
    await visitor.sign_in("agent", stage.password)
    await page.wait_for_url("**/desk")
    await expect(page.locator(".e-bar")).to_contain_text("Claire Montvert")
    await expect(page.locator("#who")).to_be_focused()


async def test_signing_out_ends_the_session_and_a_page_asks_to_sign_in_again(enter: Enter) -> None:
    page = (await enter("agent")).page
    await page.get_by_role("button", name="Se déconnecter").click()
    await page.wait_for_url("**/sign-in")
    await page.goto("/desk/cases")
    await page.wait_for_url(re.compile("/sign-in[?]next=/desk/cases$"))


async def test_the_pages_are_read_in_english_too(enter: Enter) -> None:
    page = (await enter("agent")).page
    await page.get_by_role("link", name="English").click()
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    await expect(page.get_by_role("button", name="Open the case")).to_be_visible()
