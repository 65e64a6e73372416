"""Reference on a real database: files in, search, preview, binding decisions under contention, cards, who sees what."""

import asyncio
import csv
import time
from collections.abc import AsyncIterator, Iterable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from contracts.intake import CaseClosed, CaseOpened, CaseReopened, NeedAdded, NeedAmended, NeedAtRisk, NeedCancelled, NeedReinstated
from contracts.tracking import PrestationCompleted
from services.kit import app as kit
from services.kit.clock import new_id
from services.kit.db import Tenant
from services.kit.deadlines import Deadlines
from services.kit.outbox import Lane
from services.kit.settings import ServiceSettings
from services.kit.subscriptions import Received
from services.reference.api import catalog, contracts, coverage, members
from services.reference.usecases import coverage as coverage_usecases
from services.reference.usecases.feed import load_csv
from tests.integration.hearing import envelope
from tests.integration.reference_harness import FILES, SOON, STARTED, Everyone, Reference, as_, reference, wish

__all__ = ["reference"]


def _of(need: NeedAdded) -> dict[str, str]:
    return {"case_id": need.case_id, "need_id": need.need_id}


def _types(told: Iterable[tuple[str, Any]]) -> list[str]:
    return [name.removeprefix("reference.").removesuffix(".v1") for name, _ in told]


def _done(need: NeedAdded) -> PrestationCompleted:
    lines = [{"article": "work", "unit": "hour", "quantity": "2"}]
    return PrestationCompleted(
        **_of(need), mission_id=new_id(), prestation_id=new_id(), provider_id=new_id(), service=need.service, performed=need.wanted, lines=lines
    )


@pytest.fixture
async def http(reference: Reference) -> AsyncIterator[httpx.AsyncClient]:
    app: FastAPI = kit.create("reference", ServiceSettings.model_construct(), [members.router, contracts.router, coverage.router, catalog.router])
    app.state.db, app.state.verifier = reference.db, Everyone()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://reference/api/reference/v1") as client:
        yield client


# Files


async def test_the_same_file_twice_changes_and_says_nothing(reference: Reference) -> None:
    before = await reference.value("select count(*) from kit.outbox")
    for kind, content in FILES.items():
        report = await reference.load(kind, content)
        assert (report.changed, report.unchanged, report.bad) == (0, report.rows, 0)
    assert await reference.value("select count(*) from kit.outbox") == before
    assert await reference.value("select count(*) from staged") == 0


async def test_a_loaded_member_and_its_contract_are_told_in_the_bulk_lane_and_without_the_person(reference: Reference) -> None:
    told = await reference.told(await reference.member("ORV-1"))
    assert _types(told) == ["member_changed"]
    assert told[0][1] and told[0][1]["departement"] == "69"
    contract_id = str(await reference.value("select id from contract where number = 'C-1'"))
    (held,) = await reference.told(contract_id)
    assert held[1] and held[1]["member_id"] == told[0][1]["member_id"] and held[1]["suspended"] is False
    await reference.load("contracts", f"number,product,member,starts_on,state\nC-1,home_plus,ORV-1,{STARTED},suspended\n")
    *_, (_, now) = await reference.told(contract_id)
    assert now and (now["suspended"], now["version"]) == (True, 2)
    await reference.load("contracts", f"number,product,member,starts_on\nC-1,home_plus,ORV-1,{STARTED}\n")
    assert await reference.lanes(await reference.member("ORV-1")) == {Lane.BULK}
    assert not await reference.value("select exists (select from kit.outbox where convert_from(payload, 'UTF8') ilike '%dùpont%')")


async def test_bad_rows_are_reported_with_line_and_reason_and_stop_nothing(reference: Reference) -> None:
    report = await reference.load(
        "members",
        "principal,number,last_name,birth_date,phones,insee\n"
        "banque_orvane,BAD-1,,,,\n"
        "nobody,BAD-2,Nom,,,\n"
        "banque_orvane,GOOD-1,Nom,,,\n"
        "banque_orvane,GOOD-1,Nom,,,\n"
        "banque_orvane,BAD-3,Nom,2190-01-01,,\n"
        "banque_orvane,BAD-4,Nom,,call me,\n"
        "banque_orvane,BAD-5,Nom,,,99999\n"
        "banque_orvane,BAD-6\n",
    )
    assert sorted((bad.line, bad.reason, bad.field) for bad in report.problems) == [
        (2, "missing", "last_name"),
        (3, "unknown_principal", ""),
        (5, "duplicate_key", ""),
        (6, "born_in_the_future", ""),
        (7, "bad_phone", ""),
        (8, "value_error", "insee"),
        (9, "wrong_number_of_cells", ""),
    ]
    assert (report.rows, report.changed, report.bad) == (8, 1, 7)
    late = await reference.load("contracts", f"number,product,member,starts_on\nX-1,home_plus,NOBODY,{STARTED}\nX-2,none,ORV-1,{STARTED}\n")
    assert {(bad.line, bad.reason) for bad in late.problems} == {(2, "unknown_member"), (3, "unknown_product")}


