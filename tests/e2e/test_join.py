"""A member opens their own account: number and birth date, the code from the mail, a password, and they are in."""

import re

import httpx
import pytest
from playwright.async_api import expect

from deploy.demo.data import Member
from services.kit.clock import new_id
from tests.conftest import eventually
from tests.e2e.conftest import DESK, PHONE, Enter, Visitor
from tests.e2e.stage import Stage

pytestmark = pytest.mark.timeout(600)
PASSWORD = "quatre mots faciles a retenir"


async def code_for(stage: Stage, member: Member, many: int = 1) -> str:
    mails = await eventually(lambda: len(found := stage.postbox.to(member.email)) >= many and found, seconds=60)
    found = re.search(r"\b\d{6}\b", mails[-1].get_content())
    assert found
    return found[0]


async def ask(visitor: Visitor, number: str, born: str) -> None:
    await visitor.page.get_by_label("Numéro de bénéficiaire").fill(number)
    await visitor.page.get_by_label("Date de naissance").fill(born)
    await visitor.page.get_by_role("button", name="Recevoir un code").click()


async def test_a_member_opens_an_account_on_a_phone_with_the_code_from_the_mail(stage: Stage, enter: Enter) -> None:
    member = stage.members[-1]
    visitor = await enter(size=PHONE)
    page = visitor.page
    await page.get_by_role("link", name="Bénéficiaire : ouvrir mon espace").click()
    await page.wait_for_url("**/join")
    await visitor.shot("join-who-390", whole=True)
    await ask(visitor, member.number.lower(), str(member.birth_date))
    await expect(page.get_by_text("Si ces informations sont celles d’un bénéficiaire")).to_be_visible()
    await visitor.shot("join-code-390", whole=True)
    code = await code_for(stage, member)
    await page.get_by_label("Code reçu").fill("000000" if code != "000000" else "000001")
    await page.get_by_role("button", name="Continuer").click()
    await expect(page.locator("form [role=alert]")).to_contain_text("Ce code n’est pas le bon")
    await visitor.shot("join-wrong-390", whole=True)
    await page.get_by_label("Code reçu").fill(code)
    await page.get_by_role("button", name="Continuer").click()
    await expect(page.get_by_label("Votre identifiant")).to_have_value(member.number.lower())
    await visitor.shot("join-password-390", whole=True)
    await page.get_by_label("Choisissez un mot de passe").fill(f"mot de passe {member.number.lower()}")
    await page.get_by_role("button", name="Ouvrir mon espace").click()
    await expect(page.locator("#error-password")).to_contain_text("sans votre identifiant")
    await page.get_by_label("Choisissez un mot de passe").fill(PASSWORD)
    await page.get_by_role("button", name="Ouvrir mon espace").click()
    await page.wait_for_url("**/me")
    await expect(page.locator("h1")).to_contain_text(member.first_name)
    await page.get_by_role("button", name="Se déconnecter").click()
    await visitor.sign_in(member.number.lower(), PASSWORD)
    await page.wait_for_url("**/me")

    again = await enter(size=DESK)
    await again.page.goto("/join")
    await ask(again, member.number, str(member.birth_date))
    await again.page.get_by_label("Code reçu").fill(await code_for(stage, member, 2))
    await again.page.get_by_role("button", name="Continuer").click()
    await again.page.get_by_label("Choisissez un mot de passe").fill(PASSWORD)
    await again.page.get_by_role("button", name="Ouvrir mon espace").click()
    await expect(again.page.locator("form [role=alert]")).to_contain_text("Vous avez déjà un compte")
    await again.shot("join-exists", whole=True)
    for one in (visitor, again):
        one.complaints = [complaint for complaint in one.complaints if not re.search("status of (422|409)", complaint)]


async def test_joining_is_read_in_english_too(enter: Enter) -> None:
    visitor = await enter()
    await visitor.page.goto("/join")
    await visitor.page.get_by_role("link", name="English").click()
    await expect(visitor.page.get_by_role("button", name="Receive a code")).to_be_visible()
    await visitor.shot("join-who", whole=True)


async def test_the_whole_way_by_the_api_and_nothing_tells_a_stranger_who_is_a_member(stage: Stage) -> None:
    member, other = stage.members[-2], stage.members[-3]
    typed = {"number": member.number, "birth_date": str(member.birth_date)}
    async with httpx.AsyncClient(base_url=stage.url, timeout=30) as http:
        known = await http.post("/api/reference/v1/accounts/codes", json=typed)
        unknown = await http.post("/api/reference/v1/accounts/codes", json=typed | {"number": "NOBODY-1"})
        misborn = await http.post("/api/reference/v1/accounts/codes", json={"number": other.number, "birth_date": "1900-01-02"})
        assert {(answer.status_code, answer.content) for answer in (known, unknown, misborn)} == {(202, known.content)}
        assert {tuple(sorted(set(answer.headers) - {"date"})) for answer in (known, unknown, misborn)} == {
            tuple(sorted(set(known.headers) - {"date"}))
        }
        code = await code_for(stage, member)
        assert stage.postbox.to(other.email) == []
        ticket = (await http.post("/api/reference/v1/accounts/tickets", json=typed | {"code": code})).raise_for_status().json()["ticket"]
        made = await http.post("/api/gateway/v1/accounts", json={"ticket": ticket, "password": PASSWORD})
        assert made.status_code == 201, made.text
        again = await http.post("/api/gateway/v1/accounts", json={"ticket": ticket, "password": PASSWORD})
        assert (again.status_code, again.json()["code"]) == (401, "wrong_ticket")
        refused = await http.post("/api/reference/v1/accounts/tickets", json=typed | {"code": code})
        assert (refused.status_code, refused.json()["code"]) == (422, "wrong_code")


async def test_what_is_open_to_everybody_is_open_no_further(stage: Stage) -> None:
    async with httpx.AsyncClient(base_url=stage.url, timeout=30) as http:
        big = await http.post("/api/reference/v1/accounts/codes", json={"number": "X" * 20_000, "birth_date": "1961-03-14"})
        assert (big.status_code, big.json()["code"]) == (400, "bad_input")

        async def endless() -> object:
            yield b"{}"

        assert (await http.post("/api/reference/v1/accounts/codes", content=endless())).status_code == 400
        assert (await http.post("/api/gateway/v1/accounts", content=b" " * 20_000)).status_code == 400
        assert (await http.post("/join/code", data={"number": "ORV-1", "birth_date": "1961-03-14"})).status_code == 403  # from no page of ours
        for path in ("/api/reference/v1/accounts", "/api/reference/v1/accounts/codes/x", "/join/more", "/api/gateway/v1/accounts/x"):
            assert (await http.post(path, json={})).status_code in (303, 401), path
        headers = {"Authorization": "Bearer nonsense", "X-Forwarded-For": new_id()}
        codes = [
            await http.post("/api/reference/v1/accounts/codes", json={"number": "FLOOD-1", "birth_date": "1961-03-14"}, headers=headers)
            for _ in range(6)
        ]
        assert [answer.status_code for answer in codes] == [202] * 5 + [429]
        assert codes[-1].headers["retry-after"] == "3600"
