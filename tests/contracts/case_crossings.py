"""One example per row of the table of crossings: what happened before, and the two stories that then meet in any order."""

from collections.abc import Iterator
from typing import NamedTuple

from contracts import dispatch, intake, reference, tracking
from contracts.case_state.tables import Situation
from contracts.registry import Event
from tests.contracts.case_events import made
from tests.contracts.case_stories import (
    ACCEPTED,
    AMEND,
    AMENDED,
    AT_RISK,
    BORIS_ACCEPTS,
    CANCEL,
    COVERED,
    ELSEWHERE,
    FAIL,
    GIVE_UP,
    NEXT_VISIT,
    OFFER_BORIS,
    OFFERED,
    OPEN,
    PERFORM,
    SCHEDULED,
    START,
    STARTED,
    TAKE_BACK,
    TAKEN_BACK,
    TO_BORIS,
    WORK,
    Story,
)


class Meeting(NamedTuple):
    before: Story
    one: Story
    other: Story

    def orders(self) -> Iterator[Story]:
        """Every log that keeps the order within each story."""
        yield from ([*self.before, *rest] for rest in _merged(self.one, self.other))


def _merged(one: Story, other: Story) -> Iterator[Story]:
    if not one or not other:
        yield [*one, *other]
        return
    yield from ([one[0], *rest] for rest in _merged(one[1:], other))
    yield from ([other[0], *rest] for rest in _merged(one, other[1:]))


def _of(kind: type[Event]) -> Story:
    return [made(kind)]


