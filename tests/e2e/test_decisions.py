"""What a principal must agree to, a gesture of a supervisor, and why: at the desk and on the principal's board."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from services.gateway import usecases as gateway
from services.gateway.domain import NewUser
from services.kit.db import Database
from services.reference.usecases import telling
from services.reference.usecases.feed import load_csv
from tests.e2e.conftest import Enter
from tests.e2e.stage import Stage

pytestmark = pytest.mark.timeout(600)

CODE, NUMBER = "mutuelle_solane", "SOL-001"
FILES = {
    "principals": f"code,label,siren,approval_above_cents,valid_from\n{CODE},Mutuelle Solane,732829320,20000,2024-01-01\n",
    "products": f"code,label,principal\nsolane_route,Solane Route,{CODE}\n",
    "guarantees": "product,code,services,units_per_year,cap_gross_cents\nsolane_route,mobility,taxi,4,45000\n",
    "members": f"principal,number,last_name,first_name,phones,insee,postcode\n{CODE},{NUMBER},Kervadec,Lise,06 39 98 45 67,35238,35000\n",
    "contracts": f"number,product,member,starts_on\nSOL-C-1,solane_route,{NUMBER},2024-02-01\n",
}


async def load(stage: Stage, folder: Path, **files: str) -> None:
    db = await Database.connect("reference", stage.platform.stack.environment("reference")["ENTRAIDE_DATABASE_URL"], size=4)
    try:
        for kind, rows in files.items():
            file = folder / f"{kind}.csv"
            file.write_text(rows, encoding="utf-8")
            report = await load_csv(db, kind, file)  # type: ignore[arg-type]
            assert report.bad == 0, report.problems
        await telling.all_of_it(db)
    finally:
        await db.close()


async def sign_up(stage: Stage, principal_id: str) -> None:
    db = await Database.connect("gateway", stage.platform.stack.environment("gateway")["ENTRAIDE_DATABASE_URL"], size=1)
    try:
        async with db.transaction() as tx:
            user = NewUser(login="solane", password=stage.password, name="Ana Solane", roles=("principal_approver",), principal_ids=(principal_id,))
            await gateway.create_user(tx, user)
    finally:
        await db.close()


async def open_case(stage: Stage, service: str) -> tuple[dict[str, Any], str]:
    """The case, and its principal."""
    async with stage.desk() as desk:
        found = (await desk.get("/api/reference/v1/members", params={"q": NUMBER})).raise_for_status().json()["members"][0]
        start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=1)
        body = {
            "principal_id": found["principal_id"],
            "member_id": found["id"],
            "beneficiary": {"name": "Lise Kervadec", "phone": "0639984567"},
            "address": "2 rue des Exemples",
            "needs": [{"place": "35238", "start": start.isoformat(), "end": (start + timedelta(hours=2)).isoformat(), "service": service}],
        }
        opened = (await desk.post("/api/intake/v1/cases", json=body)).raise_for_status().json()
    await stage.told(opened["case_id"])
    return opened, found["principal_id"]


async def test_a_principal_agrees_on_its_board_and_reads_why_and_a_supervisor_grants_a_gesture(stage: Stage, enter: Enter, tmp_path: Path) -> None:
    await load(stage, tmp_path, **FILES)
    ride, principal_id = await open_case(stage, "taxi")
    garden, _ = await open_case(stage, "gardening")
    await sign_up(stage, principal_id)

    desk = await enter("superviseur")
    await desk.page.goto(f"/desk/cases/{ride['case_id']}")
    panel = desk.page.locator("#case-coverage")
    await expect(panel).to_contain_text("accord attendu")
    await panel.locator("summary", has_text="Pourquoi").click()
    await expect(panel).to_contain_text("accord nécessaire")
    await desk.shot("decision-asked", whole=True)

    board = await enter("solane")
    await board.page.get_by_role("link", name="Accords").click()
    row = board.page.locator("#approvals tbody tr").first
    await expect(row).to_contain_text("450,00")
    await board.shot("approvals", whole=True)
    await row.get_by_role("button", name="Donner l’accord").click()
    await expect(board.page.locator("#approvals")).to_contain_text("Rien n’attend votre accord.")
    await expect(board.page.locator("#approvals")).to_contain_text("donné")
    await board.page.get_by_role("link", name="Taxi").click()
    await board.page.locator("summary", has_text="Pourquoi").click()
    await expect(board.page.locator("main")).to_contain_text("accord donné")
    await board.shot("board-coverage", whole=True)
    await expect(panel).to_contain_text("pris en charge")  # live

    await desk.page.goto(f"/desk/cases/{garden['case_id']}")
    await expect(panel).to_contain_text("prestation non garantie")
    await panel.locator("summary", has_text="Accorder par geste").click()
    await panel.get_by_label("Motif").select_option("long_standing_member")
    await panel.get_by_label("Jusqu’à (euros TTC)").fill("cent")
    await panel.get_by_role("button", name="Accorder").click()
    await expect(panel.get_by_role("alert")).to_contain_text("Écrivez le montant")
    await panel.locator("summary", has_text="Accorder par geste").click()
    await panel.get_by_label("Motif").select_option("long_standing_member")
    await panel.get_by_label("Jusqu’à (euros TTC)").fill("120,50")
    await desk.shot("gesture", whole=True)
    asked: list[str] = []
    desk.page.on("request", lambda request: asked.append(request.url))
    async with stage.desk() as http, desk.page.expect_request("**/offers?part=1"):  # the panel below hears of the same news
        (await http.post(f"/api/intake/v1/cases/{garden['case_id']}/notes", json={"text": "Le portail est vert."})).raise_for_status()
    assert not [url for url in asked if "/coverage" in url]
    await expect(panel.get_by_label("Jusqu’à (euros TTC)")).to_have_value("120,50")
    await panel.get_by_role("button", name="Accorder").click()
    await expect(panel).to_contain_text("Accordée par geste : fidélité du bénéficiaire")
    await expect(desk.page.locator("#case-needs .e-state")).not_to_have_text("Refusé")
    await desk.shot("gesture-given", whole=True)
    desk.complaints = [complaint for complaint in desk.complaints if "status of 422" not in complaint]


async def test_a_supervisor_reads_which_decisions_a_later_change_would_have_altered(stage: Stage, enter: Enter, tmp_path: Path) -> None:
    garden, _ = await open_case(stage, "gardening")
    await load(stage, tmp_path, guarantees=FILES["guarantees"] + "solane_route,garden,gardening,2,15000\n")
    visitor = await enter("superviseur")
    await visitor.page.goto("/desk/files")
    await visitor.page.get_by_role("link", name="Décisions qui seraient autres").click()
    row = visitor.page.locator("#altered tbody tr", has=visitor.page.locator(f"a[href$='{garden['case_id']}']"))
    await expect(row).to_contain_text("prestation non garantie")
    await expect(row).to_contain_text("pris en charge")
    await visitor.shot("retroactive", whole=True)