async def test_a_file_of_another_encoding_with_broken_lines_gives_what_can_be_read(reference: Reference) -> None:
    rows = ("principal;number;last_name", "banque_orvane;ENC-1;Noël", 'banque_orvane;ENC-2;"ouvert', "banque_orvane;ENC-3;Zoé", "x" * 100_000)
    report = await reference.load("members", "\r\n".join(rows).encode("windows-1252"))
    assert [(bad.line, bad.reason) for bad in report.problems] == [(3, "bad_quotes"), (5, "line_too_long")]
    assert (report.rows, report.changed, report.bad) == (4, 2, 2)
    assert await reference.value("select array_agg(last_name order by number) from member where number like 'ENC-%'") == ["Noël", "Zoé"]


async def test_a_changed_guarantee_restates_its_contracts_and_new_terms_are_told_live(reference: Reference) -> None:
    contract_id = str(await reference.value("select id from contract where number = 'L-1'"))
    await reference.load("guarantees", "product,code,services,units_per_year\nhome_lys,home,gardening,6\n")
    told = await reference.told(contract_id)
    assert told[-1][1] and told[-1][1]["guarantees"][0]["units_per_year"] == "6"
    assert [payload["version"] for _, payload in told if payload] == [1, 2]
    await reference.load("principals", "code,label,siren,markup_rate,valid_from\nassur_lys,Assur Lys,552100554,0.05,2026-01-01\n")
    principal_id = str(await reference.value("select id from principal where code = 'assur_lys'"))
    assert [payload["valid_from"] for _, payload in await reference.told(principal_id) if payload] == ["2020-01-01", "2026-01-01"]
    assert await reference.lanes(principal_id) == {Lane.LIVE}


async def test_20_000_members_load_in_seconds_and_again_in_less(reference: Reference, tmp_path: Path) -> None:
    people, held = tmp_path / "members.csv", tmp_path / "contracts.csv"
    with people.open("w", newline="") as file, held.open("w", newline="") as other:
        rows, contracts = csv.writer(file), csv.writer(other)
        rows.writerow(["principal", "number", "last_name", "first_name", "birth_date", "phones", "insee"])
        contracts.writerow(["number", "product", "member", "starts_on"])
        for n in range(20_000):
            born = date(1900, 1, 1) + timedelta(days=n)
            rows.writerow(["assur_lys", f"BIG-{n}", f"Nom{n}", "Prénom", str(born), f"06399{n:05d}", "69123"])
            contracts.writerow([f"BIG-{n}", "home_lys", f"BIG-{n}", STARTED])
    started = time.perf_counter()
    first = [await load_csv(reference.db, "members", people), await load_csv(reference.db, "contracts", held)]
    loaded = time.perf_counter() - started
    again = [await load_csv(reference.db, "members", people), await load_csv(reference.db, "contracts", held)]
    repeated = time.perf_counter() - started - loaded
    print(f"20,000 members and contracts: {loaded:.1f} s, the same again {repeated:.1f} s")
    assert [report.changed for report in first] == [20_000, 20_000]
    assert [report.unchanged for report in again] == [20_000, 20_000]
    assert loaded < 60 and repeated < loaded


# Decisions


async def test_with_one_unit_left_exactly_one_of_50_simultaneous_needs_is_granted(reference: Reference) -> None:
    member_id = await reference.fresh_member()
    needs = [await reference.need(member_id) for _ in range(50)]
    await asyncio.gather(*(reference.hear(need) for need in needs))
    told = [one for need in needs for one in await reference.told(need.case_id)]
    assert sorted(_types(told)) == ["coverage_granted"] + ["coverage_refused"] * 49
    refusal = next(payload for name, payload in told if "refused" in name)
    assert refusal and refusal["reason"] == "units_exhausted"
    assert refusal["trace"][-1] == "units_exhausted"


