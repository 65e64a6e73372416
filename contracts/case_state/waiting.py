"""For whom each open need waits, since when, and when somebody must look again."""

from datetime import datetime, timedelta

from contracts.case_state.states import FINAL, NeedState, State, Waiting, Who

_WHO: dict[State, Who] = {
    "open": "system",
    "covered": "system",
    "offered": "provider",
    "unfilled": "agent",
    "accepted": "system",
    "scheduled": "provider",
    "in_progress": "provider",
    "failed": "agent",
}
_PATIENCE: dict[State, timedelta] = {
    "open": timedelta(minutes=1),
    "covered": timedelta(minutes=2),
    "unfilled": timedelta(minutes=15),
    "failed": timedelta(minutes=15),
}


def waiting_for(need: NeedState, state: State, at: datetime) -> Waiting | None:
    """Of `need`, its facts recorded, that an event of instant `at` takes to `state`. None when that is final."""
    if state in FINAL:
        return None
    who: Who = "principal" if state == "open" and need.approval else _WHO[state]
    was = need.waiting
    since = was.since if was is not None and was.for_ == who and need.state == state else at
    return Waiting(who, since, _next(need, state, since))


def _next(need: NeedState, state: State, since: datetime) -> datetime:
    match state:
        case "offered":
            return min(offer.expires_at for offer in need.offers.values() if offer.status == "live")
        case "accepted" | "scheduled":
            return (need.appointment or need.wanted).start
        case "in_progress":
            return (need.appointment or need.wanted).end
        case "open" if need.approval:
            return need.approval.due_at
        case _:
            return _later(since, _PATIENCE[state])


def _later(since: datetime, delay: timedelta) -> datetime:
    try:
        return since + delay
    except OverflowError:  # the last minutes of year 9999: the fold stays total
        return since
