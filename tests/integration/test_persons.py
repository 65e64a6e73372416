"""A person erased, service by service, on real databases: what goes, what stays, and whatever crosses it."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.cards import CaseCard, Contact, NoteCard
from contracts.common import Actor
from contracts.intake import CaseClosed, CaseOpened, NeedAdded, NeedCancelled
from contracts.reference import MemberChanged, MemberLinked, PersonErased
from deploy.stack import Stack
from services.dispatch import listens as dispatch_listens
from services.dispatch.store import feed
from services.gateway import listens as gateway_listens
from services.gateway import store as accounts
from services.gateway import usecases as gateway
from services.gateway.domain import NewUser
from services.kit import app as kit
from services.kit.clock import new_id
from services.kit.db import Database
from services.kit.errors import Conflict
from services.kit.migrate import migrate
from services.kit.settings import ServiceSettings
from services.kit.subscriptions import Table
from services.reference.api import identity, members
from services.reference.api import persons as persons_api
from services.reference.usecases import identity as joining
from services.reference.usecases import persons
from services.tracking.usecases import persons as tracking_persons
from tests.contracts.case_events import made
from tests.integration.hearing import hear
from tests.integration.reference_harness import STARTED, Everyone, Reference, as_, reference
from tests.integration.tracking_doors import Doors, doors
from tests.integration.tracking_harness import Case, soon

__all__ = ["doors", "reference"]

AGENT = Actor(kind="agent")
PASSWORD = "une phrase assez longue"


def erased(member_id: str) -> PersonErased:
    return PersonErased(member_id=member_id, requested_at=soon(0))


async def known(reference: Reference, number: str) -> str:
    rows = f"banque_orvane,{number},Zzfantome,Isolde,1933-03-03,0639987000,isolde@fantome.example,9 quai des Brumes\n"
    await reference.load("members", f"principal,number,last_name,first_name,birth_date,phones,emails,address\n{rows}")
    await reference.load("contracts", f"number,product,member,starts_on,plate\n{number},home_plus,{number},{STARTED},zz-999-zz\n")
    await reference.load("contracts", f"number,product,member,starts_on,plate\n{number},home_plus,{number},{STARTED},zz-998-zz\n")
    return await reference.member(number)


async def erase(reference: Reference, member_id: str) -> persons.Erased:
    async with reference.db.transaction() as tx:
        return await persons.erase(tx, member_id, AGENT)


def opened(need: NeedAdded) -> CaseOpened:
    return made(CaseOpened, case_id=need.case_id, member_id=need.member_id, principal_id=need.principal_id)


# Reference


async def test_an_erased_row_is_blank_its_contracts_stay_without_vehicle_and_no_file_brings_it_back(reference: Reference) -> None:
    member_id = await known(reference, "ERA-1")
    told = await erase(reference, member_id)
    assert told.members == [member_id] and {one.code for one in told.kept} >= {"accounting_documents", "member_number", "backups"}
    assert all(one.until is None or one.until.year >= 2026 for one in told.kept)
    await known(reference, "ERA-1")
    row = await reference.db_row("select * from member where id = $1", member_id)
    assert [row[name] for name in ("last_name", "first_name", "name_key", "birth_date", "phones", "emails", "address")] == [
        "",
        "",
        "",
        None,
        [],
        [],
        "",
    ]
    held = await reference.db_rows("select number, plate from contract where member_id = $1", member_id)
    assert held == [{"number": "ERA-1", "plate": None}]
    past = "select count(*) from contract_past p join contract c on c.id = p.contract_id where c.member_id = $1 and p.plate is not null"
    assert await reference.value(past, member_id) == 0
    said = [name.split(".")[1] for name, _ in await reference.told(member_id)]
    assert said.count("person_erased") == 1
    await erase(reference, member_id)
    assert [name.split(".")[1] for name, _ in await reference.told(member_id)].count("person_erased") == 1


async def test_all_rows_of_the_person_are_erased_with_it(reference: Reference) -> None:
    one, other = await known(reference, "ERA-2"), await known(reference, "ERA-3")
    async with reference.db.transaction() as tx:
        await joining.join(tx, one, other, "merged", AGENT, "supervisor")
    assert (await erase(reference, one)).members == sorted([one, other])
    assert await reference.value("select count(*) from member where id = any($1::uuid[]) and last_name = ''", [one, other]) == 2


async def test_while_a_case_is_open_nobody_is_erased(reference: Reference) -> None:
    member_id = await known(reference, "ERA-4")
    need = await reference.need(member_id)
    await reference.hear(opened(need), need)
    with pytest.raises(Conflict) as refusal:
        await erase(reference, member_id)
    assert (refusal.value.code, refusal.value.extra) == ("open_cases", {"open_cases": 1})
    await reference.hear(NeedCancelled(case_id=need.case_id, need_id=need.need_id, reason="changed_mind", cancelled_by=AGENT))
    await reference.hear(made(CaseClosed, case_id=need.case_id))
    await erase(reference, member_id)
    assert (await reference.told(f"member:{member_id}"))[-1][1] is None


async def test_a_case_that_opens_while_the_person_is_erased_shows_no_card_and_either_refuses_or_is_refused(reference: Reference) -> None:
    for n in range(6):
        member_id = await known(reference, f"ERA-5{n}")
        need = await reference.need(member_id)

        async def try_to_erase(member_id: str = member_id) -> bool:
            try:
                return bool(await erase(reference, member_id))
            except Conflict:
                return False

        gone, _ = await asyncio.gather(try_to_erase(), reference.hear(opened(need), need))
        shown = [body["last_name"] for _, body in await reference.told(f"member:{member_id}") if body]
        assert await reference.value("select open_cases from member where id = $1", member_id) == 1
        assert shown == ([] if gone else ["Zzfantome"])
        if gone:
            assert await reference.value("select last_name from member where id = $1", member_id) == ""


async def test_what_a_restored_database_holds_again_is_erased_by_what_the_log_says_and_said_no_more(reference: Reference) -> None:
    member_id = await known(reference, "ERA-6")
    before = len(await reference.told(member_id))
    for _ in range(2):
        await reference.hear(erased(member_id))
    assert await reference.value("select last_name from member where id = $1", member_id) == ""
    assert len(await reference.told(member_id)) == before


async def test_refused_rows_that_name_the_person_are_blanked_and_others_stay(reference: Reference) -> None:
    member_id = await known(reference, "ERA-7")
    rows = "banque_orvane,ERA-7,Zzfantome,demain,\nbanque_orvane,ERA-8,Autre,demain,\nbanque_orvane,ERA-9,Zzfantome,demain,isolde@fantome.example\n"
    await reference.load("members", f"principal,number,last_name,birth_date,emails\n{rows}")
    await erase(reference, member_id)
    left = await reference.db_rows(
        "select cells, state from feed_refused where state in ('open', 'dropped') and (cells is null or cells like '%ERA-8%')"
    )
    assert [row["state"] for row in left if row["cells"]] == ["open"]
    assert await reference.value("select count(*) from feed_refused where cells like '%Zzfantome%'") == 0


async def test_only_supervisors_read_and_erase_and_another_s_id_is_not_found(reference: Reference) -> None:
    app = kit.create("reference", ServiceSettings.model_construct(), [members.router, identity.router, persons_api.router])
    app.state.db, app.state.verifier = reference.db, Everyone()
    member_id = await known(reference, "ERA-10")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://reference/api/reference/v1") as http:
        for role in ("agent", "member", "principal", "provider"):
            assert (await http.get(f"/members/{member_id}/data", headers=as_(role, member_id=member_id))).status_code == 403
            assert (await http.post(f"/members/{member_id}/erase", headers=as_(role))).status_code == 403
        assert (await http.post(f"/members/{new_id()}/erase", headers=as_("supervisor"))).status_code == 404
        held = await http.get(f"/members/{member_id}/data", headers=as_("supervisor"))
        assert "attachment" in held.headers["content-disposition"]
        assert (held.json()["members"][0]["address"], held.json()["contracts"][0]["plate"]) == ("9 quai des Brumes", "ZZ998ZZ")
        answer = (await http.post(f"/members/{member_id}/erase", headers=as_("supervisor"))).raise_for_status().json()
        assert answer["members"] == [member_id]
        assert [(one["where"], one["until"][5:]) for one in answer["kept"] if one["code"] == "accounting_documents"] == [("billing", "12-31")]
        found = (await http.get("/members", params={"q": "ERA-10"}, headers=as_("agent"))).json()["members"]
        assert found == []


# Tracking


def cards(case: Case, note: str) -> tuple[CaseCard, NoteCard]:
    content = {"beneficiary": Contact(name="Isolde Zzfantome", phone="+33639987000"), "address": "9 quai des Brumes"}
    return CaseCard(id=case.id, version=1, member_id=case.member, **content), NoteCard(id=note, version=1, case_id=case.id, text="clef sous le pot")


@pytest.mark.parametrize("order", ["closed_first", "erased_first"])
async def test_copies_of_cards_without_a_tombstone_are_blanked_once_the_case_is_closed(doors: Doors, order: str) -> None:
    tracking, case, note = doors.tracking, Case(doors.tracking), new_id()
    await case.opened()
    for card in cards(case, note):
        await tracking.show(card)
    if order == "erased_first":
        await tracking.tell(erased(case.member), source="reference")
        assert await left(doors, case, note) == 2, "somebody is being helped"
    await case.tell(NeedCancelled)
    await case.tell(CaseClosed)
    if order == "closed_first":
        await tracking.tell(erased(case.member), source="reference")
    else:
        async with tracking.db.transaction() as tx:
            await tracking_persons.sweep(tx)
    assert await left(doors, case, note) == 0
    seen = (await doors.get(doors.token("agent"), f"/cases/{case.id}")).json()
    assert seen["person"] == {"name": None, "erased": True}


async def left(doors: Doors, case: Case, note: str) -> int:
    rows = await doors.tracking.fetch("select id from card where id = any($1::uuid[]) and content is not null", [case.id, note])
    return len(rows)


# Dispatch and the gateway


@pytest.fixture(scope="module")
async def dispatch(stack: Stack) -> Any:
    settings = stack.environment("dispatch", migrating=True)
    await migrate(settings["ENTRAIDE_DATABASE_URL_OWNER"], Path("services/dispatch/migrations"))
    db = await Database.connect("dispatch", settings["ENTRAIDE_DATABASE_URL"], settings["ENTRAIDE_DATABASE_URL_OUTSIDE"])
    yield db
    await db.close()


async def test_dispatch_blanks_the_copies_of_who_the_case_belongs_to_now(dispatch: Database) -> None:
    table, case_id, passing, real = Table(dispatch_listens.SUBSCRIPTIONS), new_id(), new_id(), new_id()
    async with dispatch.transaction() as tx:
        number = str(900_000_000 + int(case_id[-6:], 16) % 90_000_000)
        await hear(tx, table, made(CaseOpened, case_id=case_id, member_id=passing, number=number))
        await feed.replace_card(tx.conn, case_id, 1, {"beneficiary": {"name": "Isolde Zzfantome"}})
        await hear(tx, table, made(MemberLinked, case_id=case_id, opened_for=passing, member_id=real))
        await hear(tx, table, erased(passing))
        assert await tx.conn.fetchval("select card from case_card where case_id = $1", case_id) != {}
        for _ in range(2):
            await hear(tx, table, erased(real))
        assert await tx.conn.fetchval("select card from case_card where case_id = $1", case_id) == {}


@pytest.fixture(scope="module")
async def gate(stack: Stack) -> Any:
    await migrate(stack.databases["gateway"].owner, Path("services/gateway/migrations"))
    db = await Database.connect("gateway", stack.environment("gateway")["ENTRAIDE_DATABASE_URL"])
    yield db
    await db.close()


async def account(gate: Database, member_id: str) -> tuple[str, str]:
    """Its login and the token of a session."""
    login = f"{new_id()}@fantome.example"
    async with gate.transaction() as tx:
        await gateway.create_user(tx, NewUser(login=login, password=PASSWORD, name="Isolde Zzfantome", roles=("member",), member_id=member_id))
    token, _ = await gateway.sign_in(gate, login, PASSWORD, "192.0.2.1")
    return login, token


async def test_the_account_of_a_merged_member_sees_what_the_survivor_sees_until_it_is_undone(gate: Database) -> None:
    one, other, last = new_id(), new_id(), new_id()
    _, token = await account(gate, one)

    async def sees() -> str | None:
        async with gate.transaction() as tx:
            session = await gateway.see_session(tx, token)
        return session.user.member_id if session else None

    async def say(member_id: str, linked_to: str | None) -> None:
        async with gate.transaction() as tx:
            changed = MemberChanged(member_id=member_id, principal_id=new_id(), linked_to=linked_to, version=2)
            await hear(tx, Table(gateway_listens.SUBSCRIPTIONS), changed)

    assert await sees() == one
    await say(one, other)
    await say(other, last)
    assert await sees() == last
    await say(one, None)
    assert await sees() == one


async def test_the_account_of_an_erased_member_is_nobody_s(gate: Database) -> None:
    member_id = new_id()
    login, token = await account(gate, member_id)
    for _ in range(2):
        async with gate.transaction() as tx:
            await hear(tx, Table(gateway_listens.SUBSCRIPTIONS), erased(member_id))
    async with gate.transaction() as tx:
        assert await gateway.see_session(tx, token) is None
        assert await accounts.user_by_login(tx, login) is None
        [row] = await tx.conn.fetch("select * from account where member_id = $1", member_id)
        assert (row["name"], row["active"], row["password_hash"]) == ("", False, "")
        assert await tx.conn.fetchval("select count(*) from attempt where subject_id = $1", row["id"]) == 0
        said = await tx.conn.fetch("select payload from kit.outbox where aggregateid = $1 order by id", f"user:{row['id']}")
        assert [body["payload"] for body in said] == [None, None]
