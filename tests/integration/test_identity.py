"""Who is who, on a real database: provisional members linked, duplicates found and merged, each undone, whatever crosses it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from contracts.common import Window
from contracts.intake import CaseClosed, CaseOpened, CaseReopened, NeedAdded, NeedCancelled
from contracts.tracking import PrestationCompleted
from services.kit import app as kit
from services.kit.clock import new_id
from services.kit.db import Tenant
from services.kit.settings import ServiceSettings
from services.reference.api import coverage, identity, members
from services.reference.usecases import duplicates
from tests.integration.reference_harness import STARTED, Everyone, Reference, as_, reference, wish

__all__ = ["reference"]

HELD = "select open_cases, (select count(*) from member_case k where k.member_id = m.id) as cases from member m where id = $1"


@pytest.fixture
async def http(reference: Reference) -> AsyncIterator[httpx.AsyncClient]:
    app = kit.create("reference", ServiceSettings.model_construct(), [members.router, coverage.router, identity.router])
    app.state.db, app.state.verifier = reference.db, Everyone()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://reference/api/reference/v1") as client:
        yield client


@pytest.fixture
async def people(reference: Reference, http: httpx.AsyncClient) -> "People":
    return People(reference, http)


class People:
    """Members and cases as the tests need them."""

    def __init__(self, reference: Reference, http: httpx.AsyncClient) -> None:
        self.reference = reference
        self.http = http

    async def post(self, path: str, body: dict[str, Any] | None = None, role: str = "supervisor") -> httpx.Response:
        return await self.http.post(path, json=body, headers=as_(role))

    async def done(self, path: str, body: dict[str, Any] | None = None, role: str = "supervisor") -> dict[str, Any]:
        answer = await self.post(path, body, role)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def provisional(self, phone: str = "", principal: str = "banque_orvane", **more: Any) -> str:
        principal_id = str(await self.reference.value("select id from principal where code = $1", principal))
        body = {"principal_id": principal_id, "last_name": "Payet", "phone": phone or None} | more
        answer = await self.http.post("/members", json=body, headers=as_("agent"))
        assert answer.status_code == 201, answer.text
        return str(answer.json()["member_id"])

    async def sheet(self, member_id: str) -> dict[str, Any]:
        sheet: dict[str, Any] = (await self.http.get(f"/members/{member_id}", headers=as_("agent"))).raise_for_status().json()
        return sheet

    async def case(self, member_id: str, service: str = "gardening", **more: Any) -> NeedAdded:
        """Opened, with one need that is decided about."""
        need = await self.reference.need(member_id, service, **more)
        await self.reference.hear(opened(need), need)
        return need


def opened(need: NeedAdded) -> CaseOpened:
    return CaseOpened(
        case_id=need.case_id, number="100000426", principal_id=need.principal_id, member_id=need.member_id, channel="desk",
        opened_by={"kind": "agent"}, card={"kind": "case", "id": need.case_id, "version": 1},
    )  # fmt: skip


def closed(need: NeedAdded) -> CaseClosed:
    return CaseClosed(case_id=need.case_id, reason="all_done", closed_by={"kind": "system"})


def names(told: list[tuple[str, Any]]) -> list[str]:
    return [name.split(".")[1] for name, _ in told]


async def reserved(reference: Reference, member_id: str) -> Any:
    return await reference.value(
        "select coalesce(sum(reserved), 0) from rights r join contract c on c.id = r.contract_id where c.member_id = $1", member_id
    )


# Linking


async def test_a_provisional_member_s_case_becomes_the_real_one_s_and_its_refused_need_is_granted(reference: Reference, people: People) -> None:
    real, passing = await reference.fresh_member(), await people.provisional()
    need = await people.case(passing)
    told = await people.done(f"/members/{passing}/link", {"member_id": real}, "agent")
    assert told == {"member_id": real, "cases": [need.case_id], "decided_again": [need.need_id], "stays_consumed": []}
    log = await reference.told(need.case_id)
    assert names(log) == ["coverage_refused", "member_linked", "coverage_granted"]
    assert log[1][1] and (log[1][1]["opened_for"], log[1][1]["member_id"], log[1][1]["reason"]) == (passing, real, "linked")
    assert (await reference.told(passing))[-1][1]["linked_to"] == real  # type: ignore[index]
    assert await reserved(reference, real) == 1
    cards = [(await reference.told(f"member:{one}")) for one in (passing, real)]
    assert [[body is not None for _, body in of] for of in cards] == [[True, False], [True]]


async def test_a_need_that_the_real_member_s_contracts_do_not_cover_is_refused_with_the_real_reason(reference: Reference, people: People) -> None:
    real, passing = await reference.fresh_member(), await people.provisional()
    need = await people.case(passing, "towing")
    await people.done(f"/members/{passing}/link", {"member_id": real}, "agent")
    assert [body["reason"] for name, body in await reference.told(need.case_id) if "refused" in name and body] == [
        "provisional_member",
        "service_not_covered",
    ]


async def test_a_wrong_link_is_undone_with_its_cases_cards_and_units(reference: Reference, people: People) -> None:
    real, passing = await reference.fresh_member(), await people.provisional()
    own, need = await people.case(real, "childcare"), await people.case(passing)
    await people.done(f"/members/{passing}/link", {"member_id": real}, "agent")
    told = await people.done(f"/members/{passing}/unlink", role="agent")
    assert (told["member_id"], told["cases"], told["decided_again"]) == (passing, [need.case_id], [need.need_id])
    log = await reference.told(need.case_id)
    assert names(log)[2:] == ["coverage_granted", "member_linked", "coverage_released", "task_opened"]
    assert log[3][1] and (log[3][1]["member_id"], log[3][1]["reason"]) == (passing, "undone")
    assert names(await reference.told(own.case_id)) == ["coverage_granted"]
    rows = await reference.db_rows("select open_cases, linked_to, survivor_id from member where id = any($1::uuid[])", [real, passing])
    assert [tuple(row.values()) for row in rows] == [(1, None, None)] * 2
    assert [body is not None for _, body in await reference.told(f"member:{passing}")] == [True, False, True]
    kept = (await people.http.get(f"/members/{passing}/links", headers=as_("agent"))).json()["links"]
    assert [(one["into_id"], one["kind"], one["undone_at"] is not None) for one in kept] == [(real, "linked", True)]


async def test_work_done_before_an_undoing_stays_where_its_units_were_taken_and_is_named(reference: Reference, people: People) -> None:
    real, passing = await reference.fresh_member(), await people.provisional()
    need = await people.case(passing)
    await people.done(f"/members/{passing}/link", {"member_id": real}, "agent")
    ids = {"case_id": need.case_id, "need_id": need.need_id, "mission_id": new_id(), "prestation_id": new_id(), "provider_id": new_id()}
    await reference.hear(PrestationCompleted(**ids, service=need.service, performed=need.wanted, lines=[]))
    told = await people.done(f"/members/{passing}/unlink", role="agent")
    assert [one["need_id"] for one in told["stays_consumed"]] == [need.need_id] and told["decided_again"] == []


@pytest.mark.parametrize("order", ["closed_first", "linked_first"])
async def test_a_case_that_closes_while_it_is_linked_counts_once_in_either_order(reference: Reference, people: People, order: str) -> None:
    real, passing = await reference.fresh_member(), await people.provisional()
    need = await people.case(passing)
    if order == "closed_first":
        await reference.hear(closed(need))
    await people.done(f"/members/{passing}/link", {"member_id": real}, "agent")
    if order == "linked_first":
        await reference.hear(closed(need))
    granted = "coverage_granted" in names(await reference.told(need.case_id))
    assert granted == (order == "linked_first")
    rows = await reference.db_rows("select open_cases from member where id = any($1::uuid[])", [real, passing])
    assert [row["open_cases"] for row in rows] == [0, 0]
    await reference.hear(CaseReopened(case_id=need.case_id, reason="complaint", reopened_by={"kind": "agent"}))
    assert await reference.value("select open_cases from member where id = $1", real) == 1


async def test_links_and_openings_at_once_leave_no_case_behind(reference: Reference, people: People) -> None:
    real = await reference.fresh_member()
    for _ in range(8):
        passing = await people.provisional()
        need = await reference.need(passing, "childcare", **wish(quantity=1))
        link = people.done(f"/members/{passing}/link", {"member_id": real}, "agent")
        await asyncio.gather(link, reference.hear(opened(need), need))
        log = await reference.told(need.case_id)
        assert "member_linked" in names(log) and names(log)[-1] == "coverage_granted", log
    counted = await reference.db_row(
        "select open_cases, (select count(*) from member_case k where k.member_id = m.id) as cases from member m where id = $1",
        real,
    )
    assert (counted["open_cases"], counted["cases"]) == (8, 8)


async def test_a_case_opened_for_who_is_linked_already_is_the_real_one_s_at_once(reference: Reference, people: People) -> None:
    real, passing = await reference.fresh_member(), await people.provisional()
    await people.done(f"/members/{passing}/link", {"member_id": real}, "agent")
    need = await people.case(passing)
    assert names(await reference.told(need.case_id)) == ["member_linked", "coverage_granted"]


async def test_a_wish_that_is_over_is_not_asked_for_again(reference: Reference, people: People) -> None:
    real, passing = await reference.fresh_member(), await people.provisional()
    start = datetime.now(UTC) - timedelta(days=1)
    need = await people.case(passing, wanted=Window(start=start, end=start + timedelta(hours=2)))
    told = await people.done(f"/members/{passing}/link", {"member_id": real}, "agent")
    assert told["cases"] == [need.case_id] and told["decided_again"] == []


async def test_what_cannot_be_linked_or_merged_says_why(reference: Reference, people: People) -> None:
    real, other, passing = await reference.fresh_member(), await reference.fresh_member(), await people.provisional()
    stranger = await reference.fresh_member("home_lys", "assur_lys")
    for path, body, code in (
        (f"/members/{passing}/link", {"member_id": passing}, "same_member"),
        (f"/members/{passing}/link", {"member_id": stranger}, "other_principal"),
        (f"/members/{passing}/link", {"member_id": new_id()}, "not_found"),
        (f"/members/{real}/link", {"member_id": other}, "not_provisional"),
        (f"/members/{passing}/merge", {"into": real}, "still_provisional"),
        (f"/members/{real}/merge", {"into": passing}, "still_provisional"),
        (f"/members/{passing}/unlink", None, "not_linked"),
    ):
        answer = await people.post(path, body)
        assert answer.json()["code"] == code, (path, answer.text)
    await people.done(f"/members/{real}/merge", {"into": other})
    assert (await people.post(f"/members/{real}/merge", {"into": other})).json()["code"] == "already_linked"
    assert (await people.post(f"/members/{other}/merge", {"into": real})).json()["code"] == "already_linked"


async def test_only_supervisors_merge_and_no_outsider_links(reference: Reference, people: People) -> None:
    real, passing = await reference.fresh_member(), await people.provisional()
    assert (await people.post(f"/members/{real}/merge", {"into": real}, "agent")).status_code == 403
    for role in ("member", "principal", "provider"):
        assert (await people.post(f"/members/{passing}/link", {"member_id": real}, role)).status_code == 403
        assert (await people.http.get("/duplicates", headers=as_(role))).status_code == 403


# Proposals


async def test_a_file_that_brings_somebody_with_the_caller_s_phone_opens_one_task_that_the_link_closes(reference: Reference, people: People) -> None:
    passing = await people.provisional("06 39 98 44 01")
    need = await people.case(passing)
    await reference.load("members", "principal,number,last_name,first_name,phones\nbanque_orvane,PRO-1,Payet,Marie,0639984401\n")
    await reference.load("members", "principal,number,last_name,first_name,phones\nbanque_orvane,PRO-1,Payet,Marie,0639984401|0639984402\n")
    log = [(name, body) for name, body in await reference.told(need.case_id) if "task" in name]
    assert [(name.split(".")[1], body and body.get("kind")) for name, body in log] == [("task_opened", "provisional_member")]
    found = (await people.http.get(f"/members/{passing}/likely", headers=as_("agent"))).json()["members"]
    assert [(one["number"], one["why"]) for one in found] == [("PRO-1", ["same_phone"])]
    await people.done(f"/members/{passing}/link", {"member_id": found[0]["id"]}, "agent")
    assert names(await reference.told(need.case_id))[-2:] == ["coverage_refused", "task_closed"]


async def test_name_and_birth_date_propose_and_a_birth_date_alone_does_not(reference: Reference, people: People) -> None:
    passing = await people.provisional(last_name="Grondinn", first_name="Lucie", birth_date="1971-08-09")
    rows = "banque_orvane,PRO-2,Grondin,Lucie,1971-08-09\nbanque_orvane,PRO-3,Lefebvre,Paul,1971-08-09\nassur_lys,PRO-4,Grondin,Lucie,1971-08-09\n"
    await reference.load("members", f"principal,number,last_name,first_name,birth_date\n{rows}")
    found = (await people.http.get(f"/members/{passing}/likely", headers=as_("agent"))).json()["members"]
    assert [one["number"] for one in found] == ["PRO-2"]
    task = await reference.db_row("select task_id, case_id from proposal_task where provisional_id = $1", passing)
    assert task["case_id"] is None and names(await reference.told(task["task_id"])) == ["task_opened"]
    assert (await people.post(f"/tasks/{task['task_id']}/close", {"outcome": "no_longer_needed"}, "agent")).status_code == 200
    assert names(await reference.told(task["task_id"])) == ["task_opened", "task_closed"]
    assert (await people.http.get(f"/members/{passing}/likely", headers=as_("agent"))).json()["members"] == []


# Duplicates


async def twins(reference: Reference, people: People, number: str, principal: str = "banque_orvane", product: str = "home_plus") -> tuple[str, str]:
    """Two rows of one person, each with a contract."""
    rows = f"{principal},{number}-A,Lebreton,Yvonne,1944-02-29,0639985500\n{principal},{number}-B,Le Breton,Yvone,1944-02-29,0639985501\n"
    await reference.load("members", f"principal,number,last_name,first_name,birth_date,phones\n{rows}")
    held = "".join(f"{number}-{one},{product},{number}-{one},{STARTED}\n" for one in "AB")
    await reference.load("contracts", f"number,product,member,starts_on\n{held}")
    return await reference.member(f"{number}-A"), await reference.member(f"{number}-B")


async def pairs(people: People) -> list[set[str]]:
    answer = await people.http.get("/duplicates", params={"limit": 200}, headers=as_("supervisor"))
    return [{pair["one"]["number"], pair["other"]["number"]} for pair in answer.raise_for_status().json()["pairs"]]


async def test_the_same_person_twice_is_found_a_household_and_another_principal_are_not(reference: Reference, people: People) -> None:
    await twins(reference, people, "TWI")
    await reference.load(
        "members",
        "principal,number,last_name,first_name,birth_date,phones,emails\n"
        "banque_orvane,TWI-C,Kervella,Anne,1980-03-04,0639985510,\n"
        "banque_orvane,TWI-D,Kervella,Paul,1979-06-07,0639985510,\n"
        "assur_lys,TWI-E,Lebreton,Yvonne,1944-02-29,,\n"
        "banque_orvane,TWI-F,Martin,Zoé,,,zoe@courriel.example\n"
        "banque_orvane,TWI-G,Martin,Zoe,1990-10-10,,zoe@courriel.example\n",
    )
    found, new = await duplicates.find(reference.db)
    assert found == new == len(await pairs(people))
    mine = [pair for pair in await pairs(people) if any(number.startswith("TWI") for number in pair)]
    assert sorted(map(sorted, mine)) == [["TWI-A", "TWI-B"], ["TWI-F", "TWI-G"]]
    assert (await duplicates.find(reference.db))[1] == 0


async def test_two_who_are_not_the_same_are_remembered_as_two(reference: Reference, people: People) -> None:
    one, other = await twins(reference, people, "TWO")
    await duplicates.find(reference.db)
    assert {"TWO-A", "TWO-B"} in await pairs(people)
    assert (await people.post(f"/duplicates/{other}/{one}/set-aside")).status_code == 204
    await duplicates.find(reference.db)
    assert {"TWO-A", "TWO-B"} not in await pairs(people)
    assert (await people.post(f"/duplicates/{one}/{new_id()}/set-aside")).status_code == 404


async def test_a_merged_member_s_contracts_and_cases_show_under_the_survivor_and_go_back_exactly(reference: Reference, people: People) -> None:
    one, other = await twins(reference, people, "MRG")
    rows = "select id, member_id, version from contract where member_id = any($1::uuid[]) order by id"
    before = await reference.db_rows(rows, [one, other])
    need = await people.case(one, "childcare", **wish(quantity=3))
    told = await people.done(f"/members/{one}/merge", {"into": other})
    assert told["cases"] == [need.case_id] and told["decided_again"] == []  # granted, and still held
    sheet = await people.sheet(other)
    assert {(held["number"], held["member_id"]) for held in sheet["contracts"]} == {("MRG-A", one), ("MRG-B", other)}
    assert len(sheet["rights"]) == 4
    found = (await people.http.get("/members", params={"q": "0639985500"}, headers=as_("agent"))).json()["members"]
    assert {row["id"] for row in found} & {one, other} == {other}
    exhausted = [await people.case(other, "childcare", **wish(quantity=9)) for _ in range(2)]
    assert [names(await reference.told(case.case_id))[-1] for case in exhausted] == ["coverage_granted", "coverage_refused"]
    await reference.hear(
        NeedCancelled(case_id=exhausted[0].case_id, need_id=exhausted[0].need_id, reason="changed_mind", cancelled_by={"kind": "agent"})
    )
    back = await people.done(f"/members/{one}/unmerge")
    assert back["cases"] == [need.case_id]
    assert before == await reference.db_rows(
        "select id, member_id, version from contract where member_id = any($1::uuid[]) order by id", [one, other]
    )
    assert [held["number"] for held in (await people.sheet(other))["contracts"]] == ["MRG-B"]


async def test_a_merge_of_a_merged_member_and_its_undoing_leave_who_hangs_on_it_where_it_was(reference: Reference, people: People) -> None:
    one, other = await twins(reference, people, "CHA")
    last = await reference.fresh_member()
    await people.done(f"/members/{one}/merge", {"into": other})
    await people.done(f"/members/{other}/merge", {"into": last})
    counts = "select array_agg(survivor_id order by number) from member where id = any($1::uuid[])"
    assert await reference.value(counts, [one, other]) == [last, last]
    await people.done(f"/members/{other}/unmerge")
    assert await reference.value(counts, [one, other]) == [other, None]


@pytest.mark.parametrize("order", ["merged_first", "file_first", "at_once"])
async def test_a_file_finds_the_rows_of_merged_members_in_either_order(reference: Reference, people: People, order: str) -> None:
    tag = f"FED-{order.upper().replace('_', '')}"
    one, other = await twins(reference, people, tag)
    rows = f"banque_orvane,{tag}-A,Changée,1944-02-29\nbanque_orvane,{tag}-B,Restée,1944-02-29\n"
    file = reference.load("members", f"principal,number,last_name,birth_date\n{rows}")
    merge = people.done(f"/members/{one}/merge", {"into": other})
    if order == "at_once":
        await asyncio.gather(file, merge)
    else:
        for step in (merge, file) if order == "merged_first" else (file, merge):
            await step
    found = await reference.db_rows("select last_name, linked_to, survivor_id from member where id = any($1::uuid[]) order by number", [one, other])
    assert [tuple(row.values()) for row in found] == [("Changée", other, other), ("Restée", None, None)]
    last = (await reference.told(one))[-1][1]
    assert last and last["linked_to"] == other


async def test_a_survivor_whose_row_a_file_ends_is_covered_by_the_row_that_goes_on(reference: Reference, people: People) -> None:
    one, other = await twins(reference, people, "END")
    await people.done(f"/members/{one}/merge", {"into": other})
    await reference.load("members", "principal,number,last_name,ended_on\nbanque_orvane,END-B,Le Breton,2020-01-01\n")
    need = await people.case(other)
    assert names(await reference.told(need.case_id)) == ["coverage_granted"]


async def test_a_member_sees_what_was_merged_into_theirs_and_nobody_else_s(reference: Reference, people: People) -> None:
    one, other = await twins(reference, people, "OWN")
    stranger = await reference.fresh_member()
    mine = as_("member", member_id=other)
    assert (await people.http.get(f"/members/{one}", headers=mine)).status_code == 404
    await people.done(f"/members/{one}/merge", {"into": other})
    assert len((await people.http.get("/me", headers=mine)).json()["contracts"]) == 2
    assert (await people.http.get(f"/members/{one}", headers=mine)).status_code == 200
    assert (await people.http.get(f"/members/{stranger}", headers=mine)).status_code == 404
    merged = (await people.http.get("/me", headers=as_("member", member_id=one))).json()
    assert {held["number"] for held in merged["contracts"]} == {"OWN-A"}
    async with reference.db.transaction(Tenant(member_id=stranger)) as tx:
        assert await tx.conn.fetchval("select count(*) from member") == 1


async def test_an_outsider_s_own_rows_are_found_by_index(reference: Reference) -> None:
    member_id = await reference.fresh_member()
    async with reference.db.transaction(Tenant(member_id=member_id)) as tx:
        await tx.conn.execute("set local enable_seqscan = off")
        plan = "\n".join(row[0] for row in await tx.conn.fetch("explain select * from contract where member_id = $1", member_id))
        assert "contract_by_member" in plan, plan