async def test_a_batch_of_needs_of_one_member_shares_what_is_left(reference: Reference) -> None:
    member_id = await reference.fresh_member()
    needs = [await reference.need(member_id) for _ in range(3)]
    subscription = reference.table.of("cases", NeedAdded.EVENT.full_name)
    assert subscription
    async with reference.db.transaction() as tx:
        await subscription.handle(tx, [Received(envelope(need), need) for need in needs])
    assert [_types(await reference.told(need.case_id)) for need in needs] == [["coverage_granted"], ["coverage_refused"], ["coverage_refused"]]


async def test_a_cancelled_need_frees_its_unit_for_the_next_one(reference: Reference) -> None:
    member_id = await reference.fresh_member()
    first, second = await reference.need(member_id), await reference.need(member_id)
    await reference.hear(first)
    for _ in range(2):
        await reference.hear(NeedCancelled(**_of(first), reason="changed_mind", cancelled_by={"kind": "agent"}))
    await reference.hear(second)
    assert _types(await reference.told(first.case_id)) == ["coverage_granted", "coverage_released"]
    assert _types(await reference.told(second.case_id)) == ["coverage_granted"]


async def test_a_reinstated_need_is_reserved_again_even_beyond_what_is_left_and_consumed_when_done(reference: Reference) -> None:
    member_id = await reference.fresh_member()
    first, second = await reference.need(member_id), await reference.need(member_id)
    await reference.hear(first, NeedCancelled(**_of(first), reason="changed_mind", cancelled_by={"kind": "agent"}), second)
    await reference.hear(NeedReinstated(**_of(first), reason="visit_had_started"), _done(first))
    told = await reference.told(first.case_id)
    assert _types(told) == ["coverage_granted", "coverage_released", "coverage_granted", "coverage_consumed"]
    assert len({payload["decision_id"] for _, payload in told if payload}) == 1
    assert told[-1][1] and (told[-1][1]["units_consumed"], told[-1][1]["units_left"]) == ("1", "0")
    assert (
        await reference.value("select (used, reserved)::text from rights r join contract c on c.id = r.contract_id where c.member_id = $1", member_id)
        == "(1,1)"
    )


async def test_an_amendment_moves_or_ends_the_coverage_only_where_it_alters_the_result(reference: Reference) -> None:
    member_id = await reference.fresh_member()
    need = await reference.need(member_id, "childcare", **wish(quantity=4))
    by: dict[str, Any] = {"amended_by": {"kind": "agent"}}
    await reference.hear(need, NeedAmended(**_of(need), **wish(days=1, quantity=4), **by))
    assert _types(await reference.told(need.case_id)) == ["coverage_granted"]
    await reference.hear(NeedAmended(**_of(need), **wish(quantity=6), **by))
    assert _types(await reference.told(need.case_id)) == ["coverage_granted", "coverage_released", "coverage_granted"]
    await reference.hear(NeedAmended(**_of(need), **wish(insee="75056", departement="75", quantity=6), **by))
    told = await reference.told(need.case_id)
    assert _types(told)[3:] == ["coverage_released", "common.task_opened"]
    assert told[4][1] and (told[4][1]["kind"], told[4][1]["reason"]) == ("coverage_lost", "outside_area")
    assert await reference.value("select sum(reserved) from rights r join contract c on c.id = r.contract_id where c.member_id = $1", member_id) == 0


async def test_a_refused_need_gone_on_at_risk_opens_a_task_that_a_person_closes(reference: Reference, http: httpx.AsyncClient) -> None:
    need = await reference.need(await reference.fresh_member(), "towing")
    at_risk = NeedAtRisk(**_of(need), limit_cents=1000, reason="urgent", decided_by={"kind": "agent"}, decided_at=SOON)
    await reference.hear(need, at_risk, at_risk)
    told = await reference.told(need.case_id)
    assert _types(told) == ["coverage_refused", "common.task_opened"]
    assert told[1][1] and told[1][1]["kind"] == "at_risk_refused"
    address = f"/tasks/{told[1][1]['task_id']}/close"
    assert (await http.post(address, json={"outcome": "accepted_loss"}, headers=as_("agent"))).status_code == 200
    assert (await http.post(address, json={"outcome": "accepted_loss"}, headers=as_("agent"))).status_code == 404
    assert _types(await reference.told(need.case_id))[-1] == "common.task_closed"


