"""What members come to see: rights, reimbursement statements of the feed, and both on paper."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from services.kit import app as kit
from services.kit.clock import new_id
from services.kit.db import Tenant
from services.kit.errors import Invalid
from services.kit.settings import ServiceSettings
from services.reference.api import portal
from services.reference.domain import statements as domain
from services.reference.pages import me
from services.reference.store import runs
from services.reference.store import statements as store
from services.reference.usecases import feed, repairs
from services.reference.usecases.mapping import FileMapping, Mapping
from tests.integration.reference_harness import Everyone, Reference, as_, reference, wish

__all__ = ["reference"]

HEAD = "principal,reference,member,contract,issued_on,label,paid_gross_cents,pending_gross_cents,due_on,paid_on"
TODAY = date.today()


@pytest.fixture
async def http(reference: Reference) -> AsyncIterator[httpx.AsyncClient]:
    app: FastAPI = kit.create("reference", ServiceSettings.model_construct(), [portal.router, me.router])
    app.state.db, app.state.verifier = reference.db, Everyone()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://reference") as client:
        yield client


@pytest.fixture
async def member(reference: Reference) -> tuple[str, str]:
    """Id and number, which is the contract's too."""
    member_id = await reference.fresh_member()
    return member_id, str(await reference.value("select number from member where id = $1", member_id))


def row(number: str, reference: str, *, days: int = 10, label: str = "Avance d’un taxi", paid: int = 0, pending: int = 0, more: str = ",") -> str:
    return f"banque_orvane,{reference},{number},{number},{TODAY - timedelta(days=days)},{label},{paid},{pending},{more}"


async def load(reference: Reference, *rows: str, mapping: Mapping | None = None) -> feed.Report:
    content = "\n".join([HEAD, *rows])
    return await (reference.load("statements", content, mapping) if mapping else reference.load("statements", content))


async def listed(http: httpx.AsyncClient, member_id: str, **query: Any) -> dict[str, Any]:
    answer = await http.get("/api/reference/v1/me/statements", params=query, headers=as_("member", member_id=member_id))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


# The feed


async def test_a_feed_brings_statements_and_the_same_file_again_changes_nothing(
    reference: Reference, http: httpx.AsyncClient, member: tuple[str, str]
) -> None:
    member_id, number = member
    rows = [row(number, "RB-1", paid=4280, more=f",{TODAY}"), row(number, "RB-2", days=3, pending=1150, more=f"{TODAY + timedelta(days=9)},")]
    first, again = await load(reference, *rows), await load(reference, *rows)
    assert (first.changed, first.bad) == (2, 0), first.problems
    assert (again.changed, again.unchanged) == (0, 2)
    found = await listed(http, member_id)
    assert [(one["reference"], one["contract"], one["paid_gross_cents"], one["pending_gross_cents"]) for one in found["statements"]] == [
        ("RB-2", number, 0, 1150),
        ("RB-1", number, 4280, 0),
    ]
    assert (found["pending_gross_cents"], found["pending_due_on"]) == (1150, str(TODAY + timedelta(days=9)))
    paid = await load(reference, rows[0], row(number, "RB-2", days=3, paid=1150, more=f",{TODAY}"))
    assert (paid.changed, paid.unchanged) == (1, 1)
    assert (await listed(http, member_id))["pending_gross_cents"] == 0


async def test_bad_rows_are_refused_with_their_reason_and_one_is_mended(
    reference: Reference, http: httpx.AsyncClient, member: tuple[str, str]
) -> None:
    member_id, number = member
    later = TODAY + timedelta(days=400)
    report = await load(
        reference,
        row(number, "BAD-1"),
        row(number, "BAD-2", days=-400, paid=100),
        row(number, "BAD-3", paid=100, more=f",{later}"),
        row(number, "BAD-4", paid=-1),
        row(number, "BAD-5", pending=100, more=f",{TODAY}"),
        row("NOBODY-1", "BAD-6", paid=100),
        row(number, "BAD-7", paid=100).replace(f"{number},{number}", f"{number},C-1"),
        row(number, "GOOD-1", paid=100),
        row(number, "GOOD-1", paid=200),
    )
    assert [(one.reason, one.field) for one in sorted(report.problems, key=lambda one: one.line)] == [
        ("value_error", "paid_gross_cents"),
        ("issued_in_the_future", ""),
        ("paid_in_the_future", ""),
        ("greater_than_equal", "paid_gross_cents"),
        ("value_error", "paid_on"),
        ("unknown_member", "member"),
        ("unknown_contract", "contract"),
        ("duplicate_key", ""),
    ]
    assert [one["reference"] for one in (await listed(http, member_id))["statements"]] == ["GOOD-1"]
    async with reference.db.transaction() as tx:
        refused = next(one for one in await runs.refused(tx.conn, run_id=report.run_id) if one["key"] == "banque_orvane/BAD-7")
        await repairs.mend(tx, refused["id"], {"contract": number}, "test")
    with pytest.raises(Invalid, match="no contract has this number"):
        async with reference.db.transaction() as tx:
            other = next(one for one in await runs.refused(tx.conn, run_id=report.run_id) if one["key"] == "banque_orvane/BAD-1")
            await repairs.mend(tx, other["id"], {"contract": "C-1", "paid_gross_cents": "5"}, "test")
    assert {one["reference"] for one in (await listed(http, member_id))["statements"]} == {"GOOD-1", "BAD-7"}


