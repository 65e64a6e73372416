"""One case at every door, in its own words; tasks; the live stream. Over HTTP, on a real database."""

import asyncio
import time
from typing import Any

import pytest

from contracts.cards import CaseCard, Contact
from contracts.common import TaskClosed, TaskOpened
from contracts.intake import CaseClosed, CaseOpened, NeedAdded, NeedCancelled
from contracts.reference import MemberLinked, PrincipalChanged
from services.kit.clock import new_id
from tests.conftest import eventually
from tests.contracts.case_events import made
from tests.integration.tracking_doors import Doors, doors
from tests.integration.tracking_harness import Case, soon

__all__ = ["doors"]
ANNA, BORIS = new_id(), new_id()


@pytest.fixture
async def case(doors: Doors) -> Case:
    case = Case(doors.tracking)
    await case.opened()
    await case.accepted(ANNA)
    return case


def position(case: Case, behind: int = 0) -> str:
    """Of intake's last word on a case, or of one that it says later."""
    return f"intake:{case.id}:{case.tracking.seq('intake', case.id) + behind}"


async def test_every_door_tells_the_same_state_in_its_own_words(doors: Doors, case: Case) -> None:
    desk = (await doors.get(doors.token("agent"), f"/cases/{case.id}")).json()
    principal = (await doors.get(doors.token("principal", principal_ids=[case.principal]), f"/cases/{case.id}")).json()
    member = (await doors.get(doors.token("member", member_id=case.member), f"/cases/{case.number}")).json()
    provider = (await doors.get(doors.token("provider", provider_id=ANNA), f"/cases/{case.id}")).json()
    assert [door["view"] for door in (desk, principal, member, provider)] == ["desk", "principal", "member", "provider"]
    assert [door["needs"][0]["state"] for door in (desk, principal, member)] == ["scheduled"] * 3
    assert [mission["state"] for mission in provider["missions"]] == ["scheduled"]
    assert desk["sentence"] == principal["sentence"] == member["sentence"]
    assert (desk["waiting_for"], desk["anomalies"], desk["needs"][0]["provider_id"]) == ("provider", [], ANNA)


async def test_nobody_reads_of_a_provider_or_a_price_that_is_not_theirs_to_know(doors: Doors, case: Case) -> None:
    principal = (await doors.get(doors.token("principal", principal_ids=[case.principal]), f"/cases/{case.id}")).text
    provider = (await doors.get(doors.token("provider", provider_id=ANNA), f"/cases/{case.id}")).text
    assert ANNA not in principal and case.member not in principal
    assert case.principal not in provider and case.member not in provider and "sentence" not in provider


@pytest.mark.parametrize(
    ("role", "claims"),
    [("principal", {"principal_ids": [new_id()]}), ("member", {"member_id": new_id()}), ("provider", {"provider_id": BORIS})],
)
async def test_the_case_of_another_is_not_found(doors: Doors, case: Case, role: str, claims: dict[str, Any]) -> None:
    stranger = doors.token(role, **claims)
    assert (await doors.get(stranger, f"/cases/{case.id}")).status_code == 404
    assert (await doors.get(stranger, f"/cases/{case.number}")).status_code == 404
    assert (await doors.get(stranger, f"/cases/{case.id}", after=position(case))).status_code == 404
    assert (await doors.post(stranger, f"/missions/{case.mission}/start")).status_code in (403, 404)
    assert (await doors.get(stranger, f"/missions/{case.mission}")).status_code == 404


@pytest.mark.parametrize("when", ["open", "closed"])
async def test_a_case_that_turns_out_to_be_another_member_s_is_at_that_one_s_door_and_no_longer_at_the_first(
    doors: Doors, case: Case, when: str
) -> None:
    real = new_id()
    if when == "closed":
        await case.tell(NeedCancelled)
        await case.tell(CaseClosed)
    await case.tell(MemberLinked, opened_for=case.member, member_id=real, reason="linked")
    assert (await doors.get(doors.token("member", member_id=real), f"/cases/{case.id}")).status_code == 200
    assert (await doors.get(doors.token("member", member_id=case.member), f"/cases/{case.id}")).status_code == 404
    assert (await doors.get(doors.token("agent"), f"/cases/{case.id}")).json()["member_id"] == real
    assert (await case.tracking.fetch("select distinct member_id from visit where case_id = $1", case.id)) == [{"member_id": real}]
    await case.tell(MemberLinked, opened_for=case.member, member_id=case.member, reason="undone")
    assert (await doors.get(doors.token("member", member_id=case.member), f"/cases/{case.id}")).status_code == 200
    assert (await case.tracking.states(case))[0] == ("closed" if when == "closed" else "scheduled")


