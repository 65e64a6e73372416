"""The two tables of the fold: where an event is expected, and who wins where two legal events cross.

A situation is the state of the need, or what says more about the event at hand (`situations.py` finds it). An event
whose situation stands in neither table cannot happen: an anomaly, and nothing changes.
"""

from typing import Literal, NamedTuple

from contracts import billing, dispatch, intake, reference, tracking
from contracts.case_state.states import State
from contracts.registry import Event

Situation = Literal[
    State,
    "unchanged",  # the amendment repeats the wish of a started need
    "amendment_pending",  # the provider has not yet agreed to the last amendment
    "granted",  # reference granted before intake went on at risk
    "at_risk",  # intake went on before reference refused
    "visit_ahead",  # a first visit started and failed, the next one is scheduled
    "not_started",  # no visit ever started
    "offer_again",
    "offer_unknown",
    "offer_last",  # the only live offer of an offered need ends
    "offer_accepted",  # the offer that ends was accepted
    "offer_expired",
    "offer_withdrawn",
    "offer_over",
    "second_acceptance",
    "again",  # an accepted mission is taken back and dispatch goes on looking
    "no_more",  # an accepted mission is taken back for good
    "second_mission",  # the event is about a mission accepted while the visit of another one was starting
    "taken_back",  # the event is about a mission that was taken back
    "started_after_all",  # the need is held by a mission that was taken back, its visit having started all the same
    "other_mission",
    "revived",  # every open need of the case was final when intake last spoke of it
]
Winner = Literal["cancellation", "visit", "acceptance", "decision", "risk", "need"]


class Rule(NamedTuple):
    """`to`: where the later event takes the need when its side wins. None: its side lost, the state stays."""

    kind: str
    winner: Winner
    to: State | None = None


LOOKING: tuple[State, ...] = ("covered", "offered", "unfilled")
ASSIGNED: tuple[State, ...] = ("accepted", "scheduled", "failed")
STARTED: tuple[State, ...] = ("in_progress", "performed")
DECIDED: tuple[State, ...] = (*LOOKING, *ASSIGNED, *STARTED)


def _goes(to: State, *situations: Situation) -> dict[Situation, State | None]:
    return dict.fromkeys(situations, to)


def _stays(*situations: Situation) -> dict[Situation, State | None]:
    return dict.fromkeys(situations)


EXPECTED: dict[type[Event], dict[Situation, State | None]] = {
    intake.NeedAmended: _stays("open", "refused", *LOOKING, *ASSIGNED, "unchanged"),
    intake.NeedAtRisk: _goes("covered", "open"),
    intake.NeedCancelled: _goes("cancelled", "open", *LOOKING, *ASSIGNED),
    intake.NeedReinstated: _stays(*DECIDED),
    reference.CoverageGranted: _goes("covered", "open", "refused") | _stays(*DECIDED),
    reference.CoverageRefused: _goes("refused", "open", "refused") | _stays("at_risk"),
    reference.CoverageReleased: _stays(*DECIDED, "cancelled"),
    reference.CoverageConsumed: _stays("performed"),
    reference.ApprovalRequested: _stays("open", "refused", *DECIDED),
    reference.ApprovalGranted: _stays("open", "refused", *DECIDED),
    reference.ApprovalRefused: _stays("open", "refused", *DECIDED),
    dispatch.MissionOffered: _goes("offered", *LOOKING, "failed", "taken_back"),
    dispatch.MissionAccepted: _goes("accepted", *LOOKING, "failed"),
    dispatch.MissionDeclined: _goes("covered", "offer_last") | _stays(*DECIDED),
    dispatch.OfferExpired: _goes("covered", "offer_last") | _stays(*DECIDED),
    dispatch.OfferWithdrawn: _goes("covered", "offer_last") | _stays(*DECIDED, "cancelled"),
    dispatch.MissionUnfilled: _goes("unfilled", "covered", "unfilled", "taken_back"),
    dispatch.MissionAmended: _stays(*ASSIGNED),
    dispatch.MissionReconfirmed: _stays(*ASSIGNED),
    dispatch.MissionCancelled: _goes("covered", "again") | _goes("unfilled", "no_more") | _stays("cancelled", "second_mission", "taken_back"),
    tracking.VisitScheduled: _goes("scheduled", *ASSIGNED, "second_mission"),
    tracking.EtaChanged: _stays("scheduled", "in_progress", "cancelled", "taken_back"),
    tracking.VisitStarted: _goes("in_progress", "accepted", "scheduled"),
    tracking.VisitCompleted: _stays("in_progress"),
    tracking.VisitFailed: _goes("failed", "accepted", "scheduled", "in_progress") | _stays("cancelled", "taken_back", "second_mission"),
    tracking.PrestationCompleted: _goes("performed", "accepted", "scheduled", "in_progress"),
    tracking.PrestationCorrected: _stays("performed"),
    tracking.SatisfactionGiven: _stays("performed"),
    billing.BillPrepared: _stays("performed"),
    billing.BillApproved: _stays("performed"),
    billing.BillDisputed: _stays("performed"),
    billing.ChargeRecorded: _stays("performed"),
    billing.CaseInvoiced: _stays("performed"),
    billing.CasePaid: _stays("performed"),
}

