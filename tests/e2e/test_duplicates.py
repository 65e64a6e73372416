"""Who is who at the desk: the same person twice put together and apart, a caller recognised."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from services.kit.db import Database
from services.reference.usecases import duplicates, telling
from services.reference.usecases.feed import load_csv
from tests.conftest import eventually
from tests.e2e.conftest import Enter
from tests.e2e.stage import SERVICE, Stage

pytestmark = pytest.mark.timeout(600)

HEAD = "principal,number,civility,last_name,first_name,birth_date,phones,postcode\n"
TWICE = "{p},DBL-001,mme,Kerdoncuff,Soizic,1952-06-21,0639986601,35000\n{p},DBL-002,mme,Kerdoncuf,Soizic,1952-06-21,0639986602,35000\n"
TWO = "{p},DBL-003,m,Autret,Per,1948-01-30,0639986603,35000\n{p},DBL-004,m,Autret,Perig,1948-01-30,0639986604,35000\n"
KNOWN = "{p},DBL-005,mme,Le Moal,Nolwenn,1961-04-17,0639986605,35000\n"


async def load(stage: Stage, folder: Path, rows: str) -> None:
    file = folder / "members.csv"
    file.write_text(HEAD + rows.format(p=stage.members[0].principal), encoding="utf-8")
    db = await Database.connect("reference", stage.platform.stack.environment("reference")["ENTRAIDE_DATABASE_URL"], size=2)
    try:
        await load_csv(db, "members", file)
        await telling.all_of_it(db)
        await duplicates.find(db)
    finally:
        await db.close()


async def test_a_supervisor_merges_a_duplicate_undoes_it_and_tells_two_people_apart(stage: Stage, enter: Enter, tmp_path: Path) -> None:
    await load(stage, tmp_path, TWICE + TWO)
    visitor = await enter("superviseur")
    page = visitor.page
    await page.goto("/desk/duplicates")
    same = page.locator("tr", has_text="DBL-001").filter(has_text="DBL-002")
    await expect(same.first).to_be_visible()
    await visitor.shot("duplicates", whole=True)
    await same.locator("td", has_text="DBL-001").get_by_role("button", name="Garder celle-ci").click()
    done = page.locator("section", has=page.locator("#h-links")).locator("tr", has_text="DBL-002")
    await expect(done).to_contain_text("DBL-001")
    async with stage.desk() as desk:
        found = (await desk.get("/api/reference/v1/members", params={"q": "0639986602"})).raise_for_status().json()["members"]
        assert [one["number"] for one in found] == ["DBL-001"]
    await visitor.shot("duplicates-merged", whole=True)
    await done.get_by_role("button", name="Annuler").click()
    await expect(done).to_have_count(0)
    await expect(same.first).to_be_visible()
    other = page.locator("tr", has_text="DBL-003").filter(has_text="DBL-004")
    await other.get_by_role("button", name="Ce sont deux personnes").click()
    await expect(other).to_have_count(0)
    await load(stage, tmp_path, TWO)
    await page.reload()
    await expect(same.first).to_be_visible()
    await expect(other).to_have_count(0)


async def test_an_agent_recognises_a_caller_whom_a_file_brings_and_the_case_is_that_person_s(stage: Stage, enter: Enter, tmp_path: Path) -> None:
    principal, town = stage.members[0].principal, stage.members[0].town.insee
    async with stage.desk() as desk:
        model = (await desk.get("/api/reference/v1/members", params={"q": stage.members[0].number})).raise_for_status().json()["members"][0]
        person = {"principal_id": model["principal_id"], "last_name": "Lemoal", "first_name": "Nolwen", "phone": "06 39 98 66 05", "insee": town}
        passing = (await desk.post("/api/reference/v1/members", json=person)).raise_for_status().json()["member_id"]
        need = _tomorrow() | {"place": town, "service": SERVICE}
        body = {"principal_id": model["principal_id"], "member_id": passing, "provisional": True, "beneficiary": {"name": "Nolwen Lemoal"}}
        opened = (await desk.post("/api/intake/v1/cases", json=body | {"address": "3 rue X", "needs": [need]})).raise_for_status().json()
    await stage.told(opened["case_id"])
    await load(stage, tmp_path, KNOWN.format(p=principal))
    visitor = await enter("agent")
    page = visitor.page
    await page.goto("/desk/duplicates")
    await expect(page.locator("#h-pairs")).to_have_count(0)
    row = page.locator("tr", has_text="DBL-005")
    await expect(row).to_contain_text("même téléphone")
    await visitor.shot("callers", whole=True)
    await row.get_by_role("button", name="C’est cette personne").click()
    await expect(page.locator("section", has=page.locator("#h-links")).locator("tr", has_text="DBL-005")).to_have_count(1)

    async def shown() -> dict[str, Any] | None:
        async with stage.desk() as desk:
            seen: dict[str, Any] = (await desk.get(f"/api/tracking/v1/cases/{opened['case_id']}")).json()
        return seen if seen["person"] and seen["person"]["name"] == "Nolwenn Le Moal" and seen["member_id"] != passing else None

    seen = await eventually(shown, seconds=60, every=0.5)
    assert seen["anomalies"] == []
    await page.goto(f"/desk/cases/{opened['case_id']}")
    await expect(page.locator("body")).to_contain_text("Nolwenn Le Moal")
    await visitor.shot("case-linked", whole=True)


def _tomorrow() -> dict[str, str]:
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=1)
    return {"start": start.isoformat(), "end": (start + timedelta(hours=4)).isoformat()}