async def test_a_full_file_withdraws_what_it_does_not_name_and_asks_when_that_is_too_much(reference: Reference, http: httpx.AsyncClient) -> None:
    member_id = await reference.fresh_member("home_lys", "assur_lys")
    number = str(await reference.value("select number from member where id = $1", member_id))
    rows = [row(number, f"F-{serial}", paid=100).replace("banque_orvane", "assur_lys") for serial in range(10)]
    mapping = Mapping(principal="assur_lys", statements=FileMapping(mode="full", ends_at_most=10))
    assert (await load(reference, *rows, mapping=mapping)).changed == 10
    one_less = await load(reference, *rows[1:], mapping=mapping)
    assert (one_less.ended, one_less.changed, one_less.asks) == (1, 0, False)
    assert len((await listed(http, member_id))["statements"]) == 9
    half = await load(reference, *rows[5:], mapping=mapping)
    assert (half.asks, half.vanished, half.known) == (True, 4, 9)
    assert len((await listed(http, member_id))["statements"]) == 9
    assert (await load(reference, *rows, mapping=mapping)).changed == 1  # it is named again
    assert len((await listed(http, member_id))["statements"]) == 10


# The search


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("serrure", ["S-2"]),
        ("SERRÛR remb", ["S-2"]),
        ("116,50", ["S-2"]),
        ("116.50 €", ["S-2"]),
        ("1 250,00", ["S-3"]),
        ("1250", ["S-3"]),
        ("15/01/2026", ["S-1"]),
        ("01/2026", ["S-1"]),
        ("2026-01", ["S-1"]),
        ("S-3", ["S-3"]),
        ("%", ["S-3", "S-2", "S-1"]),
        ("taxi 15/01/2026", ["S-1"]),
        ("taxi serrure", []),
        ("axi", []),
        ("", ["S-3", "S-2", "S-1"]),
    ],
)
async def test_statements_are_found_by_words_dates_and_amounts(reference: Reference, http: httpx.AsyncClient, typed: str, found: list[str]) -> None:
    member_id = await reference.member("ORV-2")
    await load(
        reference,
        "banque_orvane,S-1,ORV-2,,2026-01-15,Avance d’un taxi,4280,0,,",
        "banque_orvane,S-2,ORV-2,C-2,2026-02-16,Serrure remboursée,11650,0,,2026-03-01",
        "banque_orvane,S-3,ORV-2,,2026-03-17,Recours,0,125000,2026-06-30,",
    )
    assert [one["reference"] for one in (await listed(http, member_id, q=typed))["statements"]] == found


def test_a_search_is_read_as_it_is_typed() -> None:
    assert domain.words("Serrure, 1\u202f250,50 € le 03/2026") == ["serrure", "1250.50", "le", "03/2026"]
    assert domain.words("  ") == domain.words("!?") == []


