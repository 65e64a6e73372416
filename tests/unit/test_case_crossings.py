"""Who wins when two events of a case meet."""

from collections.abc import Sequence
from decimal import Decimal

import pytest

from contracts.dispatch import MissionAccepted, MissionAmended, MissionCancelled, MissionReconfirmed, MissionUnfilled, OfferExpired, OfferWithdrawn
from contracts.intake import CaseClosed, NeedAmended, NeedCancelled, NeedReinstated
from contracts.reference import CoverageReleased
from contracts.registry import Event
from contracts.tracking import PrestationCompleted, VisitFailed, VisitScheduled, VisitStarted
from tests.contracts.case_events import ANNA, BORIS, BREST, NEXT_WEEK, OFFER_TO_ANNA, SECOND_VISIT, TOMORROW, made
from tests.contracts.case_stories import (
    ACCEPTED,
    BORIS_ACCEPTS,
    COVERED,
    FAILED,
    OFFER_BORIS,
    OFFERED,
    OPEN,
    SCHEDULED,
    STARTED,
    TO_BORIS,
    anomalies_of,
    case_of,
    crossings_of,
    need_of,
)

MOVED = made(NeedAmended, wanted=NEXT_WEEK, place=BREST)


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
    elsewhere = [made(MissionCancelled), *OFFER_BORIS, *BORIS_ACCEPTS]
    need = need_of(*SCHEDULED, *elsewhere, made(VisitStarted))
    assert (need.state, need.provider_id) == ("in_progress", ANNA)
    assert crossings_of(*SCHEDULED, *elsewhere, made(VisitStarted)) == [("cancel_start", "visit")]


def test_when_the_visit_of_a_mission_taken_back_fails_dispatch_goes_on() -> None:
    outrun = [*SCHEDULED, made(MissionCancelled), made(VisitStarted), made(VisitFailed)]
    assert need_of(*outrun).state == "failed"
    assert need_of(*outrun, *OFFER_BORIS).state == "offered"
    assert need_of(*outrun, made(MissionUnfilled)).state == "unfilled"
    next_visit = need_of(*outrun, made(VisitScheduled, visit_id=SECOND_VISIT, appointment=NEXT_WEEK))
    assert (next_visit.state, next_visit.appointment) == ("scheduled", NEXT_WEEK)
    early = [*SCHEDULED, made(MissionCancelled), *OFFER_BORIS, made(VisitStarted), *BORIS_ACCEPTS, made(VisitFailed)]
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
    need = need_of(*OFFERED, made(OfferExpired), *OFFER_BORIS, made(MissionAccepted))
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
