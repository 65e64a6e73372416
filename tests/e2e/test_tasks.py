"""What waits for a person."""

import pytest
from playwright.async_api import expect

from tests.e2e.conftest import Enter
from tests.e2e.stage import Stage

pytestmark = pytest.mark.timeout(600)
FAR_AWAY = "29019"  # Brest: no provider of the stage goes there


async def test_a_need_that_nobody_can_do_becomes_a_task_that_an_agent_takes(stage: Stage, enter: Enter) -> None:
    visitor = await enter("agent")
    page = visitor.page
    await page.goto("/desk/tasks")
    opened = await stage.open_case(stage.members[4], insee=FAR_AWAY)
    await stage.told(opened["case_id"])
    row = page.locator("#tasks tr", has=page.locator(f"a[href='/desk/cases/{opened['case_id']}']"))
    await expect(row).to_be_visible()
    await row.get_by_role("button", name="Prendre").click()
    await expect(row).to_contain_text("vous")
    await visitor.shot("tasks")
    await row.get_by_role("link", name="Traiter").click()
    await expect(page.locator("#case-head .e-state.big")).to_have_text("Sans prestataire")
