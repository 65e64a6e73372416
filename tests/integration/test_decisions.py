"""Decisions on a real database: amounts, the principal asked first, gestures, why, and what a later change would have altered."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from contracts.billing import BillPrepared, ChargeRecorded
from contracts.intake import NeedAdded, NeedAmended, NeedAtRisk, NeedCancelled, NeedReinstated
from contracts.tracking import PrestationCompleted
from services.kit import app as kit
from services.kit.clock import new_id
from services.kit.db import Tenant
from services.kit.deadlines import Deadlines
from services.kit.settings import ServiceSettings
from services.kit.subscriptions import Received
from services.reference.api import approvals, coverage, decisions, members
from services.reference.pages import covering
from services.reference.usecases import coverage as coverage_usecases
from tests.integration.hearing import envelope
from tests.integration.reference_harness import SOON, Everyone, Reference, as_, reference, wish

__all__ = ["reference"]

COLUMNS = (
    "product,code,services,units_per_year,cap_gross_cents,cap_gross_cents_per_year,"
    + "overrun,declare_within_days,min_km_from_home,one_at_a_time,valid_from"
)
SIREN = "732829320"
NUMBERS = itertools.count(1)
LAST = "select 'done'"


class Insurer:
    """A principal of its own with one product, and the guarantees that a test gives it."""

    def __init__(self, reference: Reference, code: str) -> None:
        self.reference = reference
        self.code = code
        self.product = f"{code}_road"

    @classmethod
    async def known(cls, reference: Reference, *guarantees: str, limit: str = "") -> "Insurer":
        made = cls(reference, f"insurer_{next(NUMBERS)}")
        await made.terms("2020-01-01", limit)
        await reference.load("products", f"code,label,principal\n{made.product},Route,{made.code}\n")
        await made.guarantee(*guarantees)
        return made

    async def terms(self, day: str, limit: str) -> None:
        rows = f"code,label,siren,approval_above_cents,valid_from\n{self.code},Assureur,{SIREN},{limit},{day}\n"
        assert (await self.reference.load("principals", rows)).bad == 0

    async def guarantee(self, *rows: str) -> None:
        """Each `code,services,…` in the order of COLUMNS."""
        report = await self.reference.load("guarantees", "\n".join([COLUMNS, *(f"{self.product},{row}" for row in rows)]))
        assert report.bad == 0, report.problems

    async def member(self) -> str:
        return await self.reference.fresh_member(self.product, self.code)

    @property
    def principal(self) -> Any:
        return self.reference.value("select id::text from principal where code = $1", self.code)


# code, services, units, cap, cap a year, overrun, declare within, km, one at a time, from
TOW = "tow,towing,4,30000,,,,,,2020-01-01"
YEARLY = "tow,towing,,30000,50000,,,,,2020-01-01"


def of(need: NeedAdded) -> dict[str, str]:
    return {"case_id": need.case_id, "need_id": need.need_id}


def done(need: NeedAdded) -> PrestationCompleted:
    lines = [{"article": "work", "unit": "hour", "quantity": "2"}]
    return PrestationCompleted(
        **of(need), mission_id=new_id(), prestation_id=new_id(), provider_id=new_id(), service=need.service, performed=need.wanted, lines=lines
    )


def billed(need: NeedAdded, gross: int) -> BillPrepared:
    net = round(gross / 1.2)
    return BillPrepared(
        **of(need), bill_id=new_id(), prestation_id=new_id(), provider_id=new_id(), lines=[], net_cents=net, vat_cents=gross - net, gross_cents=gross
    )


def charged(need: NeedAdded, gross: int, member: int) -> ChargeRecorded:
    return ChargeRecorded(
        **of(need), charge_id=new_id(), prestation_id=new_id(), principal_id=need.principal_id, net_cents=gross, vat_cents=0, gross_cents=gross,
        member_gross_cents=member,
    )  # fmt: skip


async def said(reference: Reference, need: NeedAdded) -> list[tuple[str, dict[str, Any]]]:
    return [(name.removesuffix(".v1").removeprefix("reference."), payload or {}) for name, payload in await reference.told(need.case_id)]


async def kinds(reference: Reference, need: NeedAdded) -> list[str]:
    return [name for name, _ in await said(reference, need)]


async def rights(reference: Reference, member_id: str) -> str:
    found = await reference.value(
        "select (used::text, reserved::text, used_cents, reserved_cents)::text from rights r join contract c on c.id = r.contract_id"
        " where c.member_id = $1",
        member_id,
    )
    return str(found)


@pytest.fixture
async def http(reference: Reference) -> AsyncIterator[httpx.AsyncClient]:
    routers = [approvals.router, decisions.router, coverage.router, members.router, covering.router]
    app = kit.create("reference", ServiceSettings.model_construct(), routers)
    app.state.db, app.state.verifier = reference.db, Everyone()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://reference/api/reference/v1") as client:
        yield client


# Rules


async def test_what_a_guarantee_says_of_time_way_and_other_cases_is_decided(reference: Reference) -> None:
    insurer = await Insurer.known(
        reference,
        "late,gardening,,,,,5,,,2020-01-01",
        "far,towing,,,,,,30,,2020-01-01",
        "once,taxi,,,,,,,true,2020-01-01",
    )
    member_id = await insurer.member()
    await reference.load("members", f"principal,number,last_name,insee\n{insurer.code},{await number(reference, member_id)},Nouveau,38185\n")
    today = datetime.now(UTC).date()

    async def reason(service: str, **more: Any) -> str | None:
        need = await reference.need(member_id, service, **more)
        await reference.hear(need)
        [(_, told)] = await said(reference, need)
        return told.get("reason")

    assert await reason("gardening", occurred_on=str(today - timedelta(days=7))) == "declared_too_late"
    assert await reason("gardening", occurred_on=str(today - timedelta(days=4))) is None
    assert await reason("gardening") is None
    assert await reason("towing") == "too_close_to_home"
    assert await reason("towing", **wish(insee="69123", departement="69")) is None
    assert await reason("taxi") is None
    assert await reason("taxi") == "already_covered"
    assert await reason("taxi", **wish(days=1)) is None


async def number(reference: Reference, member_id: str) -> str:
    return str(await reference.value("select number from member where id = $1", member_id))


async def test_a_case_covered_once_at_a_time_is_so_among_simultaneous_needs_too(reference: Reference) -> None:
    insurer = await Insurer.known(reference, "once,taxi,,,,,,,true,2020-01-01")
    member_id = await insurer.member()
    needs = [await reference.need(member_id, "taxi") for _ in range(20)]
    await asyncio.gather(*(reference.hear(need) for need in needs))
    told = [name for need in needs for name in await kinds(reference, need)]
    assert sorted(told) == ["coverage_granted"] + ["coverage_refused"] * 19


async def test_many_needs_are_decided_in_as_many_statements_as_one(reference: Reference) -> None:
    insurer = await Insurer.known(reference, YEARLY, "once,taxi,,,,,,,true,2020-01-01")
    subscription = reference.table.of("cases", NeedAdded.EVENT.full_name)
    assert subscription
    taken: dict[tuple[int, str], int] = {}
    for count, service in itertools.product((1, 40), ("towing", "taxi")):
        needs = [await reference.need(await insurer.member(), service) for _ in range(count)]
        async with reference.db.transaction() as tx:
            said: list[str] = []
            with tx.conn.query_logger(lambda record, said=said: said.append(record.query)):
                await subscription.handle(tx, [Received(envelope(need), need) for need in needs])
                await tx.conn.fetchval(LAST)  # a logger hears of a statement when the next one waits
            taken[count, service] = len([query for query in said if query != LAST])
    assert taken == {(1, "towing"): 4, (40, "towing"): 4, (1, "taxi"): 5, (40, "taxi"): 5}  # one at a time: what others have is read too


# Amounts


async def test_of_50_simultaneous_needs_no_more_is_granted_than_the_year_s_amount(reference: Reference) -> None:
    insurer = await Insurer.known(reference, YEARLY)
    member_id = await insurer.member()
    needs = [await reference.need(member_id, "towing") for _ in range(50)]
    await asyncio.gather(*(reference.hear(need) for need in needs))
    told = [one for need in needs for one in await said(reference, need)]
    granted = [payload for name, payload in told if name == "coverage_granted"]
    assert sorted((one["cap_gross_cents"], one["gross_cents_left"]) for one in granted) == [(20000, 0), (30000, 20000)]
    assert {payload["reason"] for name, payload in told if name == "coverage_refused"} == {"amount_exhausted"}
    assert await rights(reference, member_id) == "(0,2,0,50000)"


async def test_the_charge_trues_up_the_amount_and_frees_the_rest_for_the_next_need(reference: Reference, http: httpx.AsyncClient) -> None:
    insurer = await Insurer.known(reference, YEARLY)
    member_id = await insurer.member()
    first, second, third = [await reference.need(member_id, "towing") for _ in range(3)]
    await reference.hear(first, done(first))
    assert await rights(reference, member_id) == "(1,0,30000,0)"
    await reference.hear(billed(first, 18000), charged(first, 20000, 3000))
    assert await rights(reference, member_id) == "(1,0,15000,0)"
    right = (await http.get("/rights", headers=as_("member", member_id=member_id))).json()["rights"][0]
    assert (right["cap_gross_cents_per_year"], right["used_cents"], right["reserved_cents"], right["cents_left"]) == (50000, 15000, 0, 35000)
    ask = {"member_id": member_id, "service": "towing", "place": "38185", "start": SOON.isoformat()}
    preview = (await http.post("/coverage/preview", json=ask, headers=as_("agent"))).json()
    assert (preview["cap_gross_cents"], preview["gross_cents_left"], preview["approval_cents"]) == (30000, 35000, None)
    await reference.hear(billed(first, -18000), charged(first, -20000, -3000), billed(first, 12000), charged(first, 14000, 3000))
    assert await rights(reference, member_id) == "(1,0,9000,0)"
    await reference.hear(second, third)
    caps = [payload["cap_gross_cents"] for need in (second, third) for _, payload in await said(reference, need)]
    assert caps == [30000, 11000]
    await reference.hear(NeedCancelled(**of(second), reason="no_provider_found", cancelled_by={"kind": "agent"}))
    assert (await said(reference, second))[-1][1]["reason"] == "need_unfilled"
    assert await rights(reference, member_id) == "(1,1,9000,11000)"


# The principal asked first


async def test_above_its_limit_the_principal_grants_or_refuses_once_and_sees_only_its_own(reference: Reference, http: httpx.AsyncClient) -> None:
    insurer, other = await Insurer.known(reference, TOW, limit="20000"), await Insurer.known(reference, TOW, limit="20000")
    member_id = await insurer.member()
    yes, no = await reference.need(member_id, "towing"), await reference.need(member_id, "towing")
    cheap = await reference.need(member_id, "towing", estimate_gross_cents=15000)
    await reference.hear(yes, no, cheap)
    assert [await kinds(reference, need) for need in (yes, no, cheap)] == [["approval_requested"], ["approval_requested"], ["coverage_granted"]]
    asked = {need.need_id: (await said(reference, need))[0][1] for need in (yes, no)}
    assert {one["amount_cents"] for one in asked.values()} == {30000}
    mine = as_("principal_approver", principal_ids=(await insurer.principal,))
    theirs = as_("principal_approver", principal_ids=(await other.principal,))
    listed = (await http.get("/approvals", params={"limit": 1}, headers=mine)).json()
    more = (await http.get("/approvals", params={"limit": 1, "after": listed["next"]}, headers=mine)).json()
    assert [one["need_id"] for one in listed["approvals"] + more["approvals"]] == [yes.need_id, no.need_id]
    assert (await http.get("/approvals", headers=theirs)).json()["approvals"] == []
    first, second = asked[yes.need_id]["approval_id"], asked[no.need_id]["approval_id"]
    assert (await http.post(f"/approvals/{first}/grant", headers=theirs)).status_code == 404
    assert (await http.post(f"/approvals/{first}/grant", headers=as_("principal", principal_ids=(await insurer.principal,)))).status_code == 403
    granted = await http.post(f"/approvals/{first}/grant", headers=mine)
    assert granted.status_code == 200, granted.text
    assert (await http.post(f"/approvals/{first}/grant", headers=mine)).json() == granted.json()  # the same command
    again = as_("principal_approver", principal_ids=(await insurer.principal,))
    assert (await http.post(f"/approvals/{first}/grant", headers=again)).status_code == 409
    wrong = await http.post(f"/approvals/{second}/refuse", json={"reason": "no_answer"}, headers=as_("supervisor"))
    assert wrong.status_code == 422
    assert (await http.post(f"/approvals/{second}/refuse", json={"reason": "too_expensive"}, headers=as_("supervisor"))).status_code == 200
    assert await kinds(reference, yes) == ["approval_requested", "approval_granted", "coverage_granted"]
    [_, (_, by), (_, told)] = await said(reference, yes)
    assert (by["decided_by"], told["cap_gross_cents"], told["trace"][-1]) == ("principal", 30000, "approval_given")
    assert [(name, payload.get("reason")) for name, payload in await said(reference, no)][1:] == [
        ("approval_refused", "too_expensive"),
        ("coverage_refused", "approval_refused"),
    ]
    answered = (await http.get("/approvals", params={"state": "refused"}, headers=mine)).json()["approvals"]
    assert [(one["id"], one["reason"]) for one in answered] == [(second, "too_expensive")]


async def test_an_approval_is_answered_once_however_many_answer_at_once(reference: Reference, http: httpx.AsyncClient) -> None:
    insurer = await Insurer.known(reference, TOW, limit="20000")
    need = await reference.need(await insurer.member(), "towing")
    await reference.hear(need)
    approval_id = (await said(reference, need))[0][1]["approval_id"]
    mine = await insurer.principal
    answers = await asyncio.gather(
        *(
            http.post(f"/approvals/{approval_id}/{word}", json={"reason": "not_justified"}, headers=as_("principal_approver", principal_ids=(mine,)))
            for word in ["grant", "refuse"] * 5
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 9
    assert len(await kinds(reference, need)) == 3


async def test_an_approval_that_nobody_answers_opens_a_task_then_expires(reference: Reference) -> None:
    insurer = await Insurer.known(reference, TOW, limit="20000")
    need, risky = [await reference.need(await insurer.member(), "towing") for _ in range(2)]
    at_risk = NeedAtRisk(**of(risky), limit_cents=1000, reason="urgent", decided_by={"kind": "agent"}, decided_at=SOON)
    await reference.hear(need, risky, at_risk, done(risky))
    await pass_time(reference, need, risky)
    assert await kinds(reference, need) == ["approval_requested", "common.task_opened"]
    assert (await said(reference, need))[-1][1]["kind"] == "approval_unanswered"
    await pass_time(reference, need, risky, over=True)
    expected = ["approval_requested", "common.task_opened", "approval_refused", "coverage_refused", "common.task_closed"]
    assert await kinds(reference, need) == await kinds(reference, risky) == expected
    assert [payload.get("reason") for _, payload in await said(reference, need)][2:4] == ["no_answer", "approval_expired"]
    assert await reference.value("select array_agg(distinct state) from approval where need_id = any($1::uuid[])", [need.need_id, risky.need_id]) == [
        "expired"
    ]


async def pass_time(reference: Reference, *needs: NeedAdded, over: bool = False) -> None:
    ids = [need.need_id for need in needs]
    async with reference.db.transaction() as tx:
        later = "" if over else " + interval '1 hour'"
        await tx.conn.execute(f"update cover set approval_due = now(){later} where need_id = any($1::uuid[])", ids)
        await tx.conn.execute("update kit.deadline set due_at = now() where key = any($1)", ids)
    deadlines = Deadlines(reference.db, {"reservation": coverage_usecases.expire})
    while await deadlines.step():
        pass


async def test_what_happens_to_a_need_while_its_principal_is_asked(reference: Reference, http: httpx.AsyncClient) -> None:
    insurer = await Insurer.known(reference, TOW, limit="20000")
    member_id = await insurer.member()
    need = await reference.need(member_id, "towing")
    by = {"kind": "agent"}
    await reference.hear(need, NeedAmended(**of(need), **wish(days=1), amended_by=by))
    assert await kinds(reference, need) == ["approval_requested"]
    await reference.hear(NeedCancelled(**of(need), reason="changed_mind", cancelled_by=by))
    assert await rights(reference, member_id) == "(0,0,0,0)"
    approval_id = (await said(reference, need))[0][1]["approval_id"]
    assert (await http.post(f"/approvals/{approval_id}/grant", headers=as_("supervisor"))).status_code == 409
    await reference.hear(NeedReinstated(**of(need), reason="visit_had_started"))
    assert await kinds(reference, need) == ["approval_requested", "approval_requested"]
    assert await rights(reference, member_id) == "(0,1,0,30000)"
    assert (await http.post(f"/approvals/{approval_id}/grant", headers=as_("supervisor"))).status_code == 200
    assert (await kinds(reference, need))[2:] == ["approval_granted", "coverage_granted"]
    assert (await said(reference, need))[2][1]["decided_by"] == "supervisor"


async def test_an_overrun_is_asked_of_the_principal_where_the_guarantee_says_so(reference: Reference, http: httpx.AsyncClient) -> None:
    insurer = await Insurer.known(reference, "tow,towing,,30000,50000,approval,,,,2020-01-01")
    member_id = await insurer.member()
    first, second = await reference.need(member_id, "towing"), await reference.need(member_id, "towing")
    await reference.hear(first, second)
    [(kind, asked)] = await said(reference, second)
    assert (kind, asked["amount_cents"]) == ("approval_requested", 30000)
    assert (await http.post(f"/approvals/{asked['approval_id']}/grant", headers=as_("supervisor"))).status_code == 200
    assert (await said(reference, second))[-1][1]["cap_gross_cents"] == 30000
    assert await rights(reference, member_id) == "(0,2,0,60000)"


# Gestures


async def test_a_gesture_grants_a_refused_need_with_who_and_why_and_takes_no_units(reference: Reference, http: httpx.AsyncClient) -> None:
    insurer, other = await Insurer.known(reference, "tow,towing,1,30000,,,,,,2020-01-01"), await Insurer.known(reference, TOW)
    member_id = await insurer.member()
    first, second, third = [await reference.need(member_id, "towing") for _ in range(3)]
    await reference.hear(first, second, third)
    body = {"reason": "hardship", "cap_gross_cents": 12000}
    address = f"/coverage/{second.need_id}/goodwill"
    assert (await http.post(address, json=body, headers=as_("agent"))).status_code == 403
    theirs = as_("principal_approver", principal_ids=(await other.principal,))
    assert (await http.post(address, json=body, headers=theirs)).status_code == 404
    assert (await http.post(address, json=body | {"reason": "whim"}, headers=as_("supervisor"))).status_code == 422
    given = await http.post(address, json=body, headers=as_("supervisor"))
    assert given.status_code == 200, given.text
    assert (await http.post(address, json=body, headers=as_("supervisor"))).status_code == 409
    told = (await said(reference, second))[-1][1]
    assert (told["guarantee"], told["cap_gross_cents"], told["units_reserved"], told["goodwill_reason"]) == ("goodwill", 12000, "0", "hardship")
    assert told["goodwill_by"]["kind"] == "supervisor" and told["trace"][-1] == "goodwill"
    mine = as_("principal_approver", principal_ids=(await insurer.principal,))
    assert (await http.post(f"/coverage/{third.need_id}/goodwill", json=body, headers=mine)).status_code == 200
    assert (await said(reference, third))[-1][1]["goodwill_by"]["kind"] == "principal"
    await reference.hear(done(second), billed(second, 9000), charged(second, 9000, 0))
    assert await rights(reference, member_id) == "(0,1,0,30000)"
    assert (await kinds(reference, second))[-1] == "coverage_consumed"


# Why


async def test_every_rule_tried_is_told_in_words_and_another_s_is_not_found(reference: Reference, http: httpx.AsyncClient) -> None:
    insurer, other = await Insurer.known(reference, TOW, "ride,taxi,,,,,,,,2020-01-01"), await Insurer.known(reference, TOW)
    member_id = await insurer.member()
    held = await number(reference, member_id)
    await reference.load("contracts", f"number,product,member,starts_on,ends_on\n{held}-0,{insurer.product},{held},2020-01-01,2020-12-31\n")
    need = await reference.need(member_id, "towing")
    await reference.hear(need)
    address = f"/coverage/{need.need_id}"
    found = (await http.get(address, headers=as_("agent"))).json()
    assert [(one["contract"], one["guarantee"], one["good"], one["chosen"], one["rules"][-1]["code"]) for one in found["tried"]] == [
        (f"{held}-0", None, False, False, "contract_ended"),
        (held, "tow", True, True, "units_left"),
    ]
    assert found["tried"][0]["rules"][-1] == {"code": "contract_ended", "fr": "contrat terminé", "en": "contract ended"}
    assert [rule["code"] for rule in found["rules"]] == [rule["code"] for rule in found["tried"][1]["rules"]]
    for caller in (
        as_("principal", principal_ids=(await insurer.principal,)),
        as_("member", member_id=member_id),
        as_("supervisor"),
    ):
        assert (await http.get(address, headers=caller)).json() == found
    for stranger in (as_("principal", principal_ids=(await other.principal,)), as_("member", member_id=await other.member())):
        assert (await http.get(address, headers=stranger)).status_code == 404
    assert (await http.get(f"/coverage/{new_id()}", headers=as_("agent"))).status_code == 404
    assert (await http.get(address, headers=as_("provider", provider_id=new_id()))).status_code == 403
    async with reference.db.transaction(Tenant(principal_ids=(await other.principal,))) as tx:
        assert await tx.conn.fetchval("select count(*) from approval") == 0
        assert await tx.conn.fetchval("update cover set units = 9 where need_id = $1 returning 1", need.need_id) is None
    async with reference.db.transaction(Tenant(member_id=member_id)) as tx:
        assert await tx.conn.fetchval("select count(*) from cover where need_id = $1", need.need_id) == 1
        assert await tx.conn.fetchval("update cover set units = 9 where need_id = $1 returning 1", need.need_id) is None
        assert await tx.conn.fetchval("update rights set used = 0 returning 1") is None


# Later changes


async def test_a_change_that_reaches_back_lists_the_needs_it_would_have_altered_and_changes_none(
    reference: Reference, http: httpx.AsyncClient
) -> None:
    insurer = await Insurer.known(reference, "tow,towing,1,30000,,,,,,2020-01-01", "ride,taxi,,,,,,,,2020-01-01")
    member_id, ended = await insurer.member(), await insurer.member()
    covered, exhausted, ride = [await reference.need(member_id, service) for service in ("towing", "towing", "taxi")]
    left = await reference.need(ended, "towing")
    await reference.hear(covered, exhausted, ride, left)
    before = [await kinds(reference, need) for need in (covered, exhausted, ride, left)]
    since = await reference.value("select clock_timestamp()")
    assert await altered(http, since, covered, exhausted, ride, left) == {}
    await insurer.guarantee("tow,towing,2,25000,,,,,,2021-01-01")
    held = await number(reference, ended)
    start = await reference.value("select starts_on::text from contract where member_id = $1", ended)
    await reference.load("contracts", f"number,product,member,starts_on,ends_on\n{held},{insurer.product},{held},{start},{start}\n")
    found = await altered(http, since, covered, exhausted, ride, left)
    assert found == {
        covered.need_id: ("granted", "granted", None, 25000),
        exhausted.need_id: ("refused", "granted", None, 25000),  # one unit was used when it was decided
        left.need_id: ("granted", "refused", "contract_ended", None),
    }
    later = await reference.value("select clock_timestamp()")
    assert await altered(http, later, covered, exhausted, ride, left) == {}
    await insurer.guarantee("tow,towing,9,25000,,,,,,2199-01-01")
    assert await altered(http, since, covered, exhausted, ride, left) == found  # what starts later reaches nobody
    assert [await kinds(reference, need) for need in (covered, exhausted, ride, left)] == before
    assert (await http.get("/retroactive", params={"since": since.isoformat()}, headers=as_("principal"))).status_code == 403


async def altered(http: httpx.AsyncClient, since: datetime, *needs: NeedAdded) -> dict[str, tuple[str, str, str | None, int | None]]:
    """By all pages, each of one need."""
    rows: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        page = {"since": since.isoformat(), "limit": 1} | ({"after": after} if after else {})
        answer = (await http.get("/retroactive", params=page, headers=as_("supervisor"))).json()
        rows += answer["needs"]
        after = answer["next"]
        if after is None:
            break
    ids = {need.need_id for need in needs}
    return {
        row["need_id"]: (
            row["was"],
            row["would_be"],
            row["would_be_reason"] and row["would_be_reason"]["code"],
            row["would_be_cap_gross_cents"],
        )
        for row in rows
        if row["need_id"] in ids
    }


async def test_terms_that_ask_for_an_agreement_from_a_past_day_are_among_the_changes(reference: Reference, http: httpx.AsyncClient) -> None:
    insurer = await Insurer.known(reference, TOW)
    need = await reference.need(await insurer.member(), "towing")
    await reference.hear(need)
    since = await reference.value("select clock_timestamp()")
    await insurer.terms("2021-01-01", "20000")
    assert await altered(http, since, need) == {need.need_id: ("granted", "asked", None, 30000)}


# Pages


async def test_pages_show_the_decision_to_staff_and_to_its_principal(reference: Reference, http: httpx.AsyncClient) -> None:
    insurer, other = await Insurer.known(reference, TOW, limit="20000"), await Insurer.known(reference, TOW)
    need = await reference.need(await insurer.member(), "towing")
    await reference.hear(need)
    panel = f"http://reference/pages/reference/cases/{need.case_id}/coverage"
    for role, may in (("agent", False), ("supervisor", True)):
        shown = (await http.get(panel, params={"part": "1"}, headers=as_(role))).text
        assert ("Donner l’accord" in shown) is may and "accord attendu" in shown and "accord nécessaire" in shown
    approver = as_("principal_approver", principal_ids=(await insurer.principal,))
    assert "300,00" in (await http.get("http://reference/board/approvals", headers=approver)).text.replace("\u202f", "")
    assert (await http.get(f"http://reference/board/coverage/{need.case_id}", headers=approver)).status_code == 200
    stranger = as_("principal_approver", principal_ids=(await other.principal,))
    assert (await http.get(f"http://reference/board/coverage/{need.case_id}", headers=stranger)).status_code == 404