async def test_a_reservation_expires_by_its_deadline_while_the_need_is_open(reference: Reference) -> None:
    need, done = await reference.need(await reference.fresh_member()), await reference.need(await reference.fresh_member())
    await reference.hear(need, done, _done(done))
    async with reference.db.transaction() as tx:
        both = [need.need_id, done.need_id]
        await tx.conn.execute("update cover set expires_at = now() where need_id = any($1::uuid[])", both)
        await tx.conn.execute("update kit.deadline set due_at = now() where key = any($1)", both)
    deadlines = Deadlines(reference.db, {"reservation": coverage_usecases.expire})
    while await deadlines.step():
        pass
    assert _types(await reference.told(need.case_id)) == ["coverage_granted", "coverage_released"]
    assert _types(await reference.told(done.case_id)) == ["coverage_granted", "coverage_consumed"]


async def test_an_unknown_person_is_refused_and_nothing_breaks(reference: Reference) -> None:
    need = (await reference.need(await reference.fresh_member())).model_copy(update={"member_id": new_id()})
    await reference.hear(need, NeedCancelled(**_of(need), reason="changed_mind", cancelled_by={"kind": "agent"}))
    told = await reference.told(need.case_id)
    assert [(name, payload and payload["reason"]) for name, payload in told] == [("reference.coverage_refused.v1", "not_a_member")]


async def test_a_contract_of_somebody_else_does_not_cover_and_an_unknown_one_is_none(reference: Reference) -> None:
    member_id, other = await reference.fresh_member(), await reference.fresh_member()
    theirs = await reference.value("select id from contract where member_id = $1", other)
    for contract_id, reason in ((theirs, "beneficiary_not_covered"), (new_id(), "no_contract")):
        need = await reference.need(member_id, contract_id=contract_id)
        await reference.hear(need)
        assert [payload and payload["reason"] for _, payload in await reference.told(need.case_id)] == [reason]
    alongside = [await reference.need(other), await reference.need(member_id, contract_id=theirs)]
    await reference.hear(*alongside)
    assert [_types(await reference.told(need.case_id)) for need in alongside] == [["coverage_granted"], ["coverage_refused"]]


# Cards


async def test_a_card_lives_from_the_first_open_case_to_the_last_and_follows_every_change(reference: Reference) -> None:
    member_id = await reference.fresh_member()
    number = await reference.value("select number from member where id = $1", member_id)
    key = f"member:{member_id}"

    def opened() -> CaseOpened:
        return CaseOpened(
            case_id=new_id(), number="100000426", principal_id=new_id(), member_id=member_id, channel="desk",
            opened_by={"kind": "agent"}, card={"kind": "case", "id": new_id(), "version": 1},
        )  # fmt: skip

    first, second = opened(), opened()
    assert await reference.told(key) == []
    await reference.hear(first, second)
    await reference.load("members", f"principal,number,last_name,phones\nbanque_orvane,{number},Changé,0639980077\n")
    for case in (first, second):
        await reference.hear(CaseClosed(case_id=case.case_id, reason="all_done", closed_by={"kind": "system"}))
    await reference.load("members", f"principal,number,last_name\nbanque_orvane,{number},Encore\n")
    await reference.hear(CaseReopened(case_id=first.case_id, reason="complaint", reopened_by={"kind": "agent"}))
    said = [payload and (payload["version"], payload["last_name"]) for _, payload in await reference.told(key)]
    assert said == [(1, "Nouveau"), (2, "Changé"), None, (4, "Encore")]


# Doors


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("orv-1", "ORV-1"),
        ("06 39 98 00 01", "ORV-1"),
        ("+33 6 39 98 00 01", "ORV-1"),
        ("0692123456", "ORV-2"),
        ("dupont leger 14/03/1961", "ORV-1"),
        ("HÉLÈNE DUPONT-LÉGER 14.03.1961", "ORV-1"),
        ("14/03/1961", "ORV-1"),
        ("dupont saint-étienne", "LYS-1"),
        ("hoar", "ORV-2"),
        ("AB 123 CD", "ORV-2"),
        ("Helene.Dupont@courriel.example", "ORV-1"),
        ("dupon leget 14/03/1961", "ORV-1"),
        ("helene dupont leger 14/03/1916", "ORV-1"),
        ("hoareau jean 02/01/1980", "ORV-2"),
        ("dupond saint-étiene", "LYS-1"),
    ],
)
async def test_members_are_found_as_typed_with_their_contracts(http: httpx.AsyncClient, typed: str, number: str) -> None:
    answer = await http.get("/members", params={"q": typed}, headers=as_("agent"))
    assert answer.status_code == 200, answer.text
    found = answer.json()["members"]
    assert [one["number"] for one in found] == [number]
    assert len(found[0]["contracts"]) == 1


