"""What may happen to a visit, and what every door says of a need."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from services.kit.errors import Invalid
from services.tracking.domain import visit as domain
from services.tracking.domain.ladder import ladder
from services.tracking.domain.sentence import Told, sentence
from services.tracking.domain.visit import (
    AlreadyCompleted,
    AlreadyRated,
    Completed,
    Corrected,
    Decision,
    EtaChanged,
    Fact,
    Failed,
    Line,
    MissionCancelled,
    NeedCancelled,
    NotDone,
    Performed,
    Rated,
    Scheduled,
    Started,
    TaskClosed,
    TaskOpened,
    Visit,
    VisitOver,
)

NOW = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
SCHEDULED = Visit("visit", "case", "need", "mission", "offer", "anna", "member", "gardening", NOW, NOW + 2 * HOUR)
STARTED = replace(SCHEDULED, state="in_progress", started_at=NOW)
LINES = (Line("labour", "hour", Decimal("2.5")),)
DONE = replace(STARTED, state="done", completed_at=NOW + HOUR, prestation_id="prestation", lines=LINES)
FAILED, _ = domain.fail(SCHEDULED, "nobody_home", "task", NOW)
CANCELLED = replace(SCHEDULED, state="cancelled", reason="need_cancelled")
OVERDUE, _ = domain.overdue(SCHEDULED, "task", NOW + HOUR)


def kinds(decision: Decision) -> list[type[Fact]]:
    return [type(fact) for fact in decision[1]]


def complete(visit: Visit, lines: tuple[Line, ...] = LINES, started_at: datetime | None = None, completed_at: datetime | None = None) -> Decision:
    return domain.complete(visit, lines, started_at, completed_at, "prestation", NOW + HOUR)


def test_an_acceptance_schedules_the_visit() -> None:
    assert domain.accepted(SCHEDULED, [], None) == (SCHEDULED, [Scheduled()])


def test_an_acceptance_that_lost_schedules_nothing() -> None:
    visit, facts = domain.accepted(SCHEDULED, [], "need_cancelled")
    assert (visit.state, visit.reason, facts) == ("cancelled", "need_cancelled", [])


def test_an_acceptance_while_somebody_else_is_at_work_schedules_nothing() -> None:
    visit, facts = domain.accepted(SCHEDULED, [STARTED], None)
    assert (visit.state, visit.reason, facts) == ("cancelled", "another_accepted", [])


def test_a_reconfirmed_mission_is_scheduled_again() -> None:
    visit, facts = domain.reconfirmed(replace(SCHEDULED, eta=NOW), NOW + HOUR, NOW + 3 * HOUR)
    assert (visit.start, visit.eta, facts) == (NOW + HOUR, None, [Scheduled()])


@pytest.mark.parametrize("visit", [STARTED, DONE, FAILED, CANCELLED])
def test_a_reconfirmation_after_the_start_or_end_is_dropped(visit: Visit) -> None:
    assert domain.reconfirmed(visit, NOW + HOUR, NOW + 3 * HOUR) == (visit, [])


def test_a_cancellation_before_the_start_ends_the_visit_and_says_so() -> None:
    visit, facts = domain.need_cancelled(SCHEDULED)
    assert (visit.state, facts) == ("cancelled", [Failed("need_cancelled")])


@pytest.mark.parametrize("visit", [STARTED, DONE, CANCELLED])
def test_a_cancellation_after_the_start_is_ignored(visit: Visit) -> None:
    assert domain.need_cancelled(visit) == (visit, [])


def test_a_cancellation_closes_the_task_that_a_silent_provider_opened() -> None:
    assert kinds(domain.need_cancelled(OVERDUE)) == [TaskClosed, Failed]


def test_a_cancellation_closes_the_task_of_a_failed_visit() -> None:
    visit, facts = domain.need_cancelled(FAILED)
    assert visit.task is None and [fact.outcome for fact in facts if isinstance(fact, TaskClosed)] == ["need_cancelled"]


def test_a_mission_taken_back_ends_the_visit_in_silence() -> None:
    visit, facts = domain.mission_cancelled(SCHEDULED, "provider_fell_silent")
    assert (visit.state, visit.reason, facts) == ("cancelled", "provider_fell_silent", [])


def test_a_mission_taken_back_after_the_start_is_ignored() -> None:
    assert domain.mission_cancelled(STARTED, "reassigned") == (STARTED, [])


def test_a_visit_starts() -> None:
    assert domain.start(SCHEDULED, NOW) == (STARTED, [Started(NOW)])


def test_a_late_start_closes_its_task() -> None:
    assert kinds(domain.start(OVERDUE, NOW)) == [Started, TaskClosed]


@pytest.mark.parametrize("visit", [STARTED, DONE])
def test_starting_twice_changes_nothing(visit: Visit) -> None:
    assert domain.start(visit, NOW + HOUR) == (visit, [])


def test_a_start_after_the_cancellation_is_refused_by_name() -> None:
    with pytest.raises(NeedCancelled) as refused:
        domain.start(CANCELLED, NOW)
    assert refused.value.code == "need_cancelled"


def test_a_start_after_the_mission_was_taken_back_is_refused() -> None:
    with pytest.raises(MissionCancelled):
        domain.start(replace(CANCELLED, reason="provider_fell_silent"), NOW)


def test_a_failed_visit_does_not_start() -> None:
    with pytest.raises(VisitOver):
        domain.start(FAILED, NOW)


def test_a_started_visit_is_completed() -> None:
    visit, facts = complete(STARTED)
    assert visit == DONE and facts == [Completed(NOW + HOUR), Performed(NOW, NOW + HOUR)]


def test_a_completion_without_a_start_records_the_start_too() -> None:
    visit, facts = complete(SCHEDULED, started_at=NOW + HOUR / 2)
    assert facts == [Started(NOW + HOUR / 2), Completed(NOW + HOUR), Performed(NOW + HOUR / 2, NOW + HOUR)]
    assert (visit.state, visit.started_at) == ("done", NOW + HOUR / 2)


def test_the_same_completion_again_changes_nothing() -> None:
    assert complete(DONE) == (DONE, [])


def test_another_completion_is_refused() -> None:
    with pytest.raises(AlreadyCompleted):
        complete(DONE, (Line("labour", "hour", Decimal(3)),))


def test_a_completion_after_the_cancellation_is_refused() -> None:
    with pytest.raises(NeedCancelled):
        complete(CANCELLED)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"lines": ()}, "no_lines"),
        ({"lines": (Line("labour", "hour", Decimal(0)),)}, "quantity_out_of_range"),
        ({"lines": LINES * 2}, "article_twice"),
        ({"completed_at": NOW + 2 * HOUR}, "ended_in_future"),
        ({"started_at": NOW + HOUR, "completed_at": NOW + HOUR / 2}, "ended_before_start"),
    ],
)
def test_a_completion_that_cannot_be_is_refused(wrong: dict[str, object], code: str) -> None:
    with pytest.raises(Invalid) as refused:
        complete(STARTED, **wrong)  # type: ignore[arg-type]
    assert refused.value.code == code


def test_a_failure_opens_a_task_before_it_is_said() -> None:
    decision = domain.fail(STARTED, "no_access", "task", NOW)
    assert kinds(decision) == [TaskOpened, Failed] and decision[0].task is not None and decision[0].state == "failed"


def test_the_failure_of_a_silent_visit_replaces_its_task() -> None:
    assert kinds(domain.fail(OVERDUE, "provider_absent", "other", NOW)) == [TaskClosed, TaskOpened, Failed]


def test_failing_twice_changes_nothing() -> None:
    assert domain.fail(FAILED, "weather", "other", NOW) == (FAILED, [])


@pytest.mark.parametrize("reason", ["need_cancelled", "bored"])
def test_a_failure_needs_a_reason_of_the_list(reason: str) -> None:
    with pytest.raises(Invalid):
        domain.fail(SCHEDULED, reason, "task", NOW)


def test_a_done_visit_does_not_fail() -> None:
    with pytest.raises(VisitOver):
        domain.fail(DONE, "weather", "task", NOW)


def test_a_new_search_closes_the_task_of_a_failed_visit() -> None:
    assert kinds(domain.search_goes_on(FAILED, "retried")) == [TaskClosed]
    assert domain.search_goes_on(DONE, "retried") == (DONE, [])


def test_the_watchdog_opens_one_task() -> None:
    assert OVERDUE.task is not None and OVERDUE.task.kind == "visit_not_started"
    assert domain.overdue(OVERDUE, "other", NOW + HOUR) == (OVERDUE, [])


@pytest.mark.parametrize("visit", [STARTED, DONE, FAILED, CANCELLED, replace(SCHEDULED, start=NOW + 5 * HOUR)])
def test_the_watchdog_is_silent_when_there_is_nothing_to_wait_for(visit: Visit) -> None:
    assert domain.overdue(visit, "task", NOW + HOUR) == (visit, [])


def test_a_person_settles_the_task() -> None:
    assert kinds(domain.settle(OVERDUE, "done")) == [TaskClosed]
    with pytest.raises(Invalid):
        domain.settle(OVERDUE, "whatever")


def test_an_expected_time_is_told_once() -> None:
    visit, facts = domain.change_eta(SCHEDULED, NOW)
    assert facts == [EtaChanged(NOW)] and domain.change_eta(visit, NOW) == (visit, [])
    with pytest.raises(VisitOver):
        domain.change_eta(STARTED, NOW)


def test_what_was_done_is_corrected_once() -> None:
    other = (Line("labour", "hour", Decimal(2)),)
    visit, facts = domain.correct(DONE, other, "quantity_wrong")
    assert facts == [Corrected("quantity_wrong")] and domain.correct(visit, other, "quantity_wrong") == (visit, [])
    with pytest.raises(NotDone):
        domain.correct(STARTED, other, "quantity_wrong")
    with pytest.raises(Invalid):
        domain.correct(DONE, other, "bored")


def test_a_rating_is_given_once() -> None:
    visit, facts = domain.rate(DONE, 4)
    assert facts == [Rated(4)] and domain.rate(visit, 4) == (visit, [])
    with pytest.raises(AlreadyRated):
        domain.rate(visit, 2)
    with pytest.raises(NotDone):
        domain.rate(STARTED, 4)


# What is said


def told(state: str, **more: object) -> Told:
    known = Told(state, "gardening", "Europe/Paris", NOW, NOW + HOUR, NOW + 3 * HOUR, NOW)
    return replace(known, **more)  # type: ignore[arg-type]


def test_a_time_is_said_in_the_zone_of_the_place() -> None:
    assert "jeudi 26 novembre entre 10 h et 12 h" in sentence(told("scheduled"), "fr").replace("\u00a0", " ")
    assert "jeudi 26 novembre entre 5 h et 7 h" in sentence(told("scheduled", zone="America/Guadeloupe"), "fr").replace("\u00a0", " ")
    assert "on Thursday 26 November between 10:00 and 12:00" in sentence(told("scheduled"), "en")


def test_a_window_over_midnight_names_both_days() -> None:
    text = sentence(told("accepted", end=NOW + 26 * HOUR), "fr").replace("\u00a0", " ")
    assert "du jeudi 26 novembre à 10 h au vendredi 27 novembre à 11 h" in text


def test_a_refusal_says_why() -> None:
    assert sentence(told("refused", reason="units_exhausted"), "fr").endswith(": droits épuisés.")


def test_an_expected_time_replaces_the_window() -> None:
    assert "à 9 h 20" in sentence(told("scheduled", eta=NOW + timedelta(minutes=20)), "fr").replace("\u00a0", " ")


@pytest.mark.parametrize(
    "state", ["open", "covered", "refused", "offered", "unfilled", "accepted", "scheduled", "in_progress", "failed", "performed", "cancelled"]
)
@pytest.mark.parametrize("language", ["fr", "en"])
def test_every_state_has_a_sentence(state: str, language: str) -> None:
    text = sentence(told(state, approval=state == "open"), language)  # type: ignore[arg-type]
    assert text.endswith(".") and "{" not in text and text != state


def steps(state: str, *reached: str, closed: bool = False) -> list[tuple[str, str]]:
    return [(step.state, step.status) for step in ladder(state, dict.fromkeys(reached, NOW), closed, (NOW, NOW + HOUR))]


def test_the_ladder_shows_what_is_done_what_is_now_and_what_comes() -> None:
    assert steps("accepted", "open", "covered", "offered", "accepted") == [
        ("open", "done"), ("covered", "done"), ("offered", "done"), ("accepted", "now"),
        ("scheduled", ""), ("in_progress", ""), ("performed", ""), ("closed", ""),
    ]  # fmt: skip


def test_a_detour_takes_the_place_of_its_step() -> None:
    assert ("unfilled", "now") in steps("unfilled", "open", "covered", "unfilled") and ("offered", "") not in steps("unfilled", "open")


def test_a_cancelled_need_ends_where_it_stood() -> None:
    assert steps("cancelled", "open", "covered", "cancelled") == [("open", "done"), ("covered", "done"), ("cancelled", "now")]


def test_a_closed_case_has_every_step_it_took_behind_it() -> None:
    assert steps("performed", "open", "covered", "performed", closed=True)[-1] == ("closed", "now")
