"""The work after acceptance, on a real database: what the log leads to, what people do, and where both meet."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from contracts.common import Actor, TaskClosed, TaskOpened
from contracts.dispatch import MissionAccepted, MissionCancelled, MissionOffered, MissionReconfirmed
from contracts.intake import NeedAmended, NeedCancelled, NeedReinstated
from contracts.tracking import (
    EtaChanged,
    PrestationCompleted,
    PrestationCorrected,
    SatisfactionGiven,
    VisitCompleted,
    VisitFailed,
    VisitScheduled,
    VisitStarted,
)
from deploy.stack import Stack
from services.kit.clock import new_id
from services.kit.errors import NotFound, StaleVersion
from services.kit.migrate import migrate
from services.tracking.domain import visit as domain
from services.tracking.domain.visit import Line, Visit
from services.tracking.usecases import work
from tests.integration.tracking_harness import Case, Tracking, connect, soon

ANNA, BORIS = new_id(), new_id()
BY = Actor(kind="provider", id=ANNA)
LINES = (Line("labour", "hour", Decimal("2.5")),)


@pytest.fixture(scope="module")
async def tracking(stack: Stack) -> AsyncIterator[Tracking]:
    await migrate(stack.environment("tracking", migrating=True)["ENTRAIDE_DATABASE_URL_OWNER"], Path("services/tracking/migrations"))
    db = await connect(stack)
    tracking = Tracking(db)
    await tracking.loop_back()
    yield tracking
    await db.close()


@pytest.fixture
async def case(tracking: Tracking) -> Case:
    case = Case(tracking)
    await case.opened()
    return case


@pytest.fixture
async def scheduled(case: Case) -> Case:
    await case.accepted(ANNA)
    return case


async def start(case: Case, provider: str = ANNA) -> Visit:
    async with case.tracking.db.transaction() as tx:
        return await work.start(tx, case.mission, provider, BY)


async def complete(case: Case, lines: tuple[Line, ...] = LINES) -> Visit:
    async with case.tracking.db.transaction() as tx:
        return await work.complete(tx, case.mission, ANNA, lines, None, None, BY)


async def fail(case: Case, reason: str = "nobody_home") -> Visit:
    async with case.tracking.db.transaction() as tx:
        return await work.fail(tx, case.mission, ANNA, reason, BY)


async def test_an_accepted_mission_becomes_a_scheduled_visit(scheduled: Case) -> None:
    tracking = scheduled.tracking
    assert await tracking.states(scheduled) == ["scheduled", "scheduled"]
    visits = await tracking.fetch("select * from visit where need_id = $1", scheduled.need)
    assert [(visit["state"], visit["provider_id"], visit["service"]) for visit in visits] == [("scheduled", ANNA, "gardening")]
    due = await tracking.fetch("select due_at from kit.deadline where kind = 'visit_not_started' and key = $1", visits[0]["id"])
    assert due == [{"due_at": scheduled.appointment["start"] + timedelta(seconds=900)}]


async def test_a_visit_is_started_and_completed_with_quantities(scheduled: Case) -> None:
    tracking = scheduled.tracking
    await start(scheduled)
    done = await complete(scheduled)
    said = await tracking.loop_back()
    assert [type(event) for event in said] == [VisitStarted, VisitCompleted, PrestationCompleted]
    prestation = said[2]
    assert isinstance(prestation, PrestationCompleted) and prestation.prestation_id == done.prestation_id
    assert [(line.article, line.quantity) for line in prestation.lines] == [("labour", Decimal("2.5"))]
    assert await tracking.states(scheduled) == ["performed", "performed"]
    assert not await tracking.fetch("select 1 from kit.deadline where key = $1", done.id)


async def test_the_same_command_twice_gives_the_first_result(scheduled: Case) -> None:
    assert (await start(scheduled)).started_at == (await start(scheduled)).started_at
    assert (await complete(scheduled)).prestation_id == (await complete(scheduled)).prestation_id
    assert [type(event) for event in await scheduled.tracking.loop_back()] == [VisitStarted, VisitCompleted, PrestationCompleted]


async def test_a_mission_of_another_provider_is_not_found(scheduled: Case) -> None:
    with pytest.raises(NotFound):
        await start(scheduled, BORIS)


async def test_a_stale_version_is_refused(scheduled: Case) -> None:
    with pytest.raises(StaleVersion):
        async with scheduled.tracking.db.transaction() as tx:
            await work.start(tx, scheduled.mission, ANNA, BY, expected=7)


async def test_a_start_after_the_cancellation_was_heard_is_refused(scheduled: Case) -> None:
    await scheduled.tell(NeedCancelled)
    with pytest.raises(domain.NeedCancelled):
        await start(scheduled)
    assert await scheduled.tracking.states(scheduled) == ["cancelled", "cancelled"]
    told = await scheduled.tracking.fetch("select type from view.timeline where case_id = $1 order by place desc limit 1", scheduled.id)
    assert told == [{"type": "tracking.visit_failed.v1"}]


async def test_a_start_that_crosses_the_cancellation_wins(scheduled: Case) -> None:
    tracking = scheduled.tracking
    cancelled = tracking.raw(scheduled.event(NeedCancelled))  # in the log, not heard yet
    await start(scheduled)
    await tracking.hear([cancelled])
    said = await tracking.loop_back()
    assert [type(event) for event in said] == [VisitStarted]
    assert await tracking.states(scheduled) == ["in_progress", "in_progress"]
    await scheduled.tell(NeedReinstated, reason="visit_had_started")
    await complete(scheduled)
    await tracking.loop_back()
    assert await tracking.states(scheduled) == ["performed", "performed"]


async def test_an_acceptance_after_the_cancellation_schedules_nothing(case: Case) -> None:
    await case.offered(ANNA)
    await case.tell(NeedCancelled)
    await case.tell(MissionAccepted, provider_id=ANNA, offer_id=case.offers[ANNA])
    with pytest.raises(domain.NeedCancelled):
        await start(case)
    assert await case.tracking.states(case) == ["cancelled", "cancelled"]


async def test_an_amended_mission_that_is_reconfirmed_is_scheduled_again(scheduled: Case) -> None:
    tracking = scheduled.tracking
    later = {"start": soon(48), "end": soon(50)}
    await scheduled.tell(NeedAmended, wanted=later)
    await scheduled.tell(MissionReconfirmed, provider_id=ANNA, appointment=later)
    assert await tracking.states(scheduled) == ["scheduled", "scheduled"]
    visits = await tracking.fetch(
        "select v.starts_at, d.due_at from visit v join kit.deadline d on d.key = v.id::text where need_id = $1", scheduled.need
    )
    assert visits == [{"starts_at": later["start"], "due_at": later["start"] + timedelta(seconds=900)}]
    told = await tracking.fetch(
        "select count(*) as n from view.timeline where case_id = $1 and type = $2", scheduled.id, VisitScheduled.EVENT.full_name
    )
    assert told == [{"n": 2}]


async def test_the_next_provider_is_scheduled_after_a_mission_was_taken_back(scheduled: Case) -> None:
    await scheduled.taken_back(ANNA)
    with pytest.raises(domain.MissionCancelled):
        await start(scheduled)
    await scheduled.accepted(BORIS)
    assert await scheduled.tracking.states(scheduled) == ["scheduled", "scheduled"]
    await start(scheduled, BORIS)
    await scheduled.tracking.loop_back()
    assert await scheduled.tracking.states(scheduled) == ["in_progress", "in_progress"]


async def test_a_start_that_crosses_the_taking_back_wins_over_the_next_provider(scheduled: Case) -> None:
    tracking = scheduled.tracking
    scheduled.offers[BORIS] = new_id()
    gone = scheduled.event(MissionCancelled, provider_id=ANNA, again=True)
    offered = scheduled.event(MissionOffered, provider_id=BORIS, offer_id=scheduled.offers[BORIS])
    accepted = scheduled.event(MissionAccepted, provider_id=BORIS, offer_id=scheduled.offers[BORIS])
    await start(scheduled)
    await tracking.hear([tracking.raw(event) for event in (gone, offered, accepted)])
    await tracking.loop_back()
    assert await tracking.states(scheduled) == ["in_progress", "in_progress"]
    with pytest.raises(domain.MissionCancelled):
        await start(scheduled, BORIS)
    await complete(scheduled)
    await tracking.loop_back()
    assert await tracking.states(scheduled) == ["performed", "performed"]


async def test_a_visit_not_started_in_time_becomes_a_task_until_it_starts(case: Case) -> None:
    tracking = case.tracking
    case.appointment = {"start": soon(-2), "end": soon(2)}
    await case.accepted(ANNA)
    await tracking.fire()
    assert await tracking.open_tasks(case) == ["visit_not_started"]
    await tracking.fire()
    assert await tracking.open_tasks(case) == ["visit_not_started"]
    await start(case)
    await tracking.loop_back()
    assert await tracking.open_tasks(case) == []
    assert await tracking.states(case) == ["in_progress", "in_progress"]


async def test_a_failed_visit_becomes_a_task_until_dispatch_looks_again(scheduled: Case) -> None:
    tracking = scheduled.tracking
    await fail(scheduled)
    assert [type(event) for event in await tracking.loop_back()] == [TaskOpened, VisitFailed]
    assert await tracking.open_tasks(scheduled) == ["visit_failed"]
    await scheduled.taken_back(ANNA)
    await scheduled.offered(BORIS)
    assert await tracking.open_tasks(scheduled) == []
    assert await tracking.states(scheduled) == ["offered", "offered"]


async def test_a_failed_visit_of_a_cancelled_need_leaves_no_task(scheduled: Case) -> None:
    await fail(scheduled)
    await scheduled.tracking.loop_back()
    await scheduled.tell(NeedCancelled)
    assert await scheduled.tracking.open_tasks(scheduled) == []
    assert await scheduled.tracking.states(scheduled) == ["cancelled", "cancelled"]


async def test_expected_times_corrections_and_ratings_are_told(scheduled: Case) -> None:
    tracking, member = scheduled.tracking, Actor(kind="member", id=scheduled.member)
    async with tracking.db.transaction() as tx:
        await work.change_eta(tx, scheduled.mission, ANNA, datetime.now(UTC), BY)
    done = await complete(scheduled)
    assert done.prestation_id is not None
    async with tracking.db.transaction() as tx:
        await work.correct(tx, done.prestation_id, (Line("labour", "hour", Decimal(2)),), "quantity_wrong", Actor(kind="agent"))
        await work.rate(tx, scheduled.need, scheduled.member, 5, member)
    said = [type(event) for event in await tracking.loop_back()]
    assert said == [EtaChanged, VisitStarted, VisitCompleted, PrestationCompleted, PrestationCorrected, SatisfactionGiven]
    assert await tracking.states(scheduled) == ["performed", "performed"]
    with pytest.raises(NotFound):
        async with tracking.db.transaction() as tx:
            await work.rate(tx, scheduled.need, new_id(), 5, member)


async def test_what_tracking_says_is_caused_by_the_event_it_answers(case: Case) -> None:
    tracking = case.tracking
    await case.offered(ANNA)
    accepted = tracking.raw(case.event(MissionAccepted, provider_id=ANNA, offer_id=case.offers[ANNA]))
    unrelated = Case(tracking)
    await tracking.hear([tracking.raw(unrelated.event(NeedCancelled)), accepted])
    headers = dict(accepted.headers)
    rows = await tracking.fetch("select causation_id, correlation_id from kit.outbox order by id desc limit 1")
    assert rows == [{"causation_id": (headers["ce_id"] or b"").decode(), "correlation_id": (headers["ce_correlationid"] or b"").decode()}]
    await tracking.loop_back()


async def test_a_task_that_another_service_opened_is_listed_and_closed_by_it(case: Case) -> None:
    task = new_id()
    await case.tell(TaskOpened, task_id=task, kind="unfilled_mission", role="agent", due_at=soon(1))
    assert await case.tracking.open_tasks(case) == ["unfilled_mission"]
    await case.tell(TaskClosed, task_id=task, outcome="provider_found")
    assert await case.tracking.open_tasks(case) == []