async def test_searches_use_their_indexes(reference: Reference) -> None:
    async with reference.db.connection() as conn:
        await conn.execute("set enable_seqscan = off; set plan_cache_mode = force_generic_plan")
        for where, index in (
            ("number = 'ORV-1'", "member_by_number"),
            ("phones && array['+33639980001']", "member_by_phone"),
            ("emails && array['helene.dupont@courriel.example']", "member_by_email"),
            ("birth_date = '1961-03-14'", "member_by_birth"),
            ("name_key >= 'dup' and name_key < 'dup~'", "member_by_name"),
            ("insee = any('{42218}')", "member_by_town"),
        ):
            plan = "\n".join(row[0] for row in await conn.fetch(f"explain select * from member_sheet where {where}"))
            assert index in plan, plan
        await conn.execute("reset enable_seqscan; reset plan_cache_mode")


async def test_a_preview_answers_with_words_and_trace_and_reserves_nothing(reference: Reference, http: httpx.AsyncClient) -> None:
    member_id = await reference.fresh_member()
    ask = {"member_id": member_id, "service": "gardening", "place": "38185", "start": SOON.isoformat()}
    for _ in range(2):
        granted = (await http.post("/coverage/preview", json=ask, headers=as_("agent"))).json()
        assert (granted["granted"], granted["guarantee"], granted["units"], granted["units_left"], granted["cap_gross_cents"]) == (
            True,
            "home",
            "1",
            "1",
            30000,
        )
    assert await reference.value("select count(*) from rights r join contract c on c.id = r.contract_id where c.member_id = $1", member_id) == 0
    refused = (await http.post("/coverage/preview", json=ask | {"service": "taxi"}, headers=as_("agent"))).json()
    assert refused["reason"] == {"code": "service_not_covered", "fr": "prestation non garantie", "en": "service not covered"}
    assert [rule["code"] for rule in refused["trace"]][-2:] == ["contract_active", "service_not_covered"]
    assert (await http.post("/coverage/preview", json=ask | {"member_id": new_id()}, headers=as_("agent"))).status_code == 404


async def test_a_provisional_member_is_found_by_phone_and_refused_until_linked(reference: Reference, http: httpx.AsyncClient) -> None:
    principal_id = str(await reference.value("select id from principal where code = 'banque_orvane'"))
    body = {"principal_id": principal_id, "last_name": "Payet", "phone": "0693 12 34 56", "insee": "97411"}
    headers = as_("agent")
    added = await http.post("/members", json=body, headers=headers)
    assert added.status_code == 201, added.text
    assert (await http.post("/members", json=body, headers=headers)).json() == added.json()
    member_id = added.json()["member_id"]
    found = (await http.get("/members", params={"q": "+262 693 12 34 56"}, headers=as_("agent"))).json()["members"]
    assert [(one["id"], one["provisional"]) for one in found] == [(member_id, True)]
    need = await reference.need(member_id)
    await reference.hear(need)
    told = await reference.told(need.case_id)
    assert told[0][1] and told[0][1]["reason"] == "provisional_member"
    assert (await http.post("/members", json=body, headers=as_("member", member_id=member_id))).status_code == 403


async def test_rights_show_what_is_reserved_used_and_left(reference: Reference, http: httpx.AsyncClient) -> None:
    member_id = await reference.fresh_member()
    need = await reference.need(member_id, "childcare", **wish(quantity=4))
    await reference.hear(need)
    sheet = (await http.get("/me", headers=as_("member", member_id=member_id))).json()
    care = next(right for right in sheet["rights"] if right["guarantee"] == "care")
    assert (care["reserved"], care["used"], care["left"]) == ("4", "0", "6")
    await reference.hear(_done(need))
    rights = (await http.get("/rights", headers=as_("member", member_id=member_id))).json()["rights"]
    care = next(right for right in rights if right["guarantee"] == "care")
    assert (care["reserved"], care["used"], care["left"]) == ("0", "2", "8")


