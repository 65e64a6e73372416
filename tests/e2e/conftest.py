"""One small platform and one headless Chromium for all journeys."""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect

from tests.e2e.stage import Stage, playing

FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
PATIENCE_MS = 60_000
DESK, PHONE = (1440, 900), (390, 844)
# What was pressed beyond typing text; it outlives the page, as a case leads to another one.
COUNT = """addEventListener("keydown", e => {
  const typing = e.key.length === 1 && !e.ctrlKey && !e.altKey && e.target.matches("textarea, input:not([type=radio])");
  if (!typing) sessionStorage.presses = Number(sessionStorage.presses ?? 0) + 1;
}, true);"""

Enter = Callable[..., Awaitable["Visitor"]]


@dataclass
class Visitor:
    """Somebody at a browser. `complaints`: what the browser found wrong; a journey that expects some takes them out."""

    page: Page
    stage: Stage
    shots: Path
    complaints: list[str] = field(default_factory=list)

    async def shot(self, name: str, *, whole: bool = False) -> None:
        await self.page.screenshot(path=self.shots / f"{name}.png", full_page=whole, caret="initial")  # hiding the caret would be an inline style

    async def sign_in(self, login: str, password: str) -> None:
        await self.page.fill("[name=login]", login)
        await self.page.fill("[name=password]", password)
        await self.page.keyboard.press("Enter")

    async def presses(self) -> int:
        return int(await self.page.evaluate("sessionStorage.presses ?? 0"))

    async def forget_presses(self) -> None:
        await self.page.evaluate("sessionStorage.removeItem('presses')")

    def hear(self, message: ConsoleMessage) -> None:
        if message.type == "error" or "Content Security Policy" in message.text:
            self.complaints.append(f"{message.text} at {message.location.get('url')}")


@pytest.fixture(scope="session")
async def stage() -> AsyncIterator[Stage]:
    async with playing() as stage:
        yield stage


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    found = shutil.which("chromium")
    if found is None:
        pytest.fail("the journeys need a browser: apt-get install chromium")
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go; ENTRAIDE_SHOTS keeps them."""
    kept = os.environ.get("ENTRAIDE_SHOTS")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("shots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
async def enter(stage: Stage, chromium: Browser, shots: Path) -> AsyncIterator[Enter]:
    """Opens a browser of its own for somebody, signed in where a login is given. At the end no browser may have complained."""
    visitors: list[Visitor] = []

    async def opened(login: str | None = None, size: tuple[int, int] = DESK, **options: Any) -> Visitor:
        context = await chromium.new_context(viewport={"width": size[0], "height": size[1]}, locale="fr-FR", base_url=stage.url, **options)
        context.set_default_timeout(PATIENCE_MS)
        await context.add_init_script(COUNT)
        page = await context.new_page()
        visitor = Visitor(page, stage, shots)
        visitors.append(visitor)
        page.on("console", visitor.hear)
        page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
        await page.goto("/sign-in")
        if login:
            await visitor.sign_in(login, stage.password)
            await page.wait_for_url(lambda url: "/sign-in" not in url)
        return visitor

    yield opened
    for visitor in visitors:
        await visitor.page.context.close()
    assert [complaint for visitor in visitors for complaint in visitor.complaints] == []
