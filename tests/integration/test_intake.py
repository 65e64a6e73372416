"""Intake behind its door and its ear: what commands and heard events leave in the database and tell the others."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from stdnum.iso7064 import mod_11_10

from contracts.cards import MemberCard
from contracts.common import Actor, Window
from contracts.reference import MemberLinked, PriceTerms, PrincipalChanged
from contracts.tracking import PrestationCompleted, VisitStarted
from deploy.stack import Stack
from services.intake import listens, main, usecases
from services.intake.settings import Settings
from services.kit import deadlines
from services.kit.clock import new_id
from services.kit.db import Database
from services.kit.migrate import migrate
from services.kit.subscriptions import Table
from tests.integration.hearing import hear
from tests.tokens import Keys

TABLE = Table(listens.SUBSCRIPTIONS)
WHEN = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)


@pytest.fixture(scope="module")
async def door(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[httpx.AsyncClient, Keys, Database]]:
    await migrate(stack.environment("intake", migrating=True)["ENTRAIDE_DATABASE_URL_OWNER"], Path("services/intake/migrations"))
    keys = Keys(tmp_path_factory.mktemp("keys"))
    given = {name.removeprefix("ENTRAIDE_").lower(): value for name, value in stack.environment("intake").items()}
    app = main.create(Settings(**given, jwks_file=keys.jwks_file))
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://intake") as client:
        yield client, keys, app.state.db


class Desk:
    """An agent at the door; `send` gives each command a key of its own unless one is named."""

    def __init__(self, door: tuple[httpx.AsyncClient, Keys, Database], *roles: str, **claims: Any) -> None:
        self.client, keys, self.db = door
        self.headers = {"Authorization": f"Bearer {keys.token('intake', new_id(), *(roles or ('agent',)), **claims)}"}

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        headers = {"Idempotency-Key": new_id()} | {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.request(method, f"/api/intake/v1{path}", json=body, headers=self.headers | headers)

    async def open(self, **changed: Any) -> dict[str, Any]:
        answer = await self.send("POST", "/cases", wanted(**changed))
        assert answer.status_code == 201, answer.text
        opened: dict[str, Any] = answer.json()
        return opened


@pytest.fixture
def desk(door: tuple[httpx.AsyncClient, Keys, Database]) -> Desk:
    return Desk(door)


def wanted(services: tuple[str, ...] = ("gardening",), **changed: Any) -> dict[str, Any]:
    need = {"place": "35051", "start": WHEN.isoformat(), "end": (WHEN + timedelta(hours=3)).isoformat(), "words": "tailler la haie"}
    body = {
        "principal_id": new_id(),
        "member_id": new_id(),
        "beneficiary": {"name": "Odile Fauxbois", "phone": "06 39 98 12 34"},
        "address": "12 rue des Exemples, 35510 Cesson-Sévigné",
        "needs": [need | {"service": service} for service in services],
    }
    return body | changed


async def told(db: Database, case_id: str) -> list[tuple[str, dict[str, Any]]]:
    """What the outbox holds about a case, in order: event name and body."""
    async with db.connection() as conn:
        rows = await conn.fetch("select type, payload from kit.outbox where aggregateid = $1 order by id", case_id)
    return [(row["type"].split(".")[1], orjson.loads(row["payload"])) for row in rows]


async def test_a_case_opens_with_its_needs_its_card_and_a_number_that_checks_itself(desk: Desk) -> None:
    opened = await desk.open(services=("towing", "taxi"))
    assert mod_11_10.is_valid(opened["number"])
    assert [need["number"] for need in opened["needs"]] == [f"{opened['number']}-1", f"{opened['number']}-2"]
    assert [name for name, _ in await told(desk.db, opened["case_id"])] == ["case_opened", "need_added", "need_added"]
    async with desk.db.connection() as conn:
        card = await conn.fetchval("select payload from kit.outbox where aggregateid = $1", f"case:{opened['case_id']}")
    assert orjson.loads(card)["beneficiary"] == {"name": "Odile Fauxbois", "phone": "+33639981234"}


async def test_a_check_digit_is_the_one_of_the_standard(desk: Desk) -> None:
    serials = [str(serial) for serial in range(10_000_000, 10_000_300)]
    async with desk.db.connection() as conn:
        made = await conn.fetchval("select array_agg(check_digit(s) order by n) from unnest($1::text[]) with ordinality as t (s, n)", serials)
    assert made == [mod_11_10.calc_check_digit(serial) for serial in serials]


async def test_no_event_about_a_case_holds_what_was_said_of_the_person(desk: Desk) -> None:
    opened = await desk.open()
    for _, body in await told(desk.db, opened["case_id"]):
        assert not any(word in orjson.dumps(body) for word in (b"Fauxbois", b"39981234", b"Exemples", b"haie"))


async def test_what_made_a_need_necessary_and_what_it_may_cost_is_told_with_it(desk: Desk) -> None:
    [need] = wanted()["needs"]
    opened = await desk.open(needs=[need | {"occurred_on": "2026-01-15", "estimate_gross_cents": 12000}, need])
    [_, (_, said), (_, silent)] = await told(desk.db, opened["case_id"])
    assert (said["occurred_on"], said["estimate_gross_cents"]) == ("2026-01-15", 12000)
    assert (silent.get("occurred_on"), silent.get("estimate_gross_cents")) == (None, None)
    cancelled = await desk.send("POST", f"/cases/{opened['case_id']}/needs/{opened['needs'][0]['need_id']}/cancel", {"reason": "changed_mind"})
    assert cancelled.status_code == 200, cancelled.text
    ahead = await desk.send("POST", "/cases", wanted(needs=[need | {"occurred_on": str(WHEN.date() + timedelta(days=30))}]))
    assert (ahead.status_code, ahead.json()["code"]) == (422, "occurs_later")


async def test_a_stranger_to_the_geography_is_told_so(desk: Desk) -> None:
    answer = await desk.send("POST", "/cases", wanted() | {"needs": [wanted()["needs"][0] | {"place": "99999"}]})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_commune")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_change_with_an_old_version_is_refused_and_changes_nothing(desk: Desk) -> None:
    opened = await desk.open()
    path = f"/cases/{opened['case_id']}/needs/{opened['needs'][0]['need_id']}/cancel"
    refused = await desk.send("POST", path, {"reason": "changed_mind"}, If_Match='"7"')
    assert (refused.status_code, refused.json()["code"]) == (412, "stale_version")
    done = await desk.send("POST", path, {"reason": "changed_mind"}, If_Match='"1"')
    assert done.status_code == 200
    assert [name for name, _ in await told(desk.db, opened["case_id"])][2:] == ["need_cancelled"]


async def test_an_amendment_tells_the_whole_wish(desk: Desk) -> None:
    opened = await desk.open()
    later = {"place": "35238", "start": WHEN.isoformat(), "end": (WHEN + timedelta(hours=1)).isoformat(), "quantity": "3"}
    answer = await desk.send("PUT", f"/cases/{opened['case_id']}/needs/{opened['needs'][0]['need_id']}", later)
    assert answer.status_code == 200, answer.text
    name, body = (await told(desk.db, opened["case_id"]))[-1]
    assert (name, body["place"]["insee"], body["quantity"]) == ("need_amended", "35238", "3")


async def test_a_visit_that_had_started_takes_a_cancellation_back(desk: Desk) -> None:
    opened = await desk.open()
    case_id, need_id = opened["case_id"], opened["needs"][0]["need_id"]
    await desk.send("POST", f"/cases/{case_id}/needs/{need_id}/cancel", {"reason": "changed_mind"})
    started = VisitStarted(
        case_id=case_id, need_id=need_id, mission_id=new_id(), visit_id=new_id(), provider_id=new_id(),
        started_by=Actor(kind="provider"), started_at=WHEN,
    )  # fmt: skip
    for _ in range(2):
        async with desk.db.transaction() as tx:
            await hear(tx, TABLE, started)
    assert [name for name, _ in await told(desk.db, case_id)][2:] == ["need_cancelled", "need_reinstated"]
    refused = await desk.send("POST", f"/cases/{case_id}/needs/{need_id}/cancel", {"reason": "changed_mind"})
    assert (refused.status_code, refused.json()["code"]) == (409, "visit_started")


async def test_a_case_whose_needs_are_done_closes_by_its_deadline_and_only_then(desk: Desk) -> None:
    opened = await desk.open()
    case_id, need_id = opened["case_id"], opened["needs"][0]["need_id"]
    performed = PrestationCompleted(
        case_id=case_id, need_id=need_id, mission_id=new_id(), prestation_id=new_id(), provider_id=new_id(), service="gardening",
        performed=Window(start=WHEN, end=WHEN + timedelta(hours=2)), lines=[],
    )  # fmt: skip
    async with desk.db.transaction() as tx:
        await usecases.close_by_itself(tx, case_id)
        await hear(tx, TABLE, performed)
    async with desk.db.connection() as conn:
        assert await conn.fetchval("select count(*) from kit.deadline where kind = 'close_case' and key = $1", case_id) == 1
    for _ in range(2):
        async with desk.db.transaction() as tx:
            await usecases.close_by_itself(tx, case_id)
    assert [body.get("reason") for name, body in await told(desk.db, case_id) if name == "case_closed"] == ["all_done"]


async def test_a_case_opened_again_and_done_in_one_batch_closes_again(desk: Desk) -> None:
    opened = await desk.open()
    case_id, need_id = opened["case_id"], opened["needs"][0]["need_id"]
    await desk.send("POST", f"/cases/{case_id}/needs/{need_id}/cancel", {"reason": "changed_mind"})
    async with desk.db.transaction() as tx:
        await usecases.close_by_itself(tx, case_id)
        await deadlines.drop(tx.conn, "close_case", case_id)  # as when it has fired
    mission = {"case_id": case_id, "need_id": need_id, "mission_id": new_id(), "provider_id": new_id()}
    started = VisitStarted(**mission, visit_id=new_id(), started_by=Actor(kind="provider"), started_at=WHEN)
    performed = PrestationCompleted(
        **mission, prestation_id=new_id(), service="gardening", performed=Window(start=WHEN, end=WHEN + timedelta(hours=2)), lines=[]
    )
    async with desk.db.transaction() as tx:
        await hear(tx, TABLE, started, performed)
    assert [name for name, _ in await told(desk.db, case_id)][-3:] == ["case_closed", "case_reopened", "need_reinstated"]
    async with desk.db.connection() as conn:
        assert await conn.fetchval("select count(*) from kit.deadline where kind = 'close_case' and key = $1", case_id) == 1


async def test_what_is_learned_of_a_member_reaches_the_card_of_the_open_case_once(desk: Desk) -> None:
    member_id = new_id()
    opened = await desk.open(member_id=member_id)
    known = MemberCard(id=member_id, version=2, member_number="OR-1", first_name="Odile", last_name="Fauxbois", phones=["+33639981299"])
    for _ in range(2):
        async with desk.db.transaction() as tx:
            await listens.on_member_card(tx, member_id, 2, known)
    async with desk.db.connection() as conn:
        rows = await conn.fetch("select seq, payload from kit.outbox where aggregateid = $1 order by id", f"case:{opened['case_id']}")
    assert [row["seq"] for row in rows] == [1, 2]
    assert orjson.loads(rows[-1]["payload"])["beneficiary"]["phone"] == "+33639981299"


@pytest.mark.parametrize("order", ["card_first", "linked_first"])
async def test_a_case_that_turns_out_to_be_another_s_shows_that_person_whichever_comes_first(desk: Desk, order: str) -> None:
    passing, real = new_id(), new_id()
    opened = await desk.open(member_id=passing)
    case_id = opened["case_id"]
    known = MemberCard(id=real, version=3, member_number="OR-2", first_name="Odile", last_name="Vraibois", phones=["+33639981288"])
    linked = MemberLinked(case_id=case_id, opened_for=passing, member_id=real, reason="linked", linked_by=Actor(kind="agent"))

    async def card() -> None:
        async with desk.db.transaction() as tx:
            await listens.on_member_card(tx, real, 3, known)

    async def link(event: MemberLinked) -> None:
        async with desk.db.transaction() as tx:
            await hear(tx, TABLE, event)

    for step in (card(), link(linked)) if order == "card_first" else (link(linked), card()):
        await step
    seen = (await desk.send("GET", f"/cases/{case_id}")).json()
    assert (seen["member_id"], seen["card"]["beneficiary"]) == (real, {"name": "Odile Vraibois", "phone": "+33639981288"})
    listed = (await desk.send("GET", f"/cases?member_id={real}")).json()["cases"]
    assert [one["id"] for one in listed] == [case_id]
    async with desk.db.connection() as conn:
        rows = await conn.fetch("select seq, payload from kit.outbox where aggregateid = $1 order by id", f"case:{case_id}")
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    assert orjson.loads(rows[-1]["payload"])["member_id"] == real
    assert [name for name, _ in await told(desk.db, case_id)] == ["case_opened", "need_added"], "reference has said it: intake adds nothing"
    await link(linked.model_copy(update={"member_id": passing, "reason": "undone"}))
    assert (await desk.send("GET", f"/cases/{case_id}")).json()["member_id"] == passing


async def test_a_member_without_a_phone_takes_none_from_the_case(desk: Desk) -> None:
    member_id = new_id()
    opened = await desk.open(member_id=member_id)
    given = (await desk.send("GET", f"/cases/{opened['case_id']}")).json()["card"]["beneficiary"]["phone"]
    assert given
    async with desk.db.transaction() as tx:
        await listens.on_member_card(tx, member_id, 2, MemberCard(id=member_id, version=2, member_number="OR-1", first_name="O", last_name="F"))
    person = (await desk.send("GET", f"/cases/{opened['case_id']}")).json()["card"]["beneficiary"]
    assert person == {"name": "O F", "phone": given}


async def test_ninety_days_after_closing_nothing_is_left_of_the_person(desk: Desk) -> None:
    opened = await desk.open()
    case_id = opened["case_id"]
    await desk.send("POST", f"/cases/{case_id}/notes", {"text": "préfère le matin"})
    await desk.send("POST", f"/cases/{case_id}/needs/{opened['needs'][0]['need_id']}/cancel", {"reason": "changed_mind"})
    async with desk.db.transaction() as tx:
        await usecases.forget(tx, case_id)
    seen = await desk.send("GET", f"/cases/{case_id}")
    assert seen.json()["card"] != {}, "an open case is not forgotten"
    await desk.send("POST", f"/cases/{case_id}/close", {"reason": "by_hand"})
    async with desk.db.transaction() as tx:
        await usecases.forget(tx, case_id)
    seen = await desk.send("GET", f"/cases/{case_id}")
    assert (seen.json()["card"], [note["text"] for note in seen.json()["notes"]]) == ({}, [""])
    async with desk.db.connection() as conn:
        tombstones = await conn.fetch("select aggregateid from kit.outbox where payload is null and aggregateid like 'case:%'")
    assert f"case:{case_id}" in {row["aggregateid"] for row in tombstones}


async def test_going_on_at_risk_needs_terms_that_allow_it(desk: Desk) -> None:
    principal = new_id()
    opened = await desk.open(principal_id=principal)
    path = f"/cases/{opened['case_id']}/needs/{opened['needs'][0]['need_id']}/at-risk"
    refused = await desk.send("POST", path, {"reason": "urgent", "limit_cents": 10_000})
    assert (refused.status_code, refused.json()["code"]) == (409, "not_allowed_at_risk")
    terms = PriceTerms(fee_net_cents=0, markup_rate="0", vat_rate="0.2")  # type: ignore[arg-type]  # as it travels
    async with desk.db.transaction() as tx:
        await listens.on_principal_changed(
            tx, PrincipalChanged(principal_id=principal, code="orvane", label="Banque Orvane", siren="732829320", terms=terms,
                                 at_risk_limit_cents=10_000, valid_from="2026-01-01"),
        )  # fmt: skip
    assert (await desk.send("POST", path, {"reason": "urgent", "limit_cents": 10_000})).status_code == 200


async def test_a_member_opens_and_sees_only_their_own(door: tuple[httpx.AsyncClient, Keys, Database], desk: Desk) -> None:
    mine, theirs = new_id(), await desk.open()
    member = Desk(door, "member", member_id=mine)
    assert (await member.send("POST", "/cases", wanted())).status_code == 403
    opened = await member.open(member_id=mine)
    assert (await member.send("GET", f"/cases/{opened['case_id']}")).status_code == 200
    assert (await member.send("GET", f"/cases/{theirs['case_id']}")).status_code == 404
    assert [case["id"] for case in (await member.send("GET", "/cases")).json()["cases"]] == [opened["case_id"]]
    cancel = f"/cases/{theirs['case_id']}/needs/{theirs['needs'][0]['need_id']}/cancel"
    assert (await member.send("POST", cancel, {"reason": "changed_mind"})).status_code == 404


async def test_lists_go_on_where_the_page_before_ended(desk: Desk) -> None:
    member_id = new_id()
    numbers = [(await desk.open(member_id=member_id))["number"] for _ in range(5)]
    seen: list[str] = []
    after = ""
    while True:
        page = (await desk.send("GET", f"/cases?member_id={member_id}&limit=2{after}")).json()
        seen += [case["number"] for case in page["cases"]]
        if not page["next"]:
            break
        after = f"&after={page['next']}"
    assert seen == numbers[::-1]


async def test_a_forged_cursor_is_refused(desk: Desk) -> None:
    answer = await desk.send("GET", "/cases?after=WyJ4IiwgInkiXQ")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor")


async def test_a_case_is_found_by_number_with_spaces_and_phone_as_typed(desk: Desk) -> None:
    opened = await desk.open(beneficiary={"name": "Paul", "phone": "0639987701"})
    spaced = f"{opened['number'][:3]} {opened['number'][3:6]} {opened['number'][6:]}"
    for query in (f"number={spaced}", "phone=06.39.98.77.01"):
        found = (await desk.send("GET", f"/cases?{query}")).json()["cases"]
        assert [case["number"] for case in found] == [opened["number"]]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/drafts/{}", {"form": {"quantity": 10**30}}),
        ("PUT", "/drafts/{}", {"form": {"words": "a zero \0 byte"}}),
        ("POST", "/cases/{}/needs/{}/at-risk", {"reason": "urgent", "limit_cents": 2**63}),
    ],
)
async def test_what_the_database_cannot_keep_is_the_callers_error(desk: Desk, method: str, path: str, body: dict[str, Any]) -> None:
    answer = await desk.send(method, path.format(new_id(), new_id()), body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("version", [str(10**12), "0", "²"])
async def test_a_form_with_a_version_that_no_case_can_have_is_refused(desk: Desk, version: str) -> None:
    opened = await desk.open()
    answer = await desk.client.post(
        f"/pages/intake/cases/{opened['case_id']}/close", data={"version": version, "idempotency_key": new_id()}, headers=desk.headers
    )
    assert answer.status_code == 422


async def test_the_panel_of_a_case_whose_id_is_none_is_refused(desk: Desk) -> None:
    assert (await desk.client.get("/pages/intake/cases/nothing/actions", headers=desk.headers)).status_code == 422


async def test_a_draft_is_its_authors_alone(door: tuple[httpx.AsyncClient, Keys, Database], desk: Desk) -> None:
    draft = new_id()
    assert (await desk.send("PUT", f"/drafts/{draft}", {"form": {"words": "la haie"}})).json() == {"version": 1}
    assert (await desk.send("PUT", f"/drafts/{draft}", {"form": {"words": "la haie et"}})).json() == {"version": 2}
    other = Desk(door)
    assert (await other.send("PUT", f"/drafts/{draft}", {"form": {}})).status_code == 404
    assert (await other.send("GET", "/drafts")).json() == {"drafts": []}
    assert [one["form"] for one in (await desk.send("GET", "/drafts")).json()["drafts"]] == [{"words": "la haie et"}]
    assert (await desk.send("DELETE", f"/drafts/{draft}")).status_code == 204
    assert (await desk.send("GET", "/drafts")).json() == {"drafts": []}