async def test_outsiders_see_their_own_and_another_s_is_not_found(reference: Reference, http: httpx.AsyncClient) -> None:
    mine, other = await reference.member("ORV-1"), await reference.member("LYS-1")
    orvane = str(await reference.value("select id from principal where code = 'banque_orvane'"))
    member, principal = as_("member", member_id=mine), as_("principal", principal_ids=(orvane,))
    for caller in (member, principal):
        assert (await http.get(f"/members/{mine}", headers=caller)).status_code == 200
        assert (await http.get(f"/members/{other}", headers=caller)).status_code == 404
        assert (await http.get("/rights", params={"member_id": other}, headers=caller)).status_code == 404
        assert (await http.get("/members", params={"q": "dupont"}, headers=caller)).status_code == 403
        products = (await http.get("/products", headers=caller)).json()["products"]
        assert [product["code"] for product in products] == ["home_plus"]
        assert {guarantee["code"] for guarantee in products[0]["guarantees"]} == {"home", "care"}
    assert [one["code"] for one in (await http.get("/principals", headers=principal)).json()["principals"]] == ["banque_orvane"]
    everyone = (await http.get("/principals", headers=as_("agent"))).json()["principals"]
    assert {one["code"] for one in everyone} >= {"banque_orvane", "assur_lys"}
    ask = {"member_id": other, "service": "gardening", "place": "38185", "start": SOON.isoformat()}
    assert (await http.post("/coverage/preview", json=ask, headers=member)).status_code == 404
    assert (await http.get(f"/members/{mine}", headers=as_("provider", provider_id=new_id()))).status_code == 403


async def test_a_contract_is_read_as_it_was_known_at_any_time(reference: Reference, http: httpx.AsyncClient) -> None:
    member_id = await reference.fresh_member()
    number = await reference.value("select number from member where id = $1", member_id)
    contract_id = str(await reference.value("select id from contract where member_id = $1", member_id))
    first = await _now(reference)
    head, address = "number,product,member,starts_on,ends_on,state", f"/contracts/{contract_id}"
    await reference.load("contracts", f"{head}\n{number},home_plus,{number},{STARTED},,suspended\n")
    second = await _now(reference)
    await reference.load("contracts", f"{head}\n{number},home_plus,{number},{STARTED},{STARTED},\n")
    await reference.load("guarantees", "product,code,services,units_per_year\nhome_plus,care,childcare,11\n")  # restates it, unchanged

    async def known(**at: str) -> tuple[str, str | None, bool, bool]:
        answer = await http.get(address, params=at, headers=as_("agent"))
        assert answer.status_code == 200, answer.text
        found = answer.json()
        return found["state"], found["ends_on"], found["in_force"], found["known_until"] is None

    assert await known(at=first.isoformat()) == ("active", None, True, False)
    assert await known(at=second.isoformat()) == ("suspended", None, False, False)
    assert await known() == ("active", STARTED, False, True)
    assert (await http.get(address, params={"at": "2001-01-01T00:00:00Z"}, headers=as_("agent"))).status_code == 404
    assert (await http.get(address, headers=as_("member", member_id=member_id))).status_code == 200
    assert (
        await http.get(address, params={"at": first.isoformat()}, headers=as_("member", member_id=await reference.member("ORV-2")))
    ).status_code == 404


async def _now(reference: Reference) -> datetime:
    now: datetime = await reference.value("select clock_timestamp()")
    return now


async def test_row_level_security_alone_hides_what_is_another_s(reference: Reference) -> None:
    orvane = str(await reference.value("select id from principal where code = 'banque_orvane'"))
    for tenant in (Tenant(member_id=await reference.member("ORV-1")), Tenant(principal_ids=(orvane,))):
        async with reference.db.transaction(tenant) as tx:
            for table in ("member", "contract", "cover", "product", "rights", "member_sheet"):
                column = {"product": "principal_id", "rights": "(select principal_id from contract where id = contract_id)"}.get(
                    table, "principal_id"
                )
                assert not await tx.conn.fetchval(f"select count(*) from {table} where {column} is distinct from $1", orvane)
            assert await tx.conn.fetchval("select count(*) from contract")
    async with reference.db.transaction(Tenant(member_id=await reference.member("ORV-1"))) as tx:
        assert await tx.conn.fetchval("select count(*) from member") == 1
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await tx.conn.fetch("select * from member_case")
