"""What the fold says of a case, scenario by scenario."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from contracts.billing import BillApproved, BillPrepared, CaseInvoiced, CasePaid, ChargeRecorded
from contracts.case_state import EVENTS_IN_FOLD, IGNORED, Waiting, apply, from_json, to_json
from contracts.common import TaskClosed, TaskOpened
from contracts.dispatch import MissionAccepted, MissionCancelled, MissionDeclined, MissionOffered, MissionUnfilled, OfferExpired, OfferWithdrawn
from contracts.intake import CaseClosed, CaseOpened, CaseReopened, NeedAdded, NeedAtRisk, NeedCancelled, NoteAdded
from contracts.reference import ApprovalGranted, ApprovalRequested, CoverageConsumed, CoverageGranted, CoverageRefused, CoverageReleased, PersonErased
from contracts.registry import Event, load
from contracts.tracking import EtaChanged, PrestationCorrected, SatisfactionGiven, VisitCompleted, VisitScheduled, VisitStarted
from tests.contracts.case_events import (
    ANNA,
    BORIS,
    DONE,
    NEED,
    NEXT_WEEK,
    NOW,
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
from tests.contracts.case_stories import (
    ACCEPTED,
    BORIS_ACCEPTS,
    COVERED,
    FAILED,
    OFFER_BORIS,
    OFFERED,
    OPEN,
    PERFORMED,
    SCHEDULED,
    STARTED,
    TO_BORIS,
    anomalies_of,
    case_of,
    need_of,
)


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


def test_a_reversed_bill_or_charge_stands_until_the_right_one_comes() -> None:
    billed = [*PERFORMED, made(BillPrepared), made(BillApproved)]
    reversal = made(BillPrepared, bill_id=uid(74), gross_cents=-12_000, reverses=uid(70))
    reversed_ = need_of(*billed, reversal, made(BillApproved, bill_id=uid(74))).money
    assert (reversed_.bill_id, reversed_.bill, reversed_.payable_gross_cents) == (uid(70), "approved", 12_000)
    charged = [made(ChargeRecorded), made(CaseInvoiced), made(ChargeRecorded, charge_id=uid(76), reverses=uid(71))]
    assert need_of(*PERFORMED, *charged).money.invoiced
    assert not need_of(*PERFORMED, *charged, made(ChargeRecorded, charge_id=uid(77))).money.invoiced
    right = need_of(*billed, reversal, made(BillPrepared, bill_id=uid(75), gross_cents=9_000)).money
    assert (right.bill_id, right.bill, right.payable_gross_cents) == (uid(75), "prepared", 9_000)


def test_a_corrected_prestation_replaces_its_lines_and_satisfaction_changes_nothing() -> None:
    need = need_of(*PERFORMED, made(PrestationCorrected, lines=[]), made(SatisfactionGiven))
    assert (need.state, need.lines) == ("performed", ())


# Waiting


def test_waiting_since_is_kept_while_neither_state_nor_person_changes() -> None:
    need = need_of(*SCHEDULED, made(EtaChanged), made(VisitScheduled, appointment=NEXT_WEEK))
    assert need.waiting == Waiting("provider", since=minute(5), next=NEXT_WEEK.start)


def test_an_offered_need_waits_until_its_earliest_live_offer_expires() -> None:
    both = [*OFFERED, *OFFER_BORIS]
    assert need_of(*both).waiting == Waiting("provider", minute(3), NOW + timedelta(minutes=10))
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
    assert need_of(*OFFERED, *OFFER_BORIS, made(kind)).state == "offered"


def test_the_other_offers_may_end_after_an_acceptance() -> None:
    need = need_of(*OFFERED, *OFFER_BORIS, made(MissionAccepted), made(OfferWithdrawn, **TO_BORIS))
    assert (need.state, need.provider_id) == ("accepted", ANNA)
    assert {offer.provider_id: offer.status for offer in need.offers.values()} == {ANNA: "accepted", BORIS: "withdrawn"}


def test_a_mission_taken_back_goes_to_the_next_provider_or_to_an_agent() -> None:
    again = need_of(*SCHEDULED, made(MissionCancelled, again=True))
    assert (again.state, again.provider_id, again.appointment, again.visit) == ("covered", None, None, None)
    assert need_of(*SCHEDULED, made(MissionCancelled, again=False)).state == "unfilled"
    assert need_of(*SCHEDULED, made(MissionCancelled), *OFFER_BORIS, *BORIS_ACCEPTS).provider_id == BORIS


def test_after_a_failed_visit_there_is_another_visit_or_another_provider() -> None:
    assert need_of(*FAILED, made(VisitScheduled, visit_id=SECOND_VISIT)).state == "scheduled"
    offered = need_of(*FAILED, *OFFER_BORIS)
    assert (offered.state, offered.provider_id) == ("offered", None)
    assert need_of(*FAILED, *OFFER_BORIS, *BORIS_ACCEPTS).provider_id == BORIS


def test_two_acceptances_at_once_are_a_bug_of_the_owner() -> None:
    assert anomalies_of(*OFFERED, *OFFER_BORIS, made(MissionAccepted), *BORIS_ACCEPTS) == ["second_acceptance"]


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
    assert anomalies_of(*OPEN, made(PersonErased, requested_at=NOW)) == ["not_of_a_case"]


def test_every_event_of_the_topic_cases_is_folded_or_ignored_on_purpose() -> None:
    of_cases = {kind for kind in load().values() if kind.EVENT.topic == "cases"}
    assert of_cases == EVENTS_IN_FOLD
    assert {NoteAdded} == IGNORED


def test_the_fold_survives_storage_exactly() -> None:
    state = case_of(*PERFORMED, made(BillPrepared), made(NeedCancelled), made(TaskOpened), made(MissionOffered))
    assert from_json(to_json(state)) == state
