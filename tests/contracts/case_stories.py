"""What happens to a need, told in pieces that follow each other or meet."""

from datetime import timedelta

from contracts import dispatch, intake, reference, tracking
from contracts.case_state import CaseState, NeedState
from contracts.registry import Event
from tests.contracts.case_events import BORIS, BREST, DONE, NEED, NEXT_WEEK, NOW, OFFER_TO_BORIS, SECOND_VISIT, folded, log_of, made, uid

Story = list[Event]

OPEN: Story = [made(intake.CaseOpened), made(intake.NeedAdded)]
COVERED: Story = [*OPEN, made(reference.CoverageGranted)]
OFFERED: Story = [*COVERED, made(dispatch.MissionOffered)]
ACCEPTED: Story = [*OFFERED, made(dispatch.MissionAccepted)]
SCHEDULED: Story = [*ACCEPTED, made(tracking.VisitScheduled)]
STARTED: Story = [*SCHEDULED, made(tracking.VisitStarted)]
PERFORMED: Story = [*STARTED, made(tracking.VisitCompleted), made(tracking.PrestationCompleted, lines=DONE)]
FAILED: Story = [*SCHEDULED, made(tracking.VisitFailed, reason="nobody_home")]
AMENDED: Story = [*SCHEDULED, made(intake.NeedAmended, wanted=NEXT_WEEK)]

CANCEL: Story = [made(intake.NeedCancelled)]
AMEND: Story = [made(intake.NeedAmended, wanted=NEXT_WEEK, place=BREST)]
AT_RISK: Story = [made(intake.NeedAtRisk)]
START: Story = [made(tracking.VisitStarted)]
FAIL: Story = [made(tracking.VisitFailed)]
PERFORM: Story = [made(tracking.PrestationCompleted)]
NEXT_VISIT: Story = [made(tracking.VisitScheduled, visit_id=SECOND_VISIT)]
WORK: Story = [*START, made(tracking.VisitCompleted), *PERFORM]
TAKE_BACK: Story = [made(dispatch.MissionCancelled, again=True)]
GIVE_UP: Story = [made(dispatch.MissionCancelled, again=False)]
TO_BORIS = {"mission_id": uid(31), "offer_id": OFFER_TO_BORIS, "provider_id": BORIS}
OFFER_BORIS: Story = [made(dispatch.MissionOffered, **TO_BORIS, attempt=2, expires_at=NOW + timedelta(minutes=10))]
BORIS_ACCEPTS: Story = [made(dispatch.MissionAccepted, **TO_BORIS, appointment=NEXT_WEEK)]
ELSEWHERE: Story = [*TAKE_BACK, *OFFER_BORIS, *BORIS_ACCEPTS]
TAKEN_BACK: Story = [*SCHEDULED, *TAKE_BACK, *START, *FAIL, *OFFER_BORIS]  # what dispatch reads last of all is the start


def case_of(*events: Event) -> CaseState:
    return folded(log_of(*events))


def need_of(*events: Event) -> NeedState:
    """The need after a history in which nothing impossible happened."""
    case = case_of(*events)
    assert case.anomalies == ()
    return case.needs[NEED]


def crossings_of(*events: Event) -> list[tuple[str, str]]:
    """Kind and winner of each crossing of a history in which nothing impossible happened."""
    case = case_of(*events)
    assert case.anomalies == ()
    return [(crossing.kind, crossing.winner) for crossing in case.crossings]


def anomalies_of(*events: Event) -> list[str]:
    return [anomaly.why for anomaly in case_of(*events).anomalies]