async def test_row_level_security_hides_what_a_query_forgot_to_filter(doors: Doors, case: Case) -> None:
    environment = {"principal_ids": "{" + new_id() + "}", "provider_id": BORIS, "member_id": new_id()}
    async with doors.tracking.db.connection(outside=True) as conn, conn.transaction():
        for name, value in environment.items():
            await conn.execute("select set_config($1, $2, true)", f"app.{name}", value)
        assert await conn.fetchval("select count(*) from view.case_view") == 0
        assert await conn.fetchval("select count(*) from view.need_view") == 0
        assert await conn.fetchval("select count(*) from visit") == 0


async def test_a_view_waits_for_what_this_person_just_did(doors: Doors) -> None:
    case, agent = Case(doors.tracking), doors.token("agent")
    opening = [doors.tracking.raw(event) for event in (case.event(CaseOpened), case.event(NeedAdded))]
    asked = asyncio.create_task(doors.get(agent, f"/cases/{case.id}", after=f"intake:{case.id}:2"))
    await doors.tracking.hear(opening)
    answer = (await asked).json()
    assert (answer["state"], answer["recording"], len(answer["needs"])) == ("open", False, 1)


async def test_what_was_just_made_is_never_said_not_to_exist(doors: Doors) -> None:
    case_id = new_id()
    answer = await doors.get(doors.token("agent"), f"/cases/{case_id}", after=f"intake:{case_id}:1")
    assert (answer.status_code, answer.json()["recording"]) == (200, True)
    assert (await doors.get(doors.token("agent"), f"/cases/{case_id}")).status_code == 404


async def test_a_late_view_is_shown_as_it_is_and_says_so(doors: Doors, case: Case) -> None:
    answer = (await doors.get(doors.token("agent"), f"/cases/{case.id}", after=position(case, behind=1))).json()
    assert (answer["state"], answer["recording"]) == ("scheduled", True)


async def test_a_provider_starts_and_completes_its_mission(doors: Doors, case: Case) -> None:
    anna = doors.token("provider", provider_id=ANNA)
    started = await doors.post(anna, f"/missions/{case.mission}/start")
    assert (started.status_code, started.json()["state"]) == (200, "in_progress")
    assert started.headers["Entraide-Position"].startswith(f"tracking:{case.id}:")
    line = {"article": "labour", "unit": "hour", "quantity": "2.5"}
    done = await doors.post(anna, f"/missions/{case.mission}/complete", {"lines": [line]})
    again = await doors.post(anna, f"/missions/{case.mission}/complete", {"lines": [line]})
    assert done.json() == again.json() and done.json()["state"] == "done"
    await doors.tracking.loop_back()
    shown = (await doors.get(doors.token("agent"), f"/cases/{case.id}", after=done.headers["Entraide-Position"])).json()
    assert (shown["state"], shown["needs"][0]["lines"]) == ("performed", [line])
    rated = await doors.post(doors.token("member", member_id=case.member), f"/needs/{case.need}/satisfaction", {"rating": 5})
    assert rated.json() == {"rating": 5}
    await doors.tracking.loop_back()


async def test_a_start_after_the_cancellation_answers_409_by_name(doors: Doors, case: Case) -> None:
    await case.tell(NeedCancelled)
    refused = await doors.post(doors.token("provider", provider_id=ANNA), f"/missions/{case.mission}/start")
    assert (refused.status_code, refused.json()["code"]) == (409, "need_cancelled")


async def test_a_case_is_found_by_number_phone_plate_and_name(doors: Doors, case: Case) -> None:
    agent, name = doors.token("agent"), f"Zoë Fictaud{case.number}"
    phone = f"+336{case.number[:8]}"
    beneficiary = Contact(name=name, phone=phone)
    card = CaseCard(id=case.id, version=2, member_id=case.member, beneficiary=beneficiary, address="12 rue des Exemples", plate=f"AB-{case.number}")
    await doors.tracking.show(card)
    for typed in (
        f"{case.number[:3]} {case.number[3:6]} {case.number[6:]}",
        f"{case.number}-1",
        f"0{phone[3:]}",
        f"zoe FICTAUD{case.number}",
        f"ab-{case.number}",
    ):
        found = (await doors.get(agent, "/cases", q=typed)).json()
        assert ([row["case_id"] for row in found["cases"]], found["total"]) == ([case.id], 1), typed
    assert (await doors.get(agent, f"/cases/{case.id}")).json()["person"]["name"] == name
    await doors.tracking.show(None, f"case:{case.id}", 3)
    await doors.tracking.show(card)  # an older version that comes late
    assert (await doors.get(agent, f"/cases/{case.id}")).json()["person"] == {"name": None, "erased": True}
    assert (await doors.get(agent, "/cases", q=name)).json()["total"] == 0