_CANCEL_DECIDE = Rule("cancel_decide", "cancellation")
_CANCEL_OFFER = Rule("cancel_offer", "cancellation")
_CANCEL_AMEND = Rule("cancel_amend", "cancellation")
_CANCEL_SCHEDULE = Rule("cancel_schedule", "cancellation")
_CANCEL_START = Rule("cancel_start", "visit")
_AMEND_START = Rule("amend_start", "visit")
_EXPIRE_ACCEPT = Rule("expire_accept", "acceptance")
_WITHDRAW_ACCEPT = Rule("withdraw_accept", "acceptance")

# A started visit wins over every cancellation; before a start, cancellation wins over everything. In both orders.
CROSSINGS: dict[tuple[type[Event], Situation], Rule] = {
    (intake.NeedCancelled, "in_progress"): _CANCEL_START,
    (intake.NeedCancelled, "performed"): Rule("cancel_complete", "visit"),
    (tracking.VisitStarted, "cancelled"): _CANCEL_START._replace(to="in_progress"),
    (tracking.PrestationCompleted, "cancelled"): Rule("cancel_complete", "visit", "performed"),
    # Intake reads the start after its own cancellation, which came after that visit had failed: back to where it was then.
    (intake.NeedReinstated, "cancelled"): _CANCEL_START._replace(to="failed"),
    (intake.NeedReinstated, "visit_ahead"): _CANCEL_START._replace(to="scheduled"),
    (intake.NeedReinstated, "taken_back"): _CANCEL_START._replace(to="unfilled"),
    (dispatch.MissionCancelled, "in_progress"): _CANCEL_START,
    (dispatch.MissionCancelled, "performed"): Rule("cancel_complete", "visit"),
    (tracking.VisitStarted, "taken_back"): _CANCEL_START._replace(to="in_progress"),
    (tracking.PrestationCompleted, "taken_back"): Rule("cancel_complete", "visit", "performed"),
    (dispatch.MissionOffered, "started_after_all"): _CANCEL_START,
    (dispatch.MissionAccepted, "started_after_all"): _CANCEL_START,
    (dispatch.MissionUnfilled, "started_after_all"): _CANCEL_START,
    (intake.NeedCancelled, "refused"): _CANCEL_DECIDE._replace(to="cancelled"),
    (reference.CoverageGranted, "cancelled"): _CANCEL_DECIDE,
    (reference.CoverageRefused, "cancelled"): _CANCEL_DECIDE,
    (reference.ApprovalRequested, "cancelled"): _CANCEL_DECIDE,
    (reference.ApprovalGranted, "cancelled"): _CANCEL_DECIDE,
    (reference.ApprovalRefused, "cancelled"): _CANCEL_DECIDE,
    (dispatch.MissionOffered, "cancelled"): _CANCEL_OFFER,
    (dispatch.MissionDeclined, "cancelled"): _CANCEL_OFFER,
    (dispatch.OfferExpired, "cancelled"): _CANCEL_OFFER,
    (dispatch.MissionUnfilled, "cancelled"): _CANCEL_OFFER,
    (dispatch.MissionAccepted, "cancelled"): Rule("cancel_accept", "cancellation"),
    (dispatch.MissionAmended, "cancelled"): _CANCEL_AMEND,
    (dispatch.MissionReconfirmed, "cancelled"): _CANCEL_AMEND,
    (dispatch.MissionAmended, "taken_back"): _CANCEL_AMEND,
    (dispatch.MissionReconfirmed, "taken_back"): _CANCEL_AMEND,
    (tracking.VisitScheduled, "cancelled"): _CANCEL_SCHEDULE,
    (tracking.VisitScheduled, "taken_back"): _CANCEL_SCHEDULE,
    (dispatch.OfferExpired, "offer_accepted"): _EXPIRE_ACCEPT,
    (dispatch.MissionAccepted, "offer_expired"): _EXPIRE_ACCEPT._replace(to="accepted"),
    (dispatch.OfferWithdrawn, "offer_accepted"): _WITHDRAW_ACCEPT,
    (dispatch.MissionAccepted, "offer_withdrawn"): _WITHDRAW_ACCEPT._replace(to="accepted"),
    (intake.NeedAmended, "in_progress"): _AMEND_START,
    (intake.NeedAmended, "performed"): _AMEND_START,
    (dispatch.MissionAmended, "in_progress"): _AMEND_START,
    (dispatch.MissionAmended, "performed"): _AMEND_START,
    (dispatch.MissionReconfirmed, "in_progress"): _AMEND_START,
    (dispatch.MissionReconfirmed, "performed"): _AMEND_START,
    (dispatch.MissionAmended, "second_mission"): _AMEND_START,
    (dispatch.MissionReconfirmed, "second_mission"): _AMEND_START,
    (tracking.VisitStarted, "amendment_pending"): _AMEND_START._replace(to="in_progress"),
    (tracking.PrestationCompleted, "amendment_pending"): _AMEND_START._replace(to="performed"),
    (intake.NeedAtRisk, "granted"): Rule("risk_decide", "decision"),
    (intake.NeedAtRisk, "refused"): Rule("risk_decide", "risk", "covered"),
    (intake.CaseClosed, "revived"): Rule("close_revive", "need"),
}

# Their facts are recorded even when they lose: an offer made is an offer, a decision a decision, whatever the need became.
RECORDED_THOUGH_LOST: frozenset[type[Event]] = frozenset(
    (
        intake.NeedCancelled,
        reference.CoverageGranted,
        reference.CoverageRefused,
        dispatch.MissionOffered,
        dispatch.MissionAccepted,
        dispatch.MissionDeclined,
        dispatch.OfferExpired,
        dispatch.MissionCancelled,
        tracking.VisitScheduled,
    )
)
