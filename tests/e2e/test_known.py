"""A change is known everywhere: what a member changes on a phone is on the screens of all who deal with them, without being loaded again."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from services.kit import phones
from services.kit.db import Database
from services.reference.usecases import mapping
from services.reference.usecases.feed import load_csv
from tests.conftest import eventually
from tests.e2e.conftest import PHONE, Enter, Visitor
from tests.e2e.stage import Stage
from tests.e2e.test_desk import caller_known
from tests.e2e.test_extranet import fits

pytestmark = pytest.mark.timeout(600)

NEW = "06 39 98 77 66"
NEW_E164 = "+33639987766"


async def at_home(enter: Enter, login: str) -> Visitor:
    """A member at their own data, on a phone; where they come in is another page's matter."""
    me = await enter(login, PHONE, has_touch=True)
    me.complaints.clear()
    await me.page.goto("/me/details")
    return me


async def stay(page: Page) -> None:
    """From now on the page must not be loaded again."""
    await page.evaluate("window.sameDocument = true")


async def test_a_phone_changed_by_the_member_is_seen_at_every_door(stage: Stage, enter: Enter) -> None:
    member = stage.members[1]
    known_e164 = phones.e164(member.phones[0], member.postcode)
    known = phones.national(known_e164)
    opened = await stage.open_case(member)
    firm, offer = await stage.offered(opened["number"])
    await stage.told(opened["case_id"])
    caller, case, mission = (await enter("agent")).page, (await enter("agent")).page, (await enter(firm.code, PHONE, has_touch=True)).page
    me = await at_home(enter, member.number.lower())
    async with stage.firm(firm) as provider:
        (await provider.post(f"/api/dispatch/v1/offers/{offer['offer_id']}/accept", json=offer["wanted"])).raise_for_status()

        async def told() -> list[dict[str, Any]]:
            items = (await provider.get("/api/dispatch/v1/feed", params={"limit": 200})).raise_for_status().json()["items"]
            return [item for item in items if item["mission_id"] == offer["mission_id"]]

        await caller_known(caller, member.number)
        await expect(caller.locator("#person")).to_contain_text(known)
        await case.goto(f"/desk/cases/{opened['case_id']}")
        await expect(case.locator("#case-aside")).to_contain_text(known_e164)
        await mission.goto(f"/extranet/missions/{offer['mission_id']}")
        await expect(mission.locator("#mission-where")).to_contain_text(known_e164)
        for page in (caller, case, mission):
            await stay(page)
        before = max(item["version"] for item in await told())

        await expect(me.page.get_by_label("Téléphones")).to_have_value(known)
        assert await fits(me.page)
        await me.shot("my-details-390", whole=True)
        await me.page.get_by_label("Téléphones").fill(f"{NEW}, {known}")
        await me.page.get_by_role("button", name="Enregistrer").click()
        await expect(me.page.locator("main")).to_contain_text("C’est enregistré")

        await expect(caller.locator("#person")).to_contain_text(NEW)
        await expect(caller.locator("#known [name=phone]")).to_have_value(NEW_E164)
        await expect(case.locator("#case-aside")).to_contain_text(NEW_E164)
        await expect(mission.locator("#mission-where")).to_contain_text(NEW_E164)

        async def amended() -> dict[str, Any] | None:
            return next((item for item in await told() if item["kind"] == "amended" and item["contact"]["phone"] == NEW_E164), None)

        document = await eventually(amended, seconds=30)
        assert document["version"] > before
    for page in (caller, case, mission):
        assert await page.evaluate("window.sameDocument") is True


async def test_a_member_agrees_and_withdraws_and_the_desk_reads_it(stage: Stage, enter: Enter) -> None:
    member = stage.members[1]
    me = await at_home(enter, member.number.lower())
    page = me.page
    consent = page.locator("#h-consents").locator("xpath=ancestor::section").locator("form").filter(has_text="par SMS")
    await consent.get_by_role("button", name="J’accepte").click()
    await expect(consent).to_contain_text("accepté")
    await consent.get_by_role("button", name="Ne plus accepter").click()
    await expect(consent).to_contain_text("retiré")
    await me.shot("my-consents-390", whole=True)
    async with stage.desk() as desk:
        [found] = (await desk.get("/api/reference/v1/members", params={"q": member.number})).raise_for_status().json()["members"]
        [said] = (await desk.get(f"/api/reference/v1/members/{found['id']}/consents")).raise_for_status().json()["consents"]
    assert (said["purpose"], said["given"], [one["door"] for one in said["history"]]) == ("sms_updates", False, ["portal", "portal"])