async def test_view_rows_hold_no_person(doors: Doors, case: Case) -> None:
    name = f"Odile Secrete{case.number}"
    await doors.tracking.show(CaseCard(id=case.id, version=1, member_id=case.member, beneficiary=Contact(name=name), address="1 rue Cachee"))
    kept = await doors.tracking.fetch(
        "select convert_from(v.folded, 'utf8') || (select string_agg(t.data::text, '') from view.timeline t where t.case_id = v.case_id) as all"
        " from view.case_view v where v.case_id = $1",
        case.id,
    )
    assert "Secrete" not in kept[0]["all"] and "Cachee" not in kept[0]["all"]


async def test_lists_are_paged_and_each_sees_its_own(doors: Doors) -> None:
    principal = new_id()
    cases = [Case(doors.tracking, principal=principal) for _ in range(5)]
    for case in cases:
        await case.opened()
    await doors.tracking.tell(made(PrincipalChanged, principal_id=principal, code="orvane", label="Banque Orvane", siren="732829320", **TERMS))
    token, seen, after = doors.token("principal", principal_ids=[principal]), [], None
    while True:
        page = (await doors.get(token, "/cases", limit=2, **({"after": after} if after else {}))).json()
        seen += [row["case_id"] for row in page["cases"]]
        if not (after := page["next"]):
            break
    assert seen == [case.id for case in reversed(cases)]
    by_date = (await doors.get(token, "/cases", sort="next", waiting_for="system")).json()["cases"]
    assert [row["next_date"] for row in by_date] == sorted(row["next_date"] for row in by_date) and len(by_date) == 5
    board = (await doors.get(token, "/board")).json()
    assert (board["states"], len(board["cases"])) == ({"covered": 5}, 5)
    shown = (await doors.get(token, f"/cases/{cases[0].id}")).json()
    assert shown["labels"] == {principal: "Banque Orvane"}


async def test_the_timeline_tells_everything_in_the_order_of_the_log(doors: Doors, case: Case) -> None:
    told = (await doors.get(doors.token("agent"), f"/cases/{case.id}/timeline")).json()["events"]
    names = [event["type"].split(".")[1] for event in reversed(told)]
    assert names == ["case_opened", "need_added", "coverage_granted", "mission_offered", "mission_accepted", "visit_scheduled"]
    assert [event["place"] for event in told] == [6, 5, 4, 3, 2, 1]
    outsider = doors.token("principal", principal_ids=[case.principal])
    assert (await doors.get(outsider, f"/cases/{case.id}/timeline")).status_code == 404


async def test_a_task_is_taken_by_one_person(doors: Doors, case: Case) -> None:
    task = new_id()
    await case.tell(TaskOpened, task_id=task, kind="unfilled_mission", role="agent", due_at=soon(1))
    claire, david = doors.token("agent", "claire"), doors.token("agent", "david")
    listed = (await doors.get(claire, "/tasks", case_id=case.id)).json()["tasks"]
    assert [(row["id"], row["number"], row["opener"], row["version"]) for row in listed] == [(task, case.number, "dispatch", 1)]
    assert (await doors.post(claire, f"/tasks/{task}/take", **{"If-Match": '"1"'})).json()["taken_by"] == "claire"
    assert (await doors.post(claire, f"/tasks/{task}/take")).status_code == 200
    refused = await doors.post(david, f"/tasks/{task}/take")
    assert (refused.status_code, refused.json()["code"]) == (409, "already_taken")
    assert (await doors.post(david, f"/tasks/{task}/release")).status_code == 409
    assert (await doors.post(claire, f"/tasks/{task}/release", **{"If-Match": '"1"'})).status_code == 412
    assert (await doors.post(claire, f"/tasks/{task}/release")).json()["taken_by"] is None
    assert (await doors.post(claire, f"/tasks/{task}/close", {"outcome": "done"})).json()["code"] == "another_opener"
    await case.tell(TaskClosed, task_id=task, outcome="provider_found")
    assert (await doors.post(david, f"/tasks/{task}/take")).json()["code"] == "task_closed"
    assert (await doors.get(doors.token("provider", provider_id=ANNA), "/tasks")).status_code == 403


async def test_a_task_of_a_visit_is_closed_by_hand(doors: Doors, case: Case) -> None:
    agent = doors.token("agent")
    await doors.post(agent, f"/missions/{case.mission}/fail", {"reason": "weather"})
    await doors.tracking.loop_back()
    (task,) = (await doors.get(agent, "/tasks", case_id=case.id)).json()["tasks"]
    assert (await doors.post(agent, f"/tasks/{task['id']}/close", {"outcome": "done_by_hand"})).status_code == 200
    await doors.tracking.loop_back()
    assert (await doors.get(agent, "/tasks", case_id=case.id)).json()["tasks"] == []
    assert await doors.tracking.states(case) == ["failed", "failed"]


