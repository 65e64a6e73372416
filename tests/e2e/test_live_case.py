"""The live view of a case."""

import pytest
from playwright.async_api import Route, expect

from tests.e2e.conftest import Enter
from tests.e2e.stage import Stage
from tests.e2e.test_desk import caller_known

pytestmark = pytest.mark.timeout(600)
# The stream in the test's hand: `tell(topic)` ends when the page has told its elements.
STREAM = """
    delete window.SharedWorker;
    window.EventSource = class extends EventTarget { constructor() { super(); window.stream = this; } close() {} };
    window.tell = topic => new Promise(heard => {
        const witness = document.createElement("i");
        witness.dataset.live = topic;
        witness.addEventListener("live", () => { witness.remove(); heard(); });
        document.body.append(witness);
        window.stream.dispatchEvent(new MessageEvent("message", { data: JSON.stringify({ topics: [topic], heard: [] }) }));
    });
"""


async def test_a_case_shows_the_acceptance_without_being_loaded_again(stage: Stage, enter: Enter) -> None:
    opened = await stage.open_case(stage.members[2])
    firm, offer = await stage.offered(opened["number"])
    await stage.told(opened["case_id"])
    visitor = await enter("agent")
    page = visitor.page
    await page.goto(f"/desk/cases/{opened['case_id']}")
    await expect(page.locator("#case-head .e-state.big")).to_have_text("Proposé")
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


async def test_the_callers_cases_follow_too(stage: Stage, enter: Enter) -> None:
    member = stage.members[5]
    opened = await stage.open_case(member)
    firm, offer = await stage.offered(opened["number"])
    await stage.told(opened["case_id"])
    page = (await enter("agent")).page
    await caller_known(page, member.number)
    await expect(page.locator("#member-cases .e-state")).to_have_text("Proposé")
    async with stage.firm(firm) as http:
        (await http.post(f"/api/dispatch/v1/offers/{offer['offer_id']}/accept", json=offer["wanted"])).raise_for_status()
    await expect(page.locator("#member-cases .e-state")).to_have_text("Planifié")


async def test_what_was_asked_for_before_the_news_is_asked_for_again(stage: Stage, enter: Enter) -> None:
    member = stage.members[6]
    opened = await stage.open_case(member)
    await stage.offered(opened["number"])
    await stage.told(opened["case_id"])
    page = (await enter("agent")).page
    await page.add_init_script(STREAM)
    answers = 0

    async def stale_at_first(route: Route) -> None:
        nonlocal answers
        answers += 1
        body = await (await route.fetch()).text()
        if answers == 1:
            assert "Proposé" in body
            body = body.replace("Proposé", "Ouvert")
            await page.evaluate("topic => tell(topic)", f"case:{opened['case_id']}")
        await route.fulfill(body=body, content_type="text/html; charset=utf-8")

    await page.route("**/pages/tracking/member-cases*", stale_at_first)
    await page.goto("/desk")
    await caller_known(page, member.number)
    await expect(page.locator("#member-cases .e-state")).to_have_text("Proposé")
    assert answers == 2