async def test_an_agent_amends_whoever_calls_and_is_told_of_what_another_has_changed(stage: Stage, enter: Enter) -> None:
    member = stage.members[2]
    visitor = await enter("agent")
    page = visitor.page
    await caller_known(page, member.number)
    panel = page.locator("#person")
    await panel.get_by_text("Modifier").click()
    await panel.get_by_label("Téléphones").fill("appeler le soir")
    await visitor.shot("person-amended")
    await panel.get_by_role("button", name="Enregistrer").click()
    await expect(panel.locator("#error-phones")).to_contain_text("Ce n’est pas un numéro de téléphone.")
    async with stage.desk() as desk:
        [found] = (await desk.get("/api/reference/v1/members", params={"q": member.number})).raise_for_status().json()["members"]
        headers = {"If-Match": f'"{found["version"]}"'}
        elsewhere = await desk.patch(f"/api/reference/v1/members/{found['id']}", json={"emails": ["ailleurs@example.com"]}, headers=headers)
        elsewhere.raise_for_status()
        await panel.get_by_label("Téléphones").fill(f"{NEW}, {member.phones[0]}")
        await panel.get_by_role("button", name="Enregistrer").click()
        await expect(panel).to_contain_text("Quelqu’un a modifié cette personne entre-temps")
        await expect(panel).to_contain_text("ailleurs@example.com")
        await expect(panel.get_by_label("Téléphones")).to_have_value(f"{NEW}, {member.phones[0]}")
        await visitor.shot("person-stale")
        await panel.get_by_role("button", name="Enregistrer").click()
        await expect(panel.locator("details").first).not_to_have_attribute("open", "")
        await expect(panel.locator("dl")).to_contain_text(NEW)
        now = (await desk.get(f"/api/reference/v1/members/{found['id']}")).raise_for_status().json()
    assert now["emails"] == ["ailleurs@example.com"], "what another has changed is not undone"
    assert now["phones"] == [NEW_E164, phones.e164(member.phones[0], member.postcode)]
    visitor.complaints.clear()  # what was refused was answered with 422 and 412, which a browser notes


async def test_a_supervisor_decides_what_both_sides_have_changed(stage: Stage, enter: Enter, tmp_path: Path) -> None:
    member = stage.members[3]
    file, means = tmp_path / "members-theirs.csv", tmp_path / "mapping.toml"
    means.write_text('[members]\nconflicts = { emails = "ask" }\n')
    async with stage.desk() as desk:
        [found] = (await desk.get("/api/reference/v1/members", params={"q": member.number})).raise_for_status().json()["members"]
        at = f"/api/reference/v1/members/{found['id']}"
        (await desk.patch(at, json={"emails": ["nous@example.com"]}, headers={"If-Match": f'"{found["version"]}"'})).raise_for_status()
        file.write_text(
            "principal,number,last_name,first_name,birth_date,phones,emails,address,insee,postcode\n"
            f"{member.principal},{member.number},{found['last_name']},{found['first_name']},{found['birth_date']},{'|'.join(found['phones'])},"
            f'eux@example.com,"{found["address"]}",{found["insee"]},{found["postcode"]}\n',
            encoding="utf-8",
        )
        db = await Database.connect("reference", stage.platform.stack.environment("reference")["ENTRAIDE_DATABASE_URL"], size=2)
        try:
            report = await load_csv(db, "members", file, mapping.read(means))
        finally:
            await db.close()
        assert (report.bad, report.changed) == (0, 1), report.problems
        visitor = await enter("superviseur")
        page = visitor.page
        await page.goto("/desk/files")
        row = page.locator("#conflicts tbody tr", has_text="nous@example.com")
        await expect(row).to_contain_text("eux@example.com")
        await visitor.shot("conflicts", whole=True)
        await row.get_by_role("button", name="Prendre le leur").click()
        await expect(row.locator(".tag")).to_have_text("le leur")
        assert (await desk.get(at)).raise_for_status().json()["emails"] == ["eux@example.com"]