async def test_a_task_without_a_case_is_in_the_same_list(doors: Doors) -> None:
    task = new_id()
    await doors.tracking.tell(made(TaskOpened, task_id=task, case_id=None, need_id=None, kind="consumer_paused", role="supervisor", due_at=soon(1)))
    listed = (await doors.get(doors.token("supervisor"), "/tasks", role="supervisor")).json()["tasks"]
    assert task in [row["id"] for row in listed]


async def test_the_stream_tells_each_what_is_theirs(doors: Doors, case: Case) -> None:
    await eventually(doors.caught_up)
    heard = doors.hub.last
    listeners = {
        "desk": doors.token("agent"),
        "board": doors.token("principal", principal_ids=[case.principal]),
        "me": doors.token("member", member_id=case.member),
        "extranet": doors.token("provider", provider_id=ANNA),
    }
    listening = {place: asyncio.create_task(doors.listen(token, 2, last_event_id=heard)) for place, token in listeners.items()}
    stranger = doors.token("principal", principal_ids=[new_id()], exp=int(time.time()) + 3)
    overhearing = asyncio.create_task(doors.listen(stranger, 9, last_event_id=heard))
    await eventually(lambda: doors.hub.listeners >= 5)  # what is told from here on they hear
    await case.tell(NeedCancelled)
    [said] = await doors.tracking.fetch("select max(seq) as seq from view.timeline where case_id = $1 and source = 'intake'", case.id)
    for place, listener in listening.items():
        (first, _, clock), (event, number, data) = await listener
        assert (first, event, data["topics"]) == ("ping", "message", [f"case:{case.id}", place]) and "now" in clock
        assert f"cases/intake/{case.id}/{said['seq']}" in data["heard"]
        assert int(number) > heard
    assert {event for event, _, _ in await overhearing} <= {"ping", "end"}


async def test_the_stream_goes_on_where_a_browser_stopped(doors: Doors, case: Case) -> None:
    agent = doors.token("agent")
    await eventually(doors.caught_up)
    heard = doors.hub.last
    await case.tell(NeedCancelled)
    await eventually(doors.caught_up)
    assert (await doors.listen(agent, 2, last_event_id=heard))[0][2]["topics"] == [f"case:{case.id}", "desk"]
    assert [event for event, _, _ in await doors.listen(agent, 1, last_event_id=doors.hub.last)] == ["ping"]
    assert [event for event, _, _ in await doors.listen(agent, 1, last_event_id=heard + 1_000_000)] == ["reset"]


async def test_a_browser_that_never_listened_is_told_what_happened_since_its_page_was_made(doors: Doors, case: Case) -> None:
    await eventually(doors.caught_up)
    told = await doors.listen(doors.token("member", member_id=case.member), 2)
    assert [data.get("topics") for _, _, data in told] == [[f"case:{case.id}", "me"], None]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("timeline", {"before": 2**31}),
        ("timeline", {"before": -1}),
        ("timeline", {"limit": 201}),
        ("timeline", {"after": f"intake:x:{10**20}"}),
        ("", {"after": "intake:x:²"}),
        ("", {"after": f"intake:x:{'9' * 5000}"}),
    ],
)
async def test_a_number_that_the_database_cannot_hold_is_refused_by_name(doors: Doors, case: Case, path: str, query: dict[str, Any]) -> None:
    answer = await doors.get(doors.token("agent"), f"/cases/{case.id}/{path}".rstrip("/"), **query)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert [error["field"] for error in answer.json()["errors"]] == list(query)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("last", [str(2**63), "9" * 5000, "²", "-1"])
async def test_a_browser_that_stopped_nowhere_is_refused(doors: Doors, last: str) -> None:
    agent = {"Authorization": f"Bearer {doors.token('agent')}"}
    for said in ({"headers": agent | {"Last-Event-ID": last.encode()}}, {"headers": agent, "params": {"last_event_id": last}}):
        assert (await doors.http.get("/api/tracking/v1/stream", **said)).status_code == 422


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
async def test_an_instant_beyond_the_calendar_is_refused(doors: Doors, case: Case, at: str) -> None:
    answer = await doors.post(doors.token("agent"), f"/missions/{case.mission}/eta", {"eta": at})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


async def test_the_stream_ends_with_the_token(doors: Doors) -> None:
    ended = await doors.listen(doors.token("principal", principal_ids=[new_id()], exp=int(time.time()) + 3), 9)
    assert [event for event, _, _ in ended] == ["ping", "end"]


TERMS: dict[str, Any] = {
    "terms": {"fee_net_cents": 900, "markup_rate": "0.05", "vat_rate": "0.20"},
    "at_risk_limit_cents": 0,
    "valid_from": "2026-01-01",
}