async def test_a_list_goes_on_by_cursor_whatever_is_added_meanwhile(reference: Reference, http: httpx.AsyncClient, member: tuple[str, str]) -> None:
    member_id, number = member
    await load(reference, *(row(number, f"P-{serial}", days=20 - serial // 2, paid=100) for serial in range(7)))
    first = await listed(http, member_id, limit=3)
    await load(reference, row(number, "P-NEW", days=0, paid=100))
    second = await listed(http, member_id, limit=3, after=first["next"])
    third = await listed(http, member_id, limit=3, after=second["next"])
    seen = [one["reference"] for page in (first, second, third) for one in page["statements"]]
    assert len(seen) == len(set(seen)) == 7 and third["next"] is None
    days = [one["issued_on"] for page in (first, second, third) for one in page["statements"]]
    assert days == sorted(days, reverse=True)
    bad = await http.get("/api/reference/v1/me/statements", params={"after": "nonsense"}, headers=as_("member", member_id=member_id))
    assert (bad.status_code, bad.json()["code"]) == (400, "bad_cursor")


# Who sees what


async def test_a_member_sees_their_own_staff_anybody_s_and_nobody_else_any(
    reference: Reference, http: httpx.AsyncClient, member: tuple[str, str]
) -> None:
    member_id, number = member
    await load(reference, row(number, "O-1", paid=100))
    [statement] = (await listed(http, member_id))["statements"]
    other = await reference.member("LYS-1")
    orvane = str(await reference.value("select id from principal where code = 'banque_orvane'"))
    paths = ["/rights", "/rights.pdf", "/statements", "/statements.pdf", f"/statements/{statement['id']}.pdf"]
    for path in (f"/api/reference/v1/me{path}" for path in paths):
        assert (await http.get(path, headers=as_("member", member_id=member_id))).status_code == 200
        assert (await http.get(path, params={"member_id": member_id}, headers=as_("agent"))).status_code == 200
        assert (await http.get(path, headers=as_("agent"))).status_code == 404
        assert (await http.get(path, params={"member_id": new_id()}, headers=as_("agent"))).status_code == 404
        assert (await http.get(path, params={"member_id": member_id}, headers=as_("member", member_id=other))).status_code == 404
        assert (await http.get(path, params={"member_id": member_id}, headers=as_("principal", principal_ids=(orvane,)))).status_code == 403
    theirs = f"/api/reference/v1/me/statements/{statement['id']}.pdf"
    assert (await http.get(theirs, headers=as_("member", member_id=other))).status_code == 404


async def test_row_level_security_alone_hides_another_s_statements(reference: Reference, member: tuple[str, str]) -> None:
    member_id, number = member
    await load(reference, row(number, "R-1", paid=100))
    async with reference.db.transaction(Tenant(member_id=member_id)) as tx:
        assert await tx.conn.fetchval("select array_agg(reference) from statement") == ["R-1"]
        assert await tx.conn.fetchval("select array_agg(code) from principal") == ["banque_orvane"]
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await tx.conn.execute("update statement set label = 'x'")
    orvane = str(await reference.value("select id from principal where code = 'banque_orvane'"))
    for tenant in (Tenant(member_id=await reference.member("LYS-1")), Tenant(principal_ids=(orvane,)), Tenant()):
        async with reference.db.transaction(tenant) as tx:
            assert await tx.conn.fetchval("select count(*) from statement where reference = 'R-1'") == 0


async def test_outsiders_plans_use_the_index_on_their_own_id(reference: Reference, member: tuple[str, str]) -> None:
    async with reference.db.transaction(Tenant(member_id=member[0])) as tx:
        await tx.conn.execute("set local enable_seqscan = off; set local enable_sort = off; set local plan_cache_mode = force_generic_plan")
        await tx.conn.execute(f"prepare listed (uuid[], date, text[], date, uuid, bigint) as {store.LISTED}")
        plan = _plan(await tx.conn.fetch(f"explain execute listed (array['{member[0]}']::uuid[], '2026-01-01', '{{}}', null, null, 20)"))
        assert "statement_by_member" in plan and "Index Cond: ((member_id = ANY" in plan, plan
        assert "statement_by_member" in _plan(await tx.conn.fetch("explain select * from statement"))  # by the policy alone


async def test_staff_plans_use_the_same_index(reference: Reference, member: tuple[str, str]) -> None:
    async with reference.db.transaction() as tx:
        await tx.conn.execute("set local enable_seqscan = off; set local enable_sort = off; set local plan_cache_mode = force_generic_plan")
        await tx.conn.execute(f"prepare listed_by_staff (uuid[], date, text[], date, uuid, bigint) as {store.LISTED}")
        plan = _plan(await tx.conn.fetch(f"explain execute listed_by_staff (array['{member[0]}']::uuid[], '2026-01-01', '{{}}', null, null, 20)"))
    assert "statement_by_member" in plan, plan


# Rights


async def test_rights_tell_contracts_what_is_used_and_left_when_they_renew_and_the_cap(
    reference: Reference, http: httpx.AsyncClient, member: tuple[str, str]
) -> None:
    member_id, number = member
    await reference.load("contracts", f"number,product,member,starts_on,ends_on,state\nOLD-{number},home_plus,{number},2020-01-01,2021-01-01,\n")
    await reference.load("contracts", f"number,product,member,starts_on,ends_on,state\nSUS-{number},home_plus,{number},2020-01-01,,suspended\n")
    await reference.hear(await reference.need(member_id, "childcare", **wish(quantity=4)))
    found = (await http.get("/api/reference/v1/me/rights", headers=as_("member", member_id=member_id))).json()
    assert [(one["number"], one["standing"], one["principal"]) for one in found["contracts"]] == [
        (number, "in_force", "Banque Orvane"),
        (f"SUS-{number}", "suspended", "Banque Orvane"),
        (f"OLD-{number}", "ended", "Banque Orvane"),
    ]
    mine = found["contracts"][0]
    started = date.fromisoformat(mine["starts_on"])
    assert (date.fromisoformat(mine["renews_on"]) - started).days in (730, 731)
    care, home = sorted(mine["guarantees"], key=lambda one: one["guarantee"])
    assert (care["units_per_year"], care["used"], care["reserved"], care["left"]) == ("10", "0", "4", "6")
    assert (home["cap_gross_cents"], home["left"], home["opens_on"]) == (30000, "1", None)
    assert [one["guarantees"] for one in found["contracts"][1:]] == [[], []]


async def test_papers_are_pdf_the_same_data_the_same_bytes_and_markup_stays_text(
    reference: Reference, http: httpx.AsyncClient, member: tuple[str, str]
) -> None:
    member_id, number = member
    evil = '#panic("no") *x* $ \\ #read("/etc/passwd") ] <a>'
    await load(reference, row(number, "PDF-1", label=f'"{evil.replace(chr(34), chr(34) * 2)}"', paid=4280))
    [statement] = (await listed(http, member_id))["statements"]
    assert statement["label"] == evil
    mine = as_("member", member_id=member_id)
    for path in ("/rights.pdf", "/statements.pdf", f"/statements/{statement['id']}.pdf"):
        first, again = [await http.get(f"/api/reference/v1/me{path}", headers=mine) for _ in range(2)]
        assert first.status_code == 200 and first.headers["content-type"] == "application/pdf"
        assert first.content.startswith(b"%PDF-") and first.content == again.content
        english = await http.get(f"/api/reference/v1/me{path}", params={"lang": "en"}, headers=mine)
        assert english.status_code == 200 and english.content != first.content


async def test_the_page_says_what_is_the_member_s_to_pay_and_what_waits(reference: Reference, http: httpx.AsyncClient) -> None:
    soon = TODAY - timedelta(days=3)
    await reference.load("products", "code,label,principal\nshared,Partage,assur_lys\n")
    await reference.load(
        "guarantees",
        "product,code,services,counts,units_per_year,member_rate,waiting_days\nshared,ride,taxi,interventions,,0.125,0\nshared,tow,towing,units,40,0,30\n",
    )
    member_id = await reference.fresh_member("shared", "assur_lys")
    number = await reference.value("select number from member where id = $1", member_id)
    await reference.load("contracts", f"number,product,member,starts_on\n{number},shared,{number},{soon}\n")
    page = (await http.get("/me", headers=as_("member", member_id=member_id))).text
    assert "12,5\u00a0%" in page and "sans limite" in page
    assert f"à partir du {soon + timedelta(days=30):%d/%m/%Y}" in page and "Indisponible" in page
    assert "you pay: 12.5%" in (await http.get("/me", params={"lang": "en"}, headers=as_("member", member_id=member_id))).text


async def test_the_pages_show_a_member_their_own_and_are_for_members_only(
    reference: Reference, http: httpx.AsyncClient, member: tuple[str, str]
) -> None:
    member_id, number = member
    await load(reference, row(number, "PAGE-1", label="<b>gras</b>", pending=4280, more=f"{TODAY + timedelta(days=3)},"))
    mine = as_("member", member_id=member_id)
    rights, statements = await http.get("/me", headers=mine), await http.get("/me/statements", headers=mine)
    assert rights.status_code == statements.status_code == 200
    assert "Maison Plus" in rights.text and number in rights.text
    assert "&lt;b&gt;gras&lt;/b&gt;" in statements.text and "<b>gras" not in statements.text and "42,80" in statements.text
    for path in ("/me", "/me/statements"):
        assert (await http.get(path, headers=as_("agent"))).status_code == 403


def _plan(rows: list[Any]) -> str:
    return "\n".join(row[0] for row in rows)
