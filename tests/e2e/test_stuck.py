"""What no consumer could apply."""

import asyncio

import pytest
from confluent_kafka import Producer
from playwright.async_api import expect

from services.kit.clock import new_id
from tests.e2e.conftest import Enter
from tests.e2e.stage import Stage

pytestmark = pytest.mark.timeout(600)


def poison(stage: Stage, key: str) -> None:
    """A record that is no event of ours."""
    broker = stage.platform.stack.broker
    producer = Producer({
        "bootstrap.servers": broker.bootstrap, "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": broker.user, "sasl.password": broker.password,
    })  # fmt: skip
    producer.produce("cases", key=key, value=b"{}", headers=[("ce_id", b"none")])
    assert producer.flush(30) == 0


async def test_a_record_nobody_can_read_is_listed_and_goes_when_a_supervisor_skips_it(stage: Stage, enter: Enter) -> None:
    visitor = await enter("superviseur")
    page, key = visitor.page, new_id()
    await page.goto("/desk/stuck")
    await expect(page.locator("section[id^=stuck-]")).to_have_count(5)
    await asyncio.to_thread(poison, stage, key)
    for service in ("intake", "reference", "dispatch", "tracking", "billing"):
        row = page.locator(f"#stuck-{service} tbody tr", has_text=key)
        await expect(row).to_contain_text("message illisible")
        if service == "intake":
            await visitor.shot("stuck")
        await row.get_by_text("Passer", exact=True).click()
        await row.get_by_label("Motif").fill("écrit par un essai")
        await row.get_by_role("button", name="Passer ce message").click()
        await expect(row).to_have_count(0)
    await visitor.shot("stuck-none")


async def test_an_agent_sees_what_is_stuck_and_cannot_touch_it(stage: Stage, enter: Enter) -> None:
    page = (await enter("agent")).page
    key = new_id()
    await asyncio.to_thread(poison, stage, key)
    await page.goto("/desk/stuck")
    row = page.locator("#stuck-intake tbody tr", has_text=key)
    await expect(row).to_be_visible()
    await expect(row.get_by_role("button")).to_have_count(0)
