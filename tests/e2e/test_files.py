"""The files of a principal at the desk of a supervisor: what came of them, and the rows that could not be taken."""

from pathlib import Path

import pytest
from playwright.async_api import expect

from services.kit.db import Database
from services.reference.usecases import mapping
from services.reference.usecases.feed import load_csv
from tests.e2e.conftest import Enter
from tests.e2e.stage import Stage

pytestmark = pytest.mark.timeout(600)

ROWS = """principal,number,civility,last_name,first_name,birth_date,phones,postcode
{principal},FIC-001,mme,Kerbrat,Odile,31/02/1958,06 39 98 12 34,35000
{principal},FIC-002,m,Tanguy,Yann,1949-07-02,appeler le soir,35000
{principal},FIC-003,m,Riou,Paul,1961-11-30,,35000
"""
FULL = 'principal = "{principal}"\n[members]\nmode = "full"\n'


async def load(stage: Stage, folder: Path, name: str, rows: str, means: str = "") -> None:
    file, described = folder / name, folder / "mapping.toml"
    file.write_text(rows, encoding="utf-8")
    described.write_text(means, encoding="utf-8")
    db = await Database.connect("reference", stage.platform.stack.environment("reference")["ENTRAIDE_DATABASE_URL"], size=2)
    try:
        await load_csv(db, "members", file, mapping.read(described))
    finally:
        await db.close()


async def test_a_supervisor_mends_one_row_drops_another_and_reads_what_a_file_would_end(stage: Stage, enter: Enter, tmp_path: Path) -> None:
    principal = stage.members[0].principal
    await load(stage, tmp_path, "members-2026-11.csv", ROWS.format(principal=principal))
    visitor = await enter("superviseur")
    page = visitor.page
    await page.goto("/desk/files")
    wrong = page.locator("#files tbody tr", has_text="Kerbrat")
    await expect(wrong).to_contain_text("n’est pas une date")
    await wrong.locator("summary").click()
    await visitor.shot("files", whole=True)
    await wrong.get_by_label("Né(e) le").fill("1958-02-30")
    await wrong.get_by_role("button", name="Reprendre la ligne").click()
    await expect(page.locator("#files [role=alert]")).to_contain_text("n’est pas une date", ignore_case=True)
    await expect(wrong.get_by_label("Né(e) le")).to_have_value("1958-02-30")
    await wrong.get_by_label("Né(e) le").fill("1958-02-28")
    await wrong.get_by_role("button", name="Reprendre la ligne").click()
    await expect(wrong).to_have_count(0)
    other = page.locator("#files tbody tr", has_text="appeler le soir")
    await other.locator("summary").click()
    await other.get_by_role("button", name="Écarter").click()
    await expect(page.get_by_text("Toutes les lignes reçues ont pu être prises.")).to_be_visible()
    async with stage.desk() as desk:
        [mended] = (await desk.get("/api/reference/v1/members", params={"q": "FIC-001"})).raise_for_status().json()["members"]
    assert (mended["last_name"], mended["birth_date"]) == ("Kerbrat", "1958-02-28")
    await load(stage, tmp_path, "members-2026-12.csv", ROWS.format(principal=principal), FULL.format(principal=principal))
    await page.reload()
    await expect(page.locator("#files")).to_contain_text("entraide feed confirm")
    await expect(page.locator("#files tbody tr", has_text="members-2026-12.csv").filter(has_text="attend un accord")).to_have_count(1)
    await visitor.shot("files-asks", whole=True)
    visitor.complaints.clear()  # the refused row was answered with 422, which a browser notes


async def test_an_agent_has_no_files(enter: Enter) -> None:
    page = (await enter("agent")).page
    await expect(page.get_by_role("link", name="Fichiers")).to_have_count(0)
