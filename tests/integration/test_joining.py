"""Opening an account: the code and the ticket at reference, the account at the gateway; nothing tells a stranger who is a member."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from deploy.stack import Stack
from services.gateway import main as gateway_main
from services.gateway.domain import Sees
from services.gateway.settings import Settings as GatewaySettings
from services.gateway.tokens import Signer, make_keys
from services.kit import app as kit
from services.kit import migrate
from services.kit.clock import new_id
from services.kit.deadlines import Deadlines
from services.kit.settings import ServiceSettings
from services.kit.tickets import TicketSigner, TicketVerifier, WrongTicket
from services.reference.api import accounts
from services.reference.domain import joining as domain
from services.reference.pages import join
from services.reference.usecases import joining
from tests.integration.reference_harness import Everyone, Reference, reference

__all__ = ["reference"]

SECRET = "s" * 16 + "Zq4kT9-vPw2_mB7xLr8s"
PASSWORD = "une phrase assez longue"
BORN = "1957-08-19"


@dataclass
class Person:
    """`number` is shown in capitals; nobody else has it."""

    number: str
    member_id: str
    email: str
    phone: str

    @property
    def typed(self) -> dict[str, str]:
        return {"number": self.number, "birth_date": BORN}


class Doors:
    """Reference, its worker when it is asked to, and the gateway; each test comes from an address of its own."""

    def __init__(self, reference: Reference, http: httpx.AsyncClient, gateway: httpx.AsyncClient, keys: Path) -> None:
        self.reference = reference
        self.http = http
        self.gateway = gateway
        self.signer = TicketSigner(keys / "signing-keys.json")
        self.keys = keys
        self.address = new_id()

    async def post(self, path: str, **body: Any) -> httpx.Response:
        return await self.http.post(f"/api/reference/v1/accounts/{path}", json=body, headers={"X-Forwarded-For": f"1.2.3.4, {self.address}"})

    async def work(self) -> None:
        deadlines = Deadlines(self.reference.db, {joining.CODE: joining.sending(self.signer)})
        while await deadlines.step():
            pass

    async def codes(self, person: Person) -> list[str]:
        """Those that went out to this person, the last one last."""
        rows = await self.reference.db_rows("select body from kit.notice where recipient = any($1) order by id", [person.email, person.phone])
        return [found[0] for row in rows if (found := re.search(r"\b\d{6}\b", row["body"]))]

    async def code(self, person: Person, **more: str) -> str:
        assert (await self.post("codes", **person.typed, **more)).status_code == 202
        await self.work()
        return (await self.codes(person))[-1]

    async def ticket(self, person: Person) -> str:
        answer = await self.post("tickets", **person.typed, code=await self.code(person))
        assert answer.status_code == 200, answer.text
        ticket: str = answer.json()["ticket"]
        return ticket

    async def person(self, **more: str) -> Person:
        serial = new_id()[-12:]
        cells = {
            "number": f"JOIN-{serial.upper()}",
            "email": f"{serial}@courriel.example",
            "phone": f"06399{serial[:5].translate(DIGITS)}",
            "ended_on": "",
        } | more
        await self.reference.load(
            "members",
            "principal,number,last_name,first_name,birth_date,emails,phones,ended_on\n"
            f"banque_orvane,{cells['number']},Fauxbois,Odile,{BORN},{cells['email']},{cells['phone']},{cells['ended_on']}\n",
        )
        member = await self.reference.db_row("select id, phones from member where number = $1", cells["number"])
        return Person(cells["number"], member["id"], cells["email"], (member["phones"] or [""])[0])


DIGITS = str.maketrans("abcdef", "123456")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tickets")
    make_keys(folder)
    return folder


@pytest.fixture(scope="module")
async def gateway(stack: Stack, keys: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FastAPI]:
    await migrate.migrate(stack.databases["gateway"].owner, Path("services/gateway/migrations"))
    private, public = make_keys(tmp_path_factory.mktemp("keys"))
    given = {name.removeprefix("ENTRAIDE_").lower(): value for name, value in stack.environment("gateway").items()}
    settings = GatewaySettings(
        **given, services={}, jwks_file=public, signing_keys_file=private, csrf_secret=SECRET, ticket_jwks_file=keys / "jwks.json"
    )
    app = gateway_main.create(settings)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def doors(reference: Reference, gateway: FastAPI, keys: Path) -> AsyncIterator[Doors]:
    app: FastAPI = kit.create("reference", ServiceSettings.model_construct(), [accounts.router, join.router])
    app.state.db, app.state.verifier, app.state.tickets = reference.db, Everyone(), TicketSigner(keys / "signing-keys.json")
    async with (
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://reference") as http,
        httpx.AsyncClient(transport=httpx.ASGITransport(gateway), base_url="http://gateway") as front,
    ):
        yield Doors(reference, http, front, keys)


async def opened(doors: Doors, ticket: str, password: str = PASSWORD) -> httpx.Response:
    return await doors.gateway.post("/api/gateway/v1/accounts", json={"ticket": ticket, "password": password})


# The code


async def test_a_member_gets_a_code_a_ticket_and_an_account(doors: Doors, gateway: FastAPI) -> None:
    person = await doors.person()
    answer = await doors.post("tickets", **person.typed | {"number": f" {person.number.lower()} "}, code=await doors.code(person))
    assert answer.status_code == 200 and answer.json()["login"] == person.number.lower() and answer.json()["expires_in"] == 300
    made = await opened(doors, answer.json()["ticket"])
    assert made.status_code == 201, made.text
    assert made.json()["login"] == person.number.lower()
    async with gateway.state.db.connection() as conn:
        row = await conn.fetchrow("select * from account where id = $1", made.json()["id"])
    assert (row["member_id"], row["roles"], row["name"], row["language"], row["active"]) == (
        person.member_id,
        ["member"],
        "Odile Fauxbois",
        "fr",
        True,
    )
    form = {"login": person.number, "password": PASSWORD}
    entered = await doors.gateway.post("/sign-in", data=form, headers={"Origin": "http://gateway", "Accept": "text/html"})
    assert (entered.status_code, entered.headers["location"]) == (303, "/me")


async def test_the_code_goes_the_wished_way_and_the_other_where_that_is_not_known(doors: Doors) -> None:
    both, mail = await doors.person(), await doors.person(phone="")
    await doors.code(both, channel="sms")
    await doors.code(both)
    await doors.code(mail, channel="sms")
    rows = await doors.reference.db_rows(
        "select channel, recipient, urgent, kept, until - put_at as lives from kit.notice where recipient = any($1) order by id",
        [both.email, both.phone, mail.email],
    )
    assert [(row["channel"], row["recipient"]) for row in rows] == [("sms", both.phone), ("email", both.email), ("email", mail.email)]
    assert {(row["urgent"], row["kept"], row["lives"] <= timedelta(minutes=10)) for row in rows} == {(True, False, True)}


def test_a_mobile_phone_comes_first() -> None:
    assert domain.contact("sms", ["+33261914000", "+33639980001"], []) == ("sms", "+33639980001")
    assert domain.contact("sms", ["+33261914000"], ["a@b.example"]) == ("sms", "+33261914000")
    assert domain.contact("email", [], []) is None


async def test_codes_are_kept_hashed_and_what_was_typed_goes_once_it_was_looked_up(doors: Doors) -> None:
    person = await doors.person()
    code = await doors.code(person)
    row = await doors.reference.db_row("select * from join_request where member_id = $1", person.member_id)
    assert (row["number"], row["birth_date"]) == (None, None)
    assert len(row["code_hash"]) == 32 and code.encode() not in row["code_hash"]
    await doors.reference.db_rows("update join_request set made_at = made_at - interval '2 days' where id = $1 returning id", row["id"])
    await doors.code(await doors.person())
    assert await doors.reference.db_rows("select id from join_request where id = $1", row["id"]) == []


# A stranger learns nothing


async def test_known_and_unknown_get_the_same_bytes_and_only_a_known_one_a_message(doors: Doors) -> None:
    person, gone = await doors.person(), await doors.person(ended_on="2024-01-01")
    before = await doors.reference.value("select count(*) from kit.notice")
    cases = [
        person.typed,
        person.typed | {"birth_date": "1961-03-15"},
        {"number": "NOBODY-1", "birth_date": BORN},
        gone.typed,
        {"number": "%' or 1=1", "birth_date": BORN},
    ]
    asked = [await doors.post("codes", **case) for case in cases]
    assert {(answer.status_code, answer.content, _named(answer)) for answer in asked} == {(202, b'{"expires_in":600}', _named(asked[0]))}
    rows = await doors.reference.db_rows("select member_id, code_hash from join_request where address_sha256 = $1", joining._digest(doors.address))
    assert [(row["member_id"], row["code_hash"]) for row in rows] == [(None, None)] * len(cases)  # nothing was looked up before the answer
    await doors.work()
    assert await doors.reference.value("select count(*) from kit.notice") == before + 1
    tried = [await doors.post("tickets", **case, code="000000") for case in cases]
    assert {answer.status_code for answer in tried} == {422}
    assert len({re.sub(rb'"trace_id":"[^"]*"', b"", answer.content) for answer in tried}) == 1


async def test_the_pages_answer_known_and_unknown_alike(doors: Doors) -> None:
    person = await doors.person()
    stranger = person.number[:-1] + ("0" if person.number[-1] != "0" else "1")
    shown = []
    for number in (person.number, stranger):
        form = person.typed | {"number": number, "channel": "email"}
        code = await doors.http.post("/join/code", data=form, headers={"X-Forwarded-For": doors.address})
        await doors.work()
        wrong = await doors.http.post("/join/ticket", data=form | {"code": "000000"}, headers={"X-Forwarded-For": doors.address})
        assert (code.status_code, wrong.status_code) == (200, 422)
        shown.append([re.sub(r'data-now="[^"]*"', "", page.text.replace(number, "NUMBER")) for page in (code, wrong)])
    assert shown[0] == shown[1]


async def test_a_number_that_two_have_with_the_same_birth_date_gets_no_code(doors: Doors) -> None:
    person = await doors.person()
    row = f"assur_lys,{person.number},Autre,{BORN},autre-{person.email}\n"
    await doors.reference.load("members", f"principal,number,last_name,birth_date,emails\n{row}")
    assert (await doors.post("codes", **person.typed)).status_code == 202
    await doors.work()
    assert await doors.codes(person) == []


# Limits


async def test_five_wrong_codes_lock_and_a_new_code_opens_again(doors: Doors) -> None:
    person = await doors.person()
    code = await doors.code(person)
    wrong = "000000" if code != "000000" else "000001"
    answers = [await doors.post("tickets", **person.typed, code=wrong) for _ in range(5)]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(422, "wrong_code")}
    locked = await doors.post("tickets", **person.typed, code=code)
    assert (locked.status_code, locked.json()["code"]) == (422, "wrong_code")
    again = await doors.code(person)
    assert (await doors.post("tickets", **person.typed, code=again)).status_code == 200


async def test_many_guesses_at_once_are_five_at_most(doors: Doors) -> None:
    person = await doors.person()
    code = await doors.code(person)
    guesses = [f"{number:06}" for number in range(20) if f"{number:06}" != code]
    await asyncio.gather(*(doors.post("tickets", **person.typed, code=guess) for guess in guesses))
    row = await doors.reference.db_row("select tries, used_at from join_request where member_id = $1", person.member_id)
    assert (row["tries"], row["used_at"]) == (5, None)
    assert (await doors.post("tickets", **person.typed, code=code)).status_code == 422


async def test_a_code_is_good_once_and_for_ten_minutes(doors: Doors) -> None:
    person = await doors.person()
    code = await doors.code(person)
    assert (await doors.post("tickets", **person.typed, code=code)).status_code == 200
    assert (await doors.post("tickets", **person.typed, code=code)).status_code == 422
    late = await doors.code(person)
    await doors.reference.db_rows("update join_request set ends_at = now() where member_id = $1 returning id", person.member_id)
    assert (await doors.post("tickets", **person.typed, code=late)).status_code == 422


async def test_a_person_gets_five_codes_an_hour_and_so_does_nobody(doors: Doors) -> None:
    person = await doors.person()
    for typed in (person.typed, {"number": f"NOBODY-{new_id()[-8:]}", "birth_date": BORN}):
        answers = [await doors.post("codes", **typed) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [202] * 5 + [429]
        assert answers[-1].headers["retry-after"] == "3600" and answers[-1].json()["code"] == "too_many_codes"
        page = await doors.http.post("/join/code", data=typed | {"channel": "email"}, headers={"X-Forwarded-For": new_id()})
        assert (page.status_code, page.headers["retry-after"]) == (429, "3600")
    await doors.work()
    assert len(await doors.codes(person)) == 5


async def test_an_address_is_limited_whomever_it_asks_about(doors: Doors) -> None:
    answers = [await doors.post("codes", number=f"NOBODY-{serial}", birth_date=BORN) for serial in range(domain.CODES_PER_ADDRESS + 1)]
    assert [answer.status_code for answer in answers] == [202] * domain.CODES_PER_ADDRESS + [429]
    tries = [await doors.post("tickets", number=f"NOBODY-{serial}", birth_date=BORN, code="123456") for serial in range(domain.TRIES_PER_ADDRESS + 1)]
    assert [answer.status_code for answer in tries] == [422] * domain.TRIES_PER_ADDRESS + [429]
    assert tries[-1].headers["retry-after"] == "3600"


@pytest.mark.parametrize(
    "body", [{}, {"number": "X"}, {"birth_date": "1850-01-01"}, {"birth_date": "31/02/1961"}, {"channel": "pigeon"}, {"number": "a\0bc"}]
)
async def test_what_cannot_be_is_refused_before_anything_is_looked_at(doors: Doors, body: dict[str, str]) -> None:
    asked = {"number": "ORV-1", "birth_date": BORN} | body if body else {}
    assert (await doors.post("codes", **asked)).status_code == 422


# The ticket


async def test_a_ticket_is_used_once(doors: Doors) -> None:
    ticket = await doors.ticket(await doors.person())
    short = await opened(doors, ticket, "court")
    assert (short.status_code, short.json()["code"]) == (422, "wrong_account")
    assert (await opened(doors, ticket)).status_code == 201
    again = await opened(doors, ticket)
    assert (again.status_code, again.json()["code"]) == (401, "wrong_ticket")


async def test_a_member_who_has_an_account_is_told_so_and_gets_no_other(doors: Doors, gateway: FastAPI) -> None:
    person = await doors.person()
    tickets = [await doors.ticket(person) for _ in range(4)]
    answers = await asyncio.gather(*(opened(doors, ticket) for ticket in tickets))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert {answer.json().get("code") for answer in answers} == {None, "account_exists"}
    async with gateway.state.db.connection() as conn:
        assert await conn.fetchval("select count(*) from account where member_id = $1", person.member_id) == 1


async def test_a_login_that_is_taken_gives_way_to_one_with_the_principal(doors: Doors) -> None:
    person = await doors.person()
    await opened(doors, doors.signer.sign("gateway", new_id(), datetime.now(UTC), logins=[person.number.lower()], name="Autre", lang="fr"))
    made = await opened(doors, await doors.ticket(person))
    assert (made.status_code, made.json()["login"]) == (201, f"banque_orvane-{person.number}".lower())


async def test_tickets_that_are_expired_foreign_altered_or_none_are_refused(doors: Doors, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    claims: dict[str, Any] = {"logins": [f"x-{new_id()}"], "name": "X", "lang": "fr"}
    make_keys(tmp_path / "other")
    good = doors.signer.sign("gateway", new_id(), now, **claims)
    head, body, signature = good.split(".")
    wrong = {
        "expired": doors.signer.sign("gateway", new_id(), now - timedelta(minutes=5, seconds=1), **claims),
        "for another": doors.signer.sign("billing", new_id(), now, **claims),
        "of another": TicketSigner(tmp_path / "other" / "signing-keys.json").sign("gateway", new_id(), now, **claims),
        "altered": f"{head}.{body[:-2]}AA.{signature}",
        "unsigned": f"{head}.{body}.",
        "none": "",
    }
    for name, ticket in wrong.items():
        answer = await opened(doors, ticket)
        assert (name, answer.status_code, answer.json()["code"]) == (name, 401, "wrong_ticket")
    assert (await opened(doors, good)).status_code == 201


def test_an_access_token_is_no_ticket_and_a_ticket_no_access_token(doors: Doors, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    with pytest.raises(WrongTicket):  # same key, same audience, and yet no ticket
        TicketVerifier("gateway", doors.keys / "jwks.json").verify(_access(doors.keys), now)
    ticket = doors.signer.sign("gateway", new_id(), now)
    assert TicketVerifier("gateway", doors.keys / "jwks.json").verify(ticket, now).subject


def _access(keys: Path) -> str:
    return Signer(keys / "signing-keys.json").sign(new_id(), Sees(roles=("admin",)), ["gateway:write"])


def _named(answer: httpx.Response) -> tuple[str, ...]:
    return tuple(sorted(answer.headers))


async def test_without_keys_nobody_can_join(reference: Reference) -> None:
    app: FastAPI = kit.create("reference", ServiceSettings.model_construct(), [accounts.router, join.router])
    app.state.db, app.state.tickets = reference.db, None
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://reference") as http:
        asked = await http.post("/api/reference/v1/accounts/codes", json={"number": "ORV-1", "birth_date": BORN})
        assert (asked.status_code, (await http.get("/join")).status_code) == (503, 503)
