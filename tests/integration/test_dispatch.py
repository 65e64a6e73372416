"""Dispatch on a real database: from coverage to a provider's yes, through its HTTP doors and under row-level security."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from pydantic import SecretStr

from contracts import intake, reference, tracking
from contracts.cards import CaseCard
from contracts.registry import Event
from deploy.stack import Stack
from services.dispatch import listens, main, worker
from services.dispatch.domain.provider import Area, Provider
from services.dispatch.settings import Settings
from services.dispatch.usecases.providers import place, upsert_provider
from services.kit.clock import new_id
from services.kit.db import Database, Tenant
from services.kit.deadlines import Deadlines
from services.kit.migrate import migrate
from services.kit.subscriptions import Table
from tests.contracts.case_events import made
from tests.integration.hearing import hear
from tests.tokens import Keys

RENNES, BREST = "35238", "29019"
SOON = datetime.now(UTC) + timedelta(days=1)
SLOT = {"start": SOON.isoformat(), "end": (SOON + timedelta(hours=2)).isoformat()}
TABLE = Table(listens.SUBSCRIPTIONS)


@dataclass
class Desk:
    """The service, and what the log would tell it."""

    db: Database
    http: httpx.AsyncClient
    keys: Keys

    async def hear(self, *events: Event) -> None:
        """Each in a transaction of its own, as if it came from the log."""
        for event in events:
            async with self.db.transaction() as tx:
                await hear(tx, TABLE, event)

    async def need(self, *, service: str = "gardening", number: str = "123456789", **wish: Any) -> tuple[str, str]:
        """A need that coverage was granted for; returns its case and its own id."""
        case_id, need_id = new_id(), new_id()
        wanted = {"start": SLOT["start"], "end": SLOT["end"]}
        about = {"case_id": case_id, "need_id": need_id}
        await self.hear(
            made(intake.CaseOpened, case_id=case_id, number=number),
            made(intake.NeedAdded, **about, service=service, wanted=wanted, **wish),
            made(reference.CoverageGranted, **about),
        )
        return case_id, need_id

    async def mission(self, need_id: str) -> dict[str, Any]:
        async with self.db.connection() as conn:
            return dict(await conn.fetchrow("select * from mission where need_id = $1", need_id))

    async def live(self, need_id: str) -> list[dict[str, Any]]:
        async with self.db.connection() as conn:
            rows = await conn.fetch(
                "select o.* from offer o join mission m on m.id = o.mission_id where m.need_id = $1 and o.status = 'live' order by attempt", need_id
            )
        return [dict(row) for row in rows]

    async def emitted(self, case_id: str) -> list[tuple[str, dict[str, Any]]]:
        async with self.db.connection() as conn:
            rows = await conn.fetch("select type, payload from kit.outbox where aggregateid = $1 order by id", case_id)
        return [(row["type"].split(".")[1], orjson.loads(row["payload"])) for row in rows]

    async def names(self, case_id: str) -> list[str]:
        return [name for name, _ in await self.emitted(case_id)]

    async def pass_time(self) -> None:
        """All deadlines of the service are due now, and fire."""
        async with self.db.transaction() as tx:
            await tx.conn.execute("update offer set expires_at = now() where status = 'live'")
            await tx.conn.execute("update mission set answer_by = now() where answer_by is not null")
            await tx.conn.execute("update kit.deadline set due_at = now()")
        await self.fire()

    async def fire(self) -> None:
        deadlines = Deadlines(self.db, worker.DEADLINES)
        while await deadlines.step():
            pass

    async def card(self, case_id: str, version: int = 1, **changes: Any) -> None:
        card = CaseCard(
            id=case_id,
            version=version,
            member_id=new_id(),
            **{"beneficiary": {"name": "Odile F.", "phone": "+33639981234"}, "address": "12 rue des Exemples"} | changes,
        )
        async with self.db.transaction() as tx:
            await listens.on_case_card(tx, case_id, version, card)

    def headers(self, who: str, key: str | None = None) -> dict[str, str]:
        """`agent`, `supervisor`, or the id of a provider."""
        roles: tuple[str, ...] = (who,)
        claims: dict[str, Any] = {}
        if "-" in who:
            roles, claims = ("provider",), {"provider_id": who}
        token = self.keys.token("dispatch", who if claims else "01890000-0000-7000-8000-00000000000a", *roles, **claims)
        return {"Authorization": f"Bearer {token}", "Idempotency-Key": key or new_id()}

    async def post(self, who: str, path: str, body: dict[str, Any], key: str | None = None) -> httpx.Response:
        return await self.http.post(f"/api/dispatch/v1{path}", json=body, headers=self.headers(who, key))

    async def get(self, who: str, path: str) -> httpx.Response:
        return await self.http.get(f"/api/dispatch/v1{path}", headers=self.headers(who))

    async def feed(self, provider_id: str) -> list[dict[str, Any]]:
        return list((await self.get(provider_id, "/feed?limit=200")).json()["items"])


@asynccontextmanager
async def running(settings: Settings, keys: Keys) -> AsyncIterator[Desk]:
    app = main.create(settings)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://dispatch") as http:
        yield Desk(app.state.db, http, keys)


@pytest.fixture(scope="module")
async def service(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    environment = stack.environment("dispatch", migrating=True)
    await migrate(environment["ENTRAIDE_DATABASE_URL_OWNER"], Path(main.__file__).parent / "migrations")
    keys = Keys(tmp_path_factory.mktemp("keys"))
    settings = Settings(
        database_url=SecretStr(environment["ENTRAIDE_DATABASE_URL"]),
        database_url_outside=SecretStr(environment["ENTRAIDE_DATABASE_URL_OUTSIDE"]),
        kafka_bootstrap=environment["ENTRAIDE_KAFKA_BOOTSTRAP"],
        kafka_user=environment["ENTRAIDE_KAFKA_USER"],
        kafka_password=SecretStr(environment["ENTRAIDE_KAFKA_PASSWORD"]),
        jwks_file=keys.jwks_file,
        max_attempts=3,
    )
    async with running(settings, keys) as desk:
        yield desk


@pytest.fixture
async def desk(service: Desk) -> AsyncIterator[Desk]:
    """Without providers, offers and deadlines of the test before."""
    async with service.db.transaction() as tx:
        await tx.conn.execute("update provider set ended_on = '2026-01-01'")
        await tx.conn.execute("delete from provider_edition")
        await tx.conn.execute("update offer set status = 'withdrawn' where status = 'live'")
        await tx.conn.execute("delete from kit.deadline")
    yield service


async def providers(desk: Desk, *communes: str, **changes: Any) -> list[str]:
    """Gardeners in these communes, a radius of 60 km each."""
    made_ids = []
    for insee in communes:
        provider_id = new_id()
        fields: dict[str, Any] = {
            "id": provider_id,
            "code": f"p_{provider_id.replace('-', '')}",
            "label": "Jardins",
            "siret": "73282932000074",
            "place": place(insee),
            "areas": (Area("gardening", 60),),
            "door": "polling",
            "capacity_per_day": 5,
        }
        async with desk.db.transaction() as tx:
            await upsert_provider(tx, Provider(**fields | changes))
        made_ids.append(provider_id)
    return made_ids


async def test_coverage_leads_to_an_offer_to_the_nearest_provider_that_is_able(desk: Desk) -> None:
    near, _ = await providers(desk, RENNES, "35360")  # Vitré
    await providers(desk, BREST)
    await providers(desk, RENNES, areas=(Area("towing", 60),))
    case_id, need_id = await desk.need()
    assert [offer["provider_id"] for offer in await desk.live(need_id)] == [near]
    ((name, offered),) = await desk.emitted(case_id)
    assert name == "mission_offered"
    assert offered["why"] == ["in_radius", "free_in_window", "nearest"]
    assert offered["attempt"] == 1


async def test_the_desk_reads_the_ranking_and_why_others_are_left_out(desk: Desk) -> None:
    near, second = await providers(desk, RENNES, "35360")
    (far,) = await providers(desk, BREST)
    (other,) = await providers(desk, RENNES, areas=(Area("towing", 60),))
    (full,) = await providers(desk, RENNES, capacity_per_day=0)
    _, need_id = await desk.need()
    mission = await desk.mission(need_id)
    answer = (await desk.get("agent", f"/missions/{mission['id']}/candidates")).json()
    assert [found["provider_id"] for found in answer["candidates"]] == [second]
    left_out = {found["provider_id"]: found["reason"] for found in answer["excluded"]}
    assert {near: "already_asked", far: "out_of_area", other: "service_not_offered", full: "no_capacity"}.items() <= left_out.items()


async def test_a_department_served_whole_counts_beyond_the_radius(desk: Desk) -> None:
    (brest,) = await providers(desk, BREST, areas=(Area("gardening", 10, ("35",)),))
    _, need_id = await desk.need()
    assert [offer["provider_id"] for offer in await desk.live(need_id)] == [brest]


async def test_a_provider_accepts_with_an_appointment_and_reads_who_and_where(desk: Desk) -> None:
    (rennes,) = await providers(desk, RENNES)
    case_id, need_id = await desk.need(number="482019577")
    await desk.card(case_id, wishes={need_id: "Tailler la haie"})
    (offer,) = await desk.live(need_id)
    answer = await desk.post(rennes, f"/offers/{offer['id']}/accept", SLOT)
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "accepted"
    assert await desk.names(case_id) == ["mission_offered", "mission_accepted"]
    offered, accepted = await desk.feed(rennes)
    assert (offered["kind"], offered["position"], "contact" in offered) == ("offered", 1, False)
    assert offered["case_number"] == "482019577-1"
    assert offered["place"] == {"insee": RENNES, "postcode": "35000", "commune": "Rennes"}
    assert (accepted["kind"], accepted["position"]) == ("accepted", 2)
    assert accepted["contact"] == {
        "name": "Odile F.", "phone": "+33639981234", "address": "12 rue des Exemples", "access": "", "words": "Tailler la haie"
    }  # fmt: skip
    assert (await desk.get(rennes, f"/missions/{offer['mission_id']}")).json()["contact"]["name"] == "Odile F."


async def test_the_same_answer_twice_returns_the_first_result(desk: Desk) -> None:
    (rennes,) = await providers(desk, RENNES)
    case_id, need_id = await desk.need()
    (offer,) = await desk.live(need_id)
    first = await desk.post(rennes, f"/offers/{offer['id']}/accept", SLOT)
    other_slot = {"start": SLOT["end"], "end": (SOON + timedelta(hours=4)).isoformat()}
    again = await desk.post(rennes, f"/offers/{offer['id']}/accept", other_slot)
    assert (again.status_code, again.json()) == (200, first.json())
    assert await desk.names(case_id) == ["mission_offered", "mission_accepted"]


async def test_a_decline_goes_to_the_next_and_then_to_a_person(desk: Desk) -> None:
    near, second = await providers(desk, RENNES, "35360")
    case_id, need_id = await desk.need()
    for provider_id in (near, second):
        (offer,) = await desk.live(need_id)
        assert offer["provider_id"] == provider_id
        answer = await desk.post(provider_id, f"/offers/{offer['id']}/decline", {"reason": "too_far"})
        assert answer.json() == {
            "mission_id": offer["mission_id"],
            "offer_id": offer["id"],
            "status": "declined",
            "reason": "too_far",
            "appointment": None,
        }
        await desk.fire()
    assert await desk.names(case_id) == [
        "mission_offered", "mission_declined", "mission_offered", "mission_declined", "mission_unfilled", "task_opened"
    ]  # fmt: skip
    (*_, (_, unfilled), (_, task)) = await desk.emitted(case_id)
    assert (unfilled["reason"], unfilled["attempts"], task["kind"], task["role"]) == ("all_declined", 2, "unfilled_mission", "agent")
    listed = (await desk.get("agent", f"/missions?state=unfilled&case_id={case_id}")).json()["missions"]
    assert [found["id"] for found in listed] == [offer["mission_id"]]


async def test_an_offer_that_expires_goes_to_the_next_and_a_late_yes_is_told_so(desk: Desk) -> None:
    near, _ = await providers(desk, RENNES, "35360")
    case_id, need_id = await desk.need()
    (offer,) = await desk.live(need_id)
    await desk.pass_time()
    assert (await desk.names(case_id))[:3] == ["mission_offered", "offer_expired", "mission_offered"]
    late = await desk.post(near, f"/offers/{offer['id']}/accept", SLOT)
    assert (late.status_code, late.json()["code"]) == (409, "offer_expired")
    assert [item["kind"] for item in await desk.feed(near)] == ["offered", "expired"]


async def test_attempts_end_at_the_limit(desk: Desk) -> None:
    await providers(desk, RENNES, RENNES, RENNES, RENNES, RENNES)
    case_id, need_id = await desk.need()
    for _ in range(3):
        await desk.pass_time()
    assert (await desk.names(case_id)).count("mission_offered") == 3
    assert (await desk.mission(need_id))["status"] == "unfilled"


async def test_of_several_who_accept_at_once_one_wins_and_the_others_read_already_taken(desk: Desk) -> None:
    gardeners = await providers(desk, RENNES, RENNES, RENNES, RENNES)
    case_id, need_id = await desk.need()
    mission = await desk.mission(need_id)
    proposed = await desk.post("agent", f"/missions/{mission['id']}/offers", {"provider_ids": gardeners})
    assert proposed.status_code == 201, proposed.text
    offers = await desk.live(need_id)
    assert len(offers) == 4
    answers = await asyncio.gather(*(desk.post(offer["provider_id"], f"/offers/{offer['id']}/accept", SLOT) for offer in offers))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"already_taken"}
    await desk.fire()
    names = await desk.names(case_id)
    assert names.count("mission_accepted") == 1
    assert names.count("offer_withdrawn") == 3
    loser = next(offer for offer, answer in zip(offers, answers, strict=True) if answer.status_code == 409)
    late = await desk.post(loser["provider_id"], f"/offers/{loser['id']}/accept", SLOT)
    assert late.json()["code"] == "already_taken"


async def test_an_acceptance_wins_over_the_expiry_while_the_offer_is_live(desk: Desk) -> None:
    (rennes,) = await providers(desk, RENNES)
    case_id, need_id = await desk.need()
    (offer,) = await desk.live(need_id)
    async with desk.db.transaction() as tx:
        await tx.conn.execute("update offer set expires_at = now() - interval '1 minute' where id = $1", offer["id"])
    assert (await desk.post(rennes, f"/offers/{offer['id']}/accept", SLOT)).status_code == 200
    await desk.pass_time()
    assert await desk.names(case_id) == ["mission_offered", "mission_accepted"]


async def test_what_belongs_to_another_provider_answers_404(desk: Desk) -> None:
    rennes, other = await providers(desk, RENNES, BREST)
    case_id, need_id = await desk.need()
    await desk.card(case_id)
    (offer,) = await desk.live(need_id)
    assert (await desk.post(other, f"/offers/{offer['id']}/accept", SLOT)).status_code == 404
    assert (await desk.post(other, f"/offers/{offer['id']}/decline", {"reason": "closed"})).status_code == 404
    assert (await desk.get(other, f"/missions/{offer['mission_id']}")).status_code == 404
    assert (await desk.post(other, f"/missions/{offer['mission_id']}/give-up", {"reason": "closed"})).status_code == 404
    assert await desk.feed(other) == []
    before = (await desk.get(rennes, f"/missions/{offer['mission_id']}")).json()
    assert before["status"] == "offered" and "contact" not in before
    assert (await desk.get(rennes, f"/missions/{offer['mission_id']}/candidates")).status_code == 403


async def test_row_level_security_hides_what_a_query_forgets_to_filter(desk: Desk) -> None:
    rennes, other = await providers(desk, RENNES, BREST)
    case_id, need_id = await desk.need()
    await desk.card(case_id)
    (offer,) = await desk.live(need_id)
    for who, rows in ((other, 0), (rennes, 1)):
        async with desk.db.transaction(Tenant(provider_id=who)) as tx:
            for table, column in (("mission", "id"), ("offer", "mission_id"), ("provider_feed", "mission_id")):
                assert await tx.conn.fetchval(f"select count(*) from {table} where {column} = $1", offer["mission_id"]) == rows, table
            assert await tx.conn.fetchval("select count(*) from case_card where case_id = $1", case_id) == 0
            assert await tx.conn.fetchval("select count(*) from provider") == 1


async def test_a_card_that_comes_late_or_changes_reaches_whoever_has_the_mission(desk: Desk) -> None:
    (rennes,) = await providers(desk, RENNES)
    case_id, need_id = await desk.need()
    (offer,) = await desk.live(need_id)
    await desk.post(rennes, f"/offers/{offer['id']}/accept", SLOT)
    await desk.card(case_id)
    await desk.card(case_id, 2, access="code 4417")
    await desk.card(case_id, 1, access="an older one")
    items = (await desk.feed(rennes))[1:]
    assert [item["kind"] for item in items] == ["accepted", "contact", "amended"]
    versions = [item["version"] for item in items]
    assert versions == sorted(set(versions)), "of two documents the higher one is the truth"
    assert "contact" not in items[0]
    assert items[2]["contact"]["access"] == "code 4417"
    async with desk.db.transaction() as tx:
        await listens.on_case_card(tx, case_id, 3, None)
    assert not any("contact" in item for item in await desk.feed(rennes))


async def test_a_cancelled_need_takes_everything_back_and_closes_the_task(desk: Desk) -> None:
    (rennes,) = await providers(desk, RENNES)
    offered_case, offered = await desk.need()
    accepted_case, accepted = await desk.need()
    (offer,) = await desk.live(accepted)
    await desk.post(rennes, f"/offers/{offer['id']}/accept", SLOT)
    unfilled_case, unfilled = await desk.need(service="locksmith")
    for case_id, need_id in ((offered_case, offered), (accepted_case, accepted), (unfilled_case, unfilled)):
        await desk.hear(made(intake.NeedCancelled, case_id=case_id, need_id=need_id, reason="self_arranged"))
    assert await desk.names(offered_case) == ["mission_offered", "offer_withdrawn"]
    name, cancelled = (await desk.emitted(accepted_case))[-1]
    assert (name, cancelled["reason"], cancelled["again"]) == ("mission_cancelled", "need_cancelled", False)
    assert await desk.names(unfilled_case) == ["mission_unfilled", "task_opened", "task_closed"]


async def test_a_visit_that_has_started_wins_over_the_cancellation_in_both_orders(desk: Desk) -> None:
    (rennes,) = await providers(desk, RENNES)
    for cancelled_first in (True, False):
        case_id, need_id = await desk.need()
        (offer,) = await desk.live(need_id)
        await desk.post(rennes, f"/offers/{offer['id']}/accept", SLOT)
        about = {"case_id": case_id, "need_id": need_id}
        cancelled = made(intake.NeedCancelled, **about)
        started = made(tracking.VisitStarted, **about, mission_id=offer["mission_id"], provider_id=rennes)
        await desk.hear(*((cancelled, started) if cancelled_first else (started, cancelled)), made(intake.NeedReinstated, **about))
        mission = await desk.mission(need_id)
        assert (mission["status"], mission["provider_id"]) == ("started", rennes)
        await desk.hear(made(tracking.PrestationCompleted, **about, mission_id=offer["mission_id"], provider_id=rennes))
        assert (await desk.mission(need_id))["status"] == "done"


async def test_an_amended_wish_is_offered_anew_before_an_acceptance(desk: Desk) -> None:
    (rennes,) = await providers(desk, RENNES)
    case_id, need_id = await desk.need()
    later = {"start": SLOT["end"], "end": (SOON + timedelta(hours=4)).isoformat()}
    await desk.hear(made(intake.NeedAmended, case_id=case_id, need_id=need_id, wanted=later))
    assert await desk.names(case_id) == ["mission_offered", "offer_withdrawn", "mission_offered"]
    (offer,) = await desk.live(need_id)
    assert (offer["provider_id"], offer["attempt"]) == (rennes, 2)


async def test_an_amended_wish_waits_for_the_provider_who_accepted(desk: Desk) -> None:
    (rennes,) = await providers(desk, RENNES)
    case_id, need_id = await desk.need()
    (offer,) = await desk.live(need_id)
    await desk.post(rennes, f"/offers/{offer['id']}/accept", SLOT)
    later = {"start": SLOT["end"], "end": (SOON + timedelta(hours=4)).isoformat()}
    await desk.hear(made(intake.NeedAmended, case_id=case_id, need_id=need_id, wanted=later))
    await desk.pass_time()
    assert (await desk.names(case_id))[2:] == ["mission_amended", "task_opened"]
    assert (await desk.emitted(case_id))[-1][1]["kind"] == "reconfirmation_missing"
    answer = await desk.post(rennes, f"/missions/{offer['mission_id']}/reconfirm", later)
    assert answer.status_code == 200, answer.text
    assert (await desk.names(case_id))[4:] == ["mission_reconfirmed", "task_closed"]
    assert [item["kind"] for item in await desk.feed(rennes)] == ["offered", "accepted", "amended", "reconfirmed"]


async def test_a_provider_gives_up_and_the_next_is_asked(desk: Desk) -> None:
    near, second = await providers(desk, RENNES, "35360")
    case_id, need_id = await desk.need()
    (offer,) = await desk.live(need_id)
    await desk.post(near, f"/offers/{offer['id']}/accept", SLOT)
    for _ in range(2):
        answer = await desk.post(near, f"/missions/{offer['mission_id']}/give-up", {"reason": "worker_ill"})
        assert (answer.status_code, answer.json()["status"], answer.json()["reason"]) == (200, "taken_back", "worker_ill")
    await desk.fire()
    name, cancelled = (await desk.emitted(case_id))[2]
    assert (name, cancelled["reason"], cancelled["again"]) == ("mission_cancelled", "provider_gave_up", True)
    assert [found["provider_id"] for found in await desk.live(need_id)] == [second]
    assert (await desk.get(near, f"/missions/{offer['mission_id']}")).json()["status"] == "cancelled"


async def test_a_person_assigns_by_hand_and_the_task_is_closed(desk: Desk) -> None:
    (far,) = await providers(desk, BREST)
    case_id, need_id = await desk.need()
    mission = await desk.mission(need_id)
    assert mission["status"] == "unfilled"
    body = SLOT | {"provider_id": far, "reason": "urgent"}
    answer = await desk.post("agent", f"/missions/{mission['id']}/assign", body)
    assert (answer.status_code, answer.json()["status"]) == (200, "accepted")
    names = await desk.names(case_id)
    assert names == ["mission_unfilled", "task_opened", "task_closed", "mission_offered", "mission_accepted"]
    assert (await desk.emitted(case_id))[2][1]["outcome"] == "done_by_hand"
    moved = await desk.post("agent", f"/missions/{mission['id']}/reassign", {"reason": "reassigned"})
    assert moved.json()["status"] == "unfilled"


async def test_positions_have_no_gap_and_never_appear_out_of_order(desk: Desk) -> None:
    rennes, vitre = await providers(desk, RENNES, "35360", capacity_per_day=1000)
    seen: dict[str, list[int]] = {rennes: [], vitre: []}
    done = asyncio.Event()

    async def watch(provider_id: str) -> None:
        after = ""
        while True:
            last = done.is_set()
            page = (await desk.get(provider_id, f"/feed?limit=7&after={after}")).json()
            seen[provider_id] += [item["position"] for item in page["items"]]
            after = page["next"]
            if last and not page["items"]:
                return

    async def case() -> None:
        _, need_id = await desk.need()
        (offer,) = await desk.live(need_id)
        await desk.post(offer["provider_id"], f"/offers/{offer['id']}/decline", {"reason": "no_capacity"})

    watchers = [asyncio.create_task(watch(provider_id)) for provider_id in seen]
    await asyncio.gather(*(case() for _ in range(25)), desk.fire())
    await desk.fire()
    done.set()
    await asyncio.gather(*watchers)
    for positions in seen.values():
        assert positions == list(range(1, len(positions) + 1))
    assert sum(map(len, seen.values())) == 25 * 3  # offered, declined, offered to the other


async def test_a_provider_with_a_topic_gets_the_same_documents_there(desk: Desk) -> None:
    (rennes,) = await providers(desk, RENNES, door="kafka")
    case_id, need_id = await desk.need()
    await desk.card(case_id)
    (offer,) = await desk.live(need_id)
    await desk.post(rennes, f"/offers/{offer['id']}/accept", SLOT)
    async with desk.db.connection() as conn:
        rows = await conn.fetch("select * from kit.outbox where aggregatetype = $1 order by id", f"provider.{rennes}.missions")
    assert [orjson.loads(row["payload"]) for row in rows] == await desk.feed(rennes)
    assert [(row["aggregateid"], row["seq"], row["type"]) for row in rows] == [
        (offer["mission_id"], 1, "dispatch.mission.v1"),
        (offer["mission_id"], 2, "dispatch.mission.v1"),
    ]
    assert "topic" not in str((await desk.emitted(case_id))[0])


async def test_the_same_provider_again_changes_nothing_and_a_change_is_told(desk: Desk) -> None:
    provider_id = new_id()
    body = {
        "code": f"p_{provider_id.replace('-', '')}", "label": "Jardins", "siret": "73282932000074", "place": RENNES,
        "areas": [{"service": "gardening", "radius_km": 30}], "door": "extranet", "capacity_per_day": 3,
    }  # fmt: skip
    for changed, version in ((body, 1), (body, 1), (body | {"capacity_per_day": 4}, 2)):
        answer = await desk.http.put(f"/api/dispatch/v1/providers/{provider_id}", json=changed, headers=desk.headers("supervisor"))
        assert (answer.status_code, answer.json()["version"]) == (200, version), answer.text
    assert await desk.names(provider_id) == ["provider_changed", "provider_changed"]
    refused = await desk.http.put(f"/api/dispatch/v1/providers/{provider_id}", json=body, headers=desk.headers("agent"))
    assert refused.status_code == 403


async def test_members_and_principals_have_nothing_here(desk: Desk) -> None:
    token = desk.keys.token("dispatch", new_id(), "member", member_id=new_id())
    for path in ("/missions", "/feed", "/offers", "/providers"):
        answer = await desk.http.get(f"/api/dispatch/v1{path}", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 403, path


async def browse(desk: Desk, provider_id: str, path: str, form: dict[str, str] | None = None) -> httpx.Response:
    """As a browser behind the gateway: `csrf` is the session's."""
    token = desk.keys.token("dispatch", provider_id, "provider", provider_id=provider_id, csrf="of-the-session", name="Théo V.")
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/html"}
    if form is None:
        return await desk.http.get(path, headers=headers)
    return await desk.http.post(path, data={"csrf": "of-the-session", "idempotency_key": new_id()} | form, headers=headers)


