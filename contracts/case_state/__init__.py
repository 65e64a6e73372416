"""The state of a case, folded from its log by `apply`: the same for every door."""

from contracts.case_state.fold import EVENTS_IN_FOLD, FOLD_VERSION, IGNORED, apply
from contracts.case_state.states import (
    FINAL,
    Anomaly,
    Approval,
    CaseState,
    CaseWord,
    CoverageState,
    Crossing,
    MoneyState,
    NeedState,
    OfferState,
    Record,
    State,
    VisitState,
    Waiting,
    Who,
    Wish,
)
from contracts.case_state.stored import from_json, to_json
from contracts.case_state.tables import CROSSINGS, EXPECTED, Rule

__all__ = [
    "CROSSINGS",
    "EVENTS_IN_FOLD",
    "EXPECTED",
    "FINAL",
    "FOLD_VERSION",
    "IGNORED",
    "Anomaly",
    "Approval",
    "CaseState",
    "CaseWord",
    "CoverageState",
    "Crossing",
    "MoneyState",
    "NeedState",
    "OfferState",
    "Record",
    "Rule",
    "State",
    "VisitState",
    "Waiting",
    "Who",
    "Wish",
    "apply",
    "from_json",
    "to_json",
]
