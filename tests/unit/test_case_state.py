"""What the fold says of a case, scenario by scenario."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from contracts.billing import BillPrepared, CaseInvoiced, CasePaid, ChargeRecorded
from contracts.case_state import EVENTS_IN_FOLD, IGNORED, CaseState, NeedState, Waiting, apply, from_json, to_json
from contracts.common import TaskClosed, TaskOpened
from contracts.dispatch import (
    MissionAccepted,
    MissionAmended,
    MissionCancelled,
    MissionDeclined,
    MissionOffered,
    MissionReconfirmed,
    MissionUnfilled,
    OfferExpired,
    OfferWithdrawn,
)
from contracts.intake import (
    CaseClosed,
    CaseOpened,
    CaseReopened,
    NeedAdded,
    NeedAmended,
    NeedAtRisk,
    NeedCancelled,
    NeedReinstated,
    NoteAdded,
)
from contracts.reference import (
    ApprovalGranted,
    ApprovalRequested,
    CoverageConsumed,
    CoverageGranted,
    CoverageRefused,
    CoverageReleased,
    PrincipalChanged,
)
from contracts.registry import Event, load
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
from tests.contracts.case_events import (
    ANNA,
    BORIS,
    BREST,
    DONE,
    NEED,
    NEXT_WEEK,
    NOW,
    OFFER_TO_ANNA,
    OFFER_TO_BORIS,
    OTHER_CASE,
    SECOND_NEED,
    SECOND_VISIT,
    TOMORROW,
    Log,
    folded,
    log_of,
    made,
    uid,
)

OPEN: list[Event] = [made(CaseOpened), made(NeedAdded)]
COVERED = [*OPEN, made(CoverageGranted)]
OFFERED = [*COVERED, made(MissionOffered)]
ACCEPTED = [*OFFERED, made(MissionAccepted)]
SCHEDULED = [*ACCEPTED, made(VisitScheduled)]
STARTED = [*SCHEDULED, made(VisitStarted)]
PERFORMED = [*STARTED, made(VisitCompleted), made(PrestationCompleted, lines=DONE)]
FAILED = [*SCHEDULED, made(VisitFailed, reason="nobody_home")]

TO_BORIS = {"offer_id": OFFER_TO_BORIS, "provider_id": BORIS}
OFFER_BORIS = made(MissionOffered, **TO_BORIS, attempt=2, expires_at=NOW + timedelta(minutes=10))
BORIS_ACCEPTS = made(MissionAccepted, **TO_BORIS, appointment=NEXT_WEEK)
MOVED = made(NeedAmended, wanted=NEXT_WEEK, place=BREST)


def case_of(*events: Event) -> CaseState:
    return folded(log_of(*events))


def need_of(*events: Event) -> NeedState:
    """The need after a history in which nothing impossible happened."""
    case = case_of(*events)
    assert case.anomalies == ()
    return case.needs[NEED]


def crossings_of(*events: Event) -> list[tuple[str, str]]:
    case = case_of(*events)
    assert case.anomalies == ()
    return [(crossing.kind, crossing.winner) for crossing in case.crossings]


def anomalies_of(*events: Event) -> list[str]:
    return [anomaly.why for anomaly in case_of(*events).anomalies]


def minute(number: int) -> datetime:
    """When `Log` dates the record of that rank."""
    return NOW + timedelta(minutes=number)


# The straight way


@pytest.mark.parametrize(
    ("history", "state", "waits_for"),
    [
        (OPEN, "open", "system"),
        (COVERED, "covered", "system"),
        ([*OPEN, made(CoverageRefused)], "refused", None),
        (OFFERED, "offered", "provider"),
        ([*COVERED, made(MissionUnfilled)], "unfilled", "agent"),
        (ACCEPTED, "accepted", "system"),
        (SCHEDULED, "scheduled", "provider"),
        (STARTED, "in_progress", "provider"),
        ([*STARTED, made(VisitCompleted)], "in_progress", "provider"),
        (FAILED, "failed", "agent"),
        (PERFORMED, "performed", None),
        ([*OPEN, made(NeedCancelled)], "cancelled", None),
    ],
)
def test_each_state_is_reached_and_waits_for_the_right_one(history: Sequence[Event], state: str, waits_for: str | None) -> None:
    need = need_of(*history)
    assert need.state == state
    assert (need.waiting.for_ if need.waiting else None) == waits_for


def test_a_performed_need_knows_who_did_what_and_when_each_step_was_reached() -> None:
    need = need_of(*PERFORMED)
    assert (need.provider_id, need.appointment, need.lines) == (ANNA, TOMORROW, tuple(DONE))
    assert need.visit is not None
    assert (need.visit.started_at, need.visit.completed_at) == (TOMORROW.start, TOMORROW.end)
    assert list(need.reached) == ["open", "covered", "offered", "accepted", "scheduled", "in_progress", "performed"]
    assert need.reached["covered"] == minute(2)
    assert need.last_event_at == minute(len(PERFORMED) - 1)


def test_money_follows_from_bill_charge_invoice_and_payment() -> None:
    money = need_of(
        *PERFORMED,
        made(CoverageConsumed),
        made(BillPrepared, gross_cents=12_000),
        made(ChargeRecorded, gross_cents=9_000, member_gross_cents=3_000),
        made(CaseInvoiced),
        made(CasePaid),
    ).money
    assert (money.payable_gross_cents, money.charge_gross_cents, money.member_gross_cents) == (12_000, 9_000, 3_000)
    assert (money.invoiced, money.paid) == (True, True)


def test_a_corrected_prestation_replaces_its_lines_and_satisfaction_changes_nothing() -> None:
    need = need_of(*PERFORMED, made(PrestationCorrected, lines=[]), made(SatisfactionGiven))
    assert (need.state, need.lines) == ("performed", ())


# Waiting


def test_waiting_since_is_kept_while_neither_state_nor_person_changes() -> None:
    need = need_of(*SCHEDULED, made(EtaChanged), made(VisitScheduled, appointment=NEXT_WEEK))
    assert need.waiting == Waiting("provider", since=minute(5), next=NEXT_WEEK.start)


def test_an_offered_need_waits_until_its_earliest_live_offer_expires() -> None:
    both = [*OFFERED, OFFER_BORIS]
    assert need_of(*both).waiting == Waiting("provider", minute(3), OFFER_BORIS.expires_at)
    declined = need_of(*both, made(MissionDeclined, **TO_BORIS))
    assert declined.state == "offered"
    assert declined.waiting == Waiting("provider", minute(3), made(MissionOffered).expires_at)


def test_an_approval_makes_an_open_need_wait_for_the_principal_until_it_is_due() -> None:
    asked = [*OPEN, made(ApprovalRequested)]
    assert need_of(*asked).waiting == Waiting("principal", minute(2), made(ApprovalRequested).due_at)
    answered = need_of(*asked, made(ApprovalGranted)).waiting
    assert answered == Waiting("system", minute(3), minute(4))


def test_what_waits_for_an_agent_is_looked_at_again_after_a_quarter_of_an_hour() -> None:
    assert need_of(*COVERED, made(MissionUnfilled)).waiting == Waiting("agent", minute(3), minute(18))


def test_a_clock_at_the_end_of_time_does_not_break_the_fold() -> None:
    log = Log()
    end = datetime.max.replace(tzinfo=UTC)
    for event in OPEN:
        log.write(event, at=end)
    assert folded(log.records).needs[NEED].waiting == Waiting("system", end, end)


# The case and its needs


def test_the_case_shows_the_need_furthest_from_done_and_waits_for_a_person_first() -> None:
    second = made(NeedAdded, need_id=SECOND_NEED, rank=2)
    granted, unfilled = made(CoverageGranted, need_id=SECOND_NEED), made(MissionUnfilled, need_id=SECOND_NEED)
    case = case_of(*SCHEDULED, second, granted, unfilled)
    assert case.state == "unfilled"
    assert case.waiting == case.needs[SECOND_NEED].waiting
    assert case.waiting is not None
    assert case.waiting.for_ == "agent"


def test_a_refused_need_does_not_hide_one_that_is_still_open() -> None:
    second = made(NeedAdded, need_id=SECOND_NEED, rank=2)
    case = case_of(*SCHEDULED, second, made(CoverageRefused, need_id=SECOND_NEED))
    assert case.state == "scheduled"


def test_a_case_is_closed_once_no_need_is_open_and_open_again_with_a_new_need() -> None:
    closed = [*PERFORMED, made(CaseClosed)]
    assert case_of(*closed).state == "closed"
    reopened = case_of(*closed, made(CaseReopened), made(NeedAdded, need_id=SECOND_NEED, rank=2))
    assert (reopened.state, reopened.closed, reopened.anomalies) == ("open", False, ())


def test_closing_a_case_with_an_open_need_is_an_anomaly_and_hides_nothing() -> None:
    case = case_of(*SCHEDULED, made(CaseClosed))
    assert case.state == "scheduled"
    assert [anomaly.why for anomaly in case.anomalies] == ["closed_with_an_open_need"]


def test_open_tasks_are_kept_until_they_are_closed() -> None:
    opened = [*OPEN, made(TaskOpened, task_id=uid(90), kind="settle"), made(TaskOpened, task_id=uid(91), kind="call_back")]
    assert case_of(*opened).tasks == {uid(90): "settle", uid(91): "call_back"}
    assert case_of(*opened, made(TaskClosed, task_id=uid(90))).tasks == {uid(91): "call_back"}
    assert anomalies_of(*OPEN, made(TaskClosed)) == ["unknown_task"]


def test_a_note_changes_only_what_was_seen() -> None:
    before, after = case_of(*OPEN), case_of(*OPEN, made(NoteAdded))
    assert (after.needs, after.anomalies, after.seen) == (before.needs, (), {"intake": 3})


# Looking for a provider


@pytest.mark.parametrize("kind", [MissionDeclined, OfferExpired, OfferWithdrawn])
def test_when_the_last_live_offer_ends_the_need_is_covered_again(kind: type[Event]) -> None:
    assert need_of(*OFFERED, made(kind)).state == "covered"
    assert need_of(*OFFERED, OFFER_BORIS, made(kind)).state == "offered"


def test_the_other_offers_may_end_after_an_acceptance() -> None:
    need = need_of(*OFFERED, OFFER_BORIS, made(MissionAccepted), made(OfferWithdrawn, **TO_BORIS))
    assert (need.state, need.provider_id) == ("accepted", ANNA)
    assert {offer.provider_id: offer.status for offer in need.offers.values()} == {ANNA: "accepted", BORIS: "withdrawn"}


def test_a_mission_taken_back_goes_to_the_next_provider_or_to_an_agent() -> None:
    again = need_of(*SCHEDULED, made(MissionCancelled, again=True))
    assert (again.state, again.provider_id, again.appointment, again.visit) == ("covered", None, None, None)
    assert need_of(*SCHEDULED, made(MissionCancelled, again=False)).state == "unfilled"
    assert need_of(*SCHEDULED, made(MissionCancelled), OFFER_BORIS, BORIS_ACCEPTS).provider_id == BORIS


def test_after_a_failed_visit_there_is_another_visit_or_another_provider() -> None:
    assert need_of(*FAILED, made(VisitScheduled, visit_id=SECOND_VISIT)).state == "scheduled"
    offered = need_of(*FAILED, OFFER_BORIS)
    assert (offered.state, offered.provider_id) == ("offered", None)
    assert need_of(*FAILED, OFFER_BORIS, BORIS_ACCEPTS).provider_id == BORIS


def test_two_acceptances_at_once_are_a_bug_of_the_owner() -> None:
    assert anomalies_of(*OFFERED, OFFER_BORIS, made(MissionAccepted), BORIS_ACCEPTS) == ["second_acceptance"]


# Coverage


def test_going_on_at_risk_counts_as_covered_until_the_decision_confirms_it() -> None:
    at_risk = [*OPEN, made(NeedAtRisk)]
    assert (need_of(*at_risk).state, need_of(*at_risk).at_risk) == ("covered", True)
    confirmed = need_of(*at_risk, made(MissionOffered), made(CoverageGranted))
    assert (confirmed.state, confirmed.at_risk) == ("offered", False)


def test_a_refusal_after_going_on_at_risk_keeps_the_state_and_is_remembered() -> None:
    need = need_of(*OPEN, made(NeedAtRisk), made(MissionOffered), made(CoverageRefused, reason="contract_ended"))
    assert (need.state, need.at_risk) == ("offered", True)
    assert need.coverage is not None
    assert need.coverage.refusal == "contract_ended"


def test_a_refused_need_is_covered_by_goodwill() -> None:
    assert need_of(*OPEN, made(CoverageRefused), made(CoverageGranted)).state == "covered"


def test_only_the_decision_that_is_released_loses_its_units() -> None:
    kept = need_of(*COVERED, made(CoverageReleased, decision_id=uid(63))).coverage
    given_back = need_of(*COVERED, made(CoverageReleased)).coverage
    assert kept is not None
    assert given_back is not None
    assert (kept.released, given_back.released) == (False, True)


# Cancelling


@pytest.mark.parametrize("history", [OPEN, COVERED, OFFERED, ACCEPTED, SCHEDULED, FAILED])
def test_a_need_can_be_cancelled_until_a_visit_starts(history: Sequence[Event]) -> None:
    assert need_of(*history, made(NeedCancelled)).state == "cancelled"
    assert crossings_of(*history, made(NeedCancelled)) == []


def test_the_answers_to_a_cancellation_are_no_crossings() -> None:
    answers = [made(MissionCancelled, again=False), made(VisitFailed), made(CoverageReleased)]
    assert need_of(*SCHEDULED, made(NeedCancelled), *answers).state == "cancelled"
    assert crossings_of(*SCHEDULED, made(NeedCancelled), *answers) == []
    assert crossings_of(*OFFERED, made(NeedCancelled), made(OfferWithdrawn)) == []


def test_an_acceptance_that_meets_a_cancellation_loses_but_is_remembered() -> None:
    need = need_of(*OFFERED, made(NeedCancelled), made(MissionAccepted))
    assert need.state == "cancelled"
    assert need.offers[OFFER_TO_ANNA].status == "accepted"
    assert crossings_of(*OFFERED, made(NeedCancelled), made(MissionAccepted)) == [("cancel_accept", "cancellation")]


def test_a_started_visit_wins_over_a_cancellation_in_both_orders() -> None:
    for pair in ([made(NeedCancelled), made(VisitStarted)], [made(VisitStarted), made(NeedCancelled)]):
        assert need_of(*SCHEDULED, *pair).state == "in_progress"
        assert crossings_of(*SCHEDULED, *pair) == [("cancel_start", "visit")]
        reinstated = need_of(*SCHEDULED, *pair, made(NeedReinstated), made(PrestationCompleted))
        assert reinstated.state == "performed"


def test_reinstating_a_need_whose_visit_never_started_is_an_anomaly() -> None:
    assert anomalies_of(*SCHEDULED, made(NeedReinstated)) == ["not_started"]


@pytest.mark.parametrize(("answers", "state"), [([], "failed"), ([made(MissionCancelled, again=False)], "unfilled")], ids=["before", "after"])
def test_a_need_reinstated_after_its_started_visit_failed_waits_for_an_agent(answers: Sequence[Event], state: str) -> None:
    need = need_of(*STARTED, made(VisitFailed), made(NeedCancelled), *answers, made(NeedReinstated))
    assert need.state == state
    assert need.waiting is not None
    assert need.waiting.for_ == "agent"


def test_a_visit_that_starts_after_its_mission_was_taken_back_goes_on() -> None:
    elsewhere = [made(MissionCancelled), OFFER_BORIS, BORIS_ACCEPTS]
    need = need_of(*SCHEDULED, *elsewhere, made(VisitStarted))
    assert (need.state, need.provider_id) == ("in_progress", ANNA)
    assert crossings_of(*SCHEDULED, *elsewhere, made(VisitStarted)) == [("cancel_start", "visit")]


def test_when_the_visit_of_a_mission_taken_back_fails_dispatch_goes_on() -> None:
    outrun = [*SCHEDULED, made(MissionCancelled), made(VisitStarted), made(VisitFailed)]
    assert need_of(*outrun).state == "failed"
    assert need_of(*outrun, OFFER_BORIS).state == "offered"
    assert need_of(*outrun, made(MissionUnfilled)).state == "unfilled"
    early = [*SCHEDULED, made(MissionCancelled), OFFER_BORIS, made(VisitStarted), BORIS_ACCEPTS, made(VisitFailed)]
    scheduled = need_of(*early, made(VisitScheduled, **TO_BORIS, visit_id=SECOND_VISIT))
    assert (scheduled.state, scheduled.provider_id) == ("scheduled", BORIS)


def test_closing_a_case_whose_cancelled_need_has_started_is_a_crossing() -> None:
    cancelled_and_closed = [made(NeedCancelled), made(CaseClosed)]
    history = [*STARTED, *cancelled_and_closed]
    assert crossings_of(*history) == [("cancel_start", "visit"), ("close_revive", "need")]
    assert case_of(*history).state == case_of(*SCHEDULED, *cancelled_and_closed, made(VisitStarted)).state == "in_progress"


# Expiring


@pytest.mark.parametrize(("end", "kind"), [(OfferExpired, "expire_accept"), (OfferWithdrawn, "withdraw_accept")])
def test_an_acceptance_wins_over_the_end_of_its_offer_in_both_orders(end: type[Event], kind: str) -> None:
    for pair in ([made(end), made(MissionAccepted)], [made(MissionAccepted), made(end)]):
        assert need_of(*OFFERED, *pair).state == "accepted"
        assert crossings_of(*OFFERED, *pair) == [(kind, "acceptance")]


def test_an_expired_offer_is_still_accepted_while_the_next_provider_thinks() -> None:
    need = need_of(*OFFERED, made(OfferExpired), OFFER_BORIS, made(MissionAccepted))
    assert (need.state, need.provider_id) == ("accepted", ANNA)


# Amending


def test_an_amendment_applies_at_once_while_nobody_has_accepted() -> None:
    need = need_of(*OFFERED, MOVED)
    assert (need.wanted, need.place, need.pending_amendment) == (NEXT_WEEK, BREST, None)


def test_an_amendment_of_an_accepted_mission_waits_for_the_provider() -> None:
    amended = [*SCHEDULED, MOVED, made(MissionAmended)]
    asked = need_of(*amended)
    assert asked.wanted == TOMORROW
    assert asked.pending_amendment is not None
    agreed = need_of(*amended, made(MissionReconfirmed, appointment=NEXT_WEEK))
    assert (agreed.wanted, agreed.appointment, agreed.pending_amendment) == (NEXT_WEEK, NEXT_WEEK, None)
    handed_back = need_of(*amended, made(MissionCancelled))
    assert (handed_back.state, handed_back.wanted) == ("covered", NEXT_WEEK)


def test_amending_back_to_what_was_agreed_leaves_nothing_pending() -> None:
    assert need_of(*SCHEDULED, MOVED, made(NeedAmended)).pending_amendment is None


def test_a_start_wins_over_an_amendment_in_both_orders() -> None:
    for pair in ([MOVED, made(VisitStarted)], [made(VisitStarted), MOVED]):
        need = need_of(*SCHEDULED, *pair)
        assert (need.state, need.wanted, need.pending_amendment) == ("in_progress", TOMORROW, None)
        assert crossings_of(*SCHEDULED, *pair) == [("amend_start", "visit")]


def test_an_amendment_that_changes_nothing_crosses_nothing() -> None:
    assert crossings_of(*STARTED, made(NeedAmended, quantity=Decimal("2.50"))) == []


# Duplicates, gaps, what cannot happen and what is not understood


def test_a_record_seen_before_gives_the_same_object_back() -> None:
    records = log_of(*SCHEDULED)
    state = folded(records)
    assert all(apply(state, record) is state for record in records)


def test_a_missing_record_is_an_anomaly_and_the_rest_is_folded() -> None:
    records = log_of(*OFFERED, made(MissionDeclined), made(MissionUnfilled))
    state = folded(record for record in records if not isinstance(record.data, MissionDeclined))
    assert [anomaly.why for anomaly in state.anomalies] == ["gap", "not_in_offered"]
    assert state.seen["dispatch"] == 3


def test_a_type_of_a_later_release_is_kept_for_later_and_nothing_else_changes() -> None:
    log = Log()
    for event in OPEN:
        log.write(event)
    before = folded(log.records)
    unknown = log.write_unknown("tracking.visit_paused.v3")
    after = folded(log.records)
    assert after.not_understood == ((unknown.envelope.id, "tracking.visit_paused.v3"),)
    assert (after.needs, after.anomalies) == (before.needs, ())


@pytest.mark.parametrize(
    ("history", "why"),
    [
        ([made(NeedAdded)], "not_opened"),
        ([*OPEN, made(CaseOpened)], "opened_twice"),
        ([*OPEN, made(NeedAdded)], "need_added_twice"),
        ([*OPEN, made(CoverageGranted, need_id=SECOND_NEED)], "unknown_need"),
        ([*OPEN, made(CoverageGranted, case_id=OTHER_CASE)], "other_case"),
        ([*OPEN, made(CaseReopened)], "reopened_while_open"),
        ([*OPEN, made(MissionOffered)], "not_in_open"),
        ([*COVERED, made(MissionAccepted)], "offer_unknown"),
        ([*OFFERED, made(MissionOffered)], "offer_again"),
        ([*OFFERED, made(MissionDeclined), made(OfferExpired)], "offer_over"),
        ([*SCHEDULED, made(VisitStarted, provider_id=BORIS)], "other_mission"),
        ([*OPEN, made(NeedCancelled), made(NeedCancelled)], "not_in_cancelled"),
        ([*OPEN, made(NeedAtRisk), made(NeedAtRisk)], "not_in_covered"),
        ([*SCHEDULED, made(BillPrepared)], "not_in_scheduled"),
    ],
)
def test_what_cannot_happen_is_an_anomaly_and_changes_no_need(history: Sequence[Event], why: str) -> None:
    assert anomalies_of(*history) == [why]
    assert case_of(*history).needs == case_of(*history[:-1]).needs


def test_an_event_of_another_topic_is_an_anomaly() -> None:
    principal = PrincipalChanged.model_construct(principal_id=uid(4))
    assert anomalies_of(*OPEN, principal) == ["not_of_a_case"]


def test_every_event_of_the_topic_cases_is_folded_or_ignored_on_purpose() -> None:
    of_cases = {kind for kind in load().values() if kind.EVENT.topic == "cases"}
    assert of_cases == EVENTS_IN_FOLD
    assert {NoteAdded} == IGNORED


def test_the_fold_survives_storage_exactly() -> None:
    state = case_of(*PERFORMED, made(BillPrepared), made(NeedCancelled), made(TaskOpened), made(MissionOffered))
    assert from_json(to_json(state)) == state