async def test_on_the_extranet_a_provider_accepts_and_then_sees_who_and_where(desk: Desk) -> None:
    (rennes,) = await providers(desk, RENNES, door="extranet")
    case_id, need_id = await desk.need()
    await desk.card(case_id, wishes={need_id: "Tailler la haie"})
    (offer,) = await desk.live(need_id)
    shown = (await browse(desk, rennes, "/extranet")).text
    assert "1 offre attend votre réponse" in shown and "Rennes (35000)" in shown and "Odile" not in shown
    answer = await browse(desk, rennes, f"/extranet/offers/{offer['id']}/accept", typed(shown))
    assert (answer.status_code, answer.headers["location"]) == (303, f"/extranet/missions/{offer['mission_id']}")
    mission = (await browse(desk, rennes, answer.headers["location"])).text
    assert all(said in mission for said in ("Odile F.", "12 rue des Exemples", "Tailler la haie", f"/extranet/visits/{offer['mission_id']}?part=1"))
    assert "Rennes" in (await browse(desk, rennes, "/extranet/missions")).text


async def test_on_the_extranet_a_form_from_elsewhere_is_refused_and_a_late_answer_is_explained(desk: Desk) -> None:
    (rennes,) = await providers(desk, RENNES, door="extranet")
    _, need_id = await desk.need()
    (offer,) = await desk.live(need_id)
    form = typed((await browse(desk, rennes, "/extranet")).text)
    address = f"/extranet/offers/{offer['id']}/accept"
    assert (await browse(desk, rennes, address, form | {"csrf": "of-another"})).status_code == 403
    await desk.pass_time()
    late = await browse(desk, rennes, address, form)
    assert late.status_code == 409
    assert "Le délai de réponse est passé" in late.text


def typed(page: str) -> dict[str, str]:
    """The appointment as the form proposes it."""
    return {name: re.findall(f'name="{name}"[^>]* value="([^"]+)"', page)[0] for name in ("zone", "start", "end")}