MEETINGS: dict[tuple[type[Event], Situation], Meeting] = {
    (intake.NeedCancelled, "in_progress"): Meeting(SCHEDULED, CANCEL, START),
    (tracking.VisitStarted, "cancelled"): Meeting(SCHEDULED, CANCEL, START),
    (intake.NeedCancelled, "performed"): Meeting(SCHEDULED, CANCEL, WORK),
    (tracking.PrestationCompleted, "cancelled"): Meeting(SCHEDULED, CANCEL, PERFORM),
    (intake.NeedReinstated, "cancelled"): Meeting(STARTED, [*CANCEL, *_of(intake.NeedReinstated)], FAIL),
    (intake.NeedReinstated, "taken_back"): Meeting(STARTED, [*CANCEL, *_of(intake.NeedReinstated)], [*FAIL, *GIVE_UP]),
    (intake.NeedReinstated, "visit_ahead"): Meeting(STARTED, [*CANCEL, *_of(intake.NeedReinstated)], [*FAIL, *NEXT_VISIT]),
    (dispatch.MissionCancelled, "in_progress"): Meeting(SCHEDULED, TAKE_BACK, START),
    (tracking.VisitStarted, "taken_back"): Meeting(SCHEDULED, TAKE_BACK, START),
    (dispatch.MissionCancelled, "performed"): Meeting(SCHEDULED, TAKE_BACK, WORK),
    (tracking.PrestationCompleted, "taken_back"): Meeting(SCHEDULED, TAKE_BACK, PERFORM),
    (dispatch.MissionOffered, "started_after_all"): Meeting(SCHEDULED, [*TAKE_BACK, *OFFER_BORIS], START),
    (dispatch.MissionAccepted, "started_after_all"): Meeting(SCHEDULED, ELSEWHERE, START),
    (dispatch.MissionUnfilled, "started_after_all"): Meeting(SCHEDULED, [*TAKE_BACK, *_of(dispatch.MissionUnfilled)], START),
    (intake.NeedCancelled, "refused"): Meeting(OPEN, CANCEL, _of(reference.CoverageRefused)),
    (reference.CoverageRefused, "cancelled"): Meeting(OPEN, CANCEL, _of(reference.CoverageRefused)),
    (reference.CoverageGranted, "cancelled"): Meeting(OPEN, CANCEL, _of(reference.CoverageGranted)),
    (reference.ApprovalRequested, "cancelled"): Meeting(OPEN, CANCEL, _of(reference.ApprovalRequested)),
    (reference.ApprovalGranted, "cancelled"): Meeting([*OPEN, *_of(reference.ApprovalRequested)], CANCEL, _of(reference.ApprovalGranted)),
    (reference.ApprovalRefused, "cancelled"): Meeting([*OPEN, *_of(reference.ApprovalRequested)], CANCEL, _of(reference.ApprovalRefused)),
    (dispatch.MissionOffered, "cancelled"): Meeting(COVERED, CANCEL, _of(dispatch.MissionOffered)),
    (dispatch.MissionAccepted, "cancelled"): Meeting(OFFERED, CANCEL, _of(dispatch.MissionAccepted)),
    (dispatch.MissionDeclined, "cancelled"): Meeting(OFFERED, CANCEL, _of(dispatch.MissionDeclined)),
    (dispatch.OfferExpired, "cancelled"): Meeting(OFFERED, CANCEL, _of(dispatch.OfferExpired)),
    (dispatch.MissionUnfilled, "cancelled"): Meeting(COVERED, CANCEL, _of(dispatch.MissionUnfilled)),
    (dispatch.MissionAmended, "cancelled"): Meeting(AMENDED, CANCEL, _of(dispatch.MissionAmended)),
    (dispatch.MissionReconfirmed, "cancelled"): Meeting(AMENDED, CANCEL, _of(dispatch.MissionReconfirmed)),
    (dispatch.MissionAmended, "taken_back"): Meeting(TAKEN_BACK, _of(dispatch.MissionAmended), BORIS_ACCEPTS),
    (dispatch.MissionReconfirmed, "taken_back"): Meeting(TAKEN_BACK, _of(dispatch.MissionReconfirmed), BORIS_ACCEPTS),
    (dispatch.MissionAmended, "second_mission"): Meeting(SCHEDULED, [*ELSEWHERE, made(dispatch.MissionAmended, **TO_BORIS)], START),
    (dispatch.MissionReconfirmed, "second_mission"): Meeting(SCHEDULED, [*ELSEWHERE, made(dispatch.MissionReconfirmed, **TO_BORIS)], START),
    (tracking.VisitScheduled, "cancelled"): Meeting(ACCEPTED, CANCEL, _of(tracking.VisitScheduled)),
    (tracking.VisitScheduled, "taken_back"): Meeting(ACCEPTED, TAKE_BACK, _of(tracking.VisitScheduled)),
    (dispatch.OfferExpired, "offer_accepted"): Meeting(OFFERED, _of(dispatch.OfferExpired), _of(dispatch.MissionAccepted)),
    (dispatch.MissionAccepted, "offer_expired"): Meeting(OFFERED, _of(dispatch.OfferExpired), _of(dispatch.MissionAccepted)),
    (dispatch.OfferWithdrawn, "offer_accepted"): Meeting(OFFERED, _of(dispatch.OfferWithdrawn), _of(dispatch.MissionAccepted)),
    (dispatch.MissionAccepted, "offer_withdrawn"): Meeting(OFFERED, _of(dispatch.OfferWithdrawn), _of(dispatch.MissionAccepted)),
    (intake.NeedAmended, "in_progress"): Meeting(SCHEDULED, AMEND, START),
    (tracking.VisitStarted, "amendment_pending"): Meeting(SCHEDULED, AMEND, START),
    (intake.NeedAmended, "performed"): Meeting(SCHEDULED, AMEND, PERFORM),
    (tracking.PrestationCompleted, "amendment_pending"): Meeting(SCHEDULED, AMEND, PERFORM),
    (dispatch.MissionAmended, "in_progress"): Meeting(AMENDED, _of(dispatch.MissionAmended), START),
    (dispatch.MissionAmended, "performed"): Meeting(AMENDED, _of(dispatch.MissionAmended), WORK),
    (dispatch.MissionReconfirmed, "in_progress"): Meeting(AMENDED, _of(dispatch.MissionReconfirmed), START),
    (dispatch.MissionReconfirmed, "performed"): Meeting(AMENDED, _of(dispatch.MissionReconfirmed), WORK),
    (intake.NeedAtRisk, "granted"): Meeting(OPEN, AT_RISK, _of(reference.CoverageGranted)),
    (intake.NeedAtRisk, "refused"): Meeting(OPEN, AT_RISK, _of(reference.CoverageRefused)),
    (intake.CaseClosed, "revived"): Meeting(SCHEDULED, [*CANCEL, *_of(intake.CaseClosed)], START),
}
