"""A visit: from the acceptance of a mission to what was done. Plain functions of (state, command, now) → (state, facts).

NeedCancelled     409  nobody wants it any more, and we had heard so before the start
MissionCancelled  409  the mission was taken back before the start
VisitOver         409  the visit has ended in another way
AlreadyCompleted  409  completed before, with other lines
AlreadyRated      409  rated before, otherwise
NotDone           409  nothing was done yet
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from contracts.reasons import PRESTATION_CORRECTED, TASK_OUTCOME, VISIT_FAILED
from services.kit.errors import Conflict, Invalid

State = Literal["scheduled", "in_progress", "done", "failed", "cancelled"]
OURS = frozenset({"in_progress", "done"})  # wins over whatever the log says later
CLOCKS_APART = timedelta(minutes=5)
TASK_PATIENCE = timedelta(minutes=15)


class NeedCancelled(Conflict):
    code, title = "need_cancelled", "The need was cancelled before the visit started"


class MissionCancelled(Conflict):
    code, title = "mission_cancelled", "The mission was taken back before the visit started"


class VisitOver(Conflict):
    code, title = "visit_over", "The visit has ended in another way"


class AlreadyCompleted(Conflict):
    code, title = "already_completed", "The visit was completed before, with other lines"


class AlreadyRated(Conflict):
    code, title = "already_rated", "This was rated before"


class NotDone(Conflict):
    code, title = "not_done", "Nothing was done yet"


@dataclass(frozen=True, slots=True)
class Line:
    article: str
    unit: str
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Task:
    """One that waits for a person because of this visit; at most one at a time."""

    id: str
    kind: Literal["visit_not_started", "visit_failed"]


@dataclass(frozen=True, slots=True)
class Visit:
    id: str
    case_id: str
    need_id: str
    mission_id: str
    offer_id: str
    provider_id: str
    member_id: str
    service: str
    start: datetime
    end: datetime
    state: State = "scheduled"
    eta: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    prestation_id: str | None = None
    lines: tuple[Line, ...] = ()
    reason: str | None = None  # why it failed or was cancelled
    rating: int | None = None
    task: Task | None = None
    version: int = 1


# Facts


@dataclass(frozen=True, slots=True)
class Scheduled:
    pass


@dataclass(frozen=True, slots=True)
class EtaChanged:
    eta: datetime


@dataclass(frozen=True, slots=True)
class Started:
    at: datetime


@dataclass(frozen=True, slots=True)
class Completed:
    at: datetime


@dataclass(frozen=True, slots=True)
class Performed:
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Failed:
    reason: str


@dataclass(frozen=True, slots=True)
class Corrected:
    reason: str


@dataclass(frozen=True, slots=True)
class Rated:
    rating: int


@dataclass(frozen=True, slots=True)
class TaskOpened:
    task: Task
    due_at: datetime
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class TaskClosed:
    task: Task
    outcome: str


Fact = Scheduled | EtaChanged | Started | Completed | Performed | Failed | Corrected | Rated | TaskOpened | TaskClosed
Decision = tuple[Visit, list[Fact]]


def accepted(visit: Visit, others: list[Visit], lost: str | None) -> Decision:
    """`others`: the need's earlier visits. `lost`: why the acceptance counts for nothing, as the log has it."""
    if any(other.state in OURS for other in others):
        return replace(visit, state="cancelled", reason="another_accepted"), []
    if lost:
        return replace(visit, state="cancelled", reason=lost), []
    return visit, [Scheduled()]


def reconfirmed(visit: Visit, start: datetime, end: datetime) -> Decision:
    """A new appointment; dropped once the visit has started or ended."""
    if visit.state != "scheduled":
        return visit, []
    return replace(visit, start=start, end=end, eta=None), [Scheduled()]


def need_cancelled(visit: Visit) -> Decision:
    """Ignored once somebody is at work: a started visit wins."""
    if visit.state == "scheduled":
        gone, facts = _task_ends(replace(visit, state="cancelled", reason="need_cancelled"), "need_cancelled")
        return gone, [*facts, Failed("need_cancelled")]
    return _task_ends(visit, "need_cancelled") if visit.state == "failed" else (visit, [])


def mission_cancelled(visit: Visit, reason: str) -> Decision:
    if visit.state != "scheduled":
        return visit, []
    return _task_ends(replace(visit, state="cancelled", reason=reason), "no_longer_needed")


def search_goes_on(visit: Visit, outcome: str) -> Decision:
    """Dispatch has taken up what a failed visit left behind."""
    return _task_ends(visit, outcome) if visit.state == "failed" else (visit, [])


def start(visit: Visit, now: datetime) -> Decision:
    """Starting twice changes nothing."""
    if visit.state in OURS:
        return visit, []
    _require_alive(visit)
    begun, facts = _task_ends(replace(visit, state="in_progress", started_at=now), "resolved_itself")
    return begun, [Started(now), *facts]


def change_eta(visit: Visit, eta: datetime) -> Decision:
    if visit.state != "scheduled":
        _require_alive(visit)
        raise VisitOver("the worker is there already")
    return (visit, []) if eta == visit.eta else (replace(visit, eta=eta), [EtaChanged(eta)])


def complete(
    visit: Visit, lines: tuple[Line, ...], started_at: datetime | None, completed_at: datetime | None, prestation_id: str, now: datetime
) -> Decision:
    """The same lines again change nothing. Without a start before it, the start is recorded with it."""
    if visit.state == "done":
        if lines != visit.lines:
            raise AlreadyCompleted
        return visit, []
    _require_alive(visit)
    check_lines(lines)
    end = completed_at or now
    begin = started_at or visit.started_at or (visit.start if visit.start < end else end - timedelta(minutes=1))
    if end > now + CLOCKS_APART:
        raise Invalid("the visit cannot have ended in the future", code="ended_in_future")
    if begin >= end:
        raise Invalid("a visit ends after it has started", code="ended_before_start")
    begun, facts = (visit, list[Fact]()) if visit.started_at else start(visit, begin)
    done = replace(begun, state="done", started_at=begin, completed_at=end, lines=lines, prestation_id=prestation_id)
    return done, [*facts, Completed(end), Performed(begin, end)]


def fail(visit: Visit, reason: str, task_id: str, now: datetime) -> Decision:
    """A person looks at it, unless dispatch goes on by itself. Failing twice changes nothing."""
    if visit.state == "failed":
        return visit, []
    _require_alive(visit)
    if reason not in VISIT_FAILED or reason == "need_cancelled":
        raise Invalid(f"no such reason; known are {', '.join(VISIT_FAILED)}", code="unknown_reason")
    over, facts = _task_ends(replace(visit, state="failed", reason=reason), "no_longer_needed")
    task = Task(task_id, "visit_failed")
    # The task first: whoever answers the failure in the log then finds it there.
    return replace(over, task=task), [*facts, TaskOpened(task, now + TASK_PATIENCE, reason), Failed(reason)]


def overdue(visit: Visit, task_id: str, now: datetime) -> Decision:
    """The watchdog: nothing when the visit has started, ended or was moved meanwhile."""
    if visit.state != "scheduled" or visit.task is not None or visit.start > now:
        return visit, []
    task = Task(task_id, "visit_not_started")
    return replace(visit, task=task), [TaskOpened(task, now + TASK_PATIENCE)]


def settle(visit: Visit, outcome: str) -> Decision:
    """A person is done with the visit's task. Twice changes nothing."""
    if outcome not in TASK_OUTCOME:
        raise Invalid(f"no such outcome; known are {', '.join(TASK_OUTCOME)}", code="unknown_outcome")
    return _task_ends(visit, outcome)


def correct(visit: Visit, lines: tuple[Line, ...], reason: str) -> Decision:
    """All lines as they should have been; the same again changes nothing."""
    if visit.state != "done":
        raise NotDone
    if reason not in PRESTATION_CORRECTED:
        raise Invalid(f"no such reason; known are {', '.join(PRESTATION_CORRECTED)}", code="unknown_reason")
    check_lines(lines)
    return (visit, []) if lines == visit.lines else (replace(visit, lines=lines), [Corrected(reason)])


def rate(visit: Visit, rating: int) -> Decision:
    if visit.state != "done":
        raise NotDone
    if visit.rating is not None and visit.rating != rating:
        raise AlreadyRated
    return (visit, []) if visit.rating == rating else (replace(visit, rating=rating), [Rated(rating)])


def next_version(visit: Visit) -> Visit:
    return replace(visit, version=visit.version + 1)


def check_lines(lines: tuple[Line, ...]) -> None:
    """Raises `Invalid`."""
    if not lines:
        raise Invalid("say what was done: at least one line", code="no_lines")
    if any(not 0 < line.quantity <= 10_000 for line in lines):
        raise Invalid("a quantity must be above 0 and at most 10000", code="quantity_out_of_range")
    if len({(line.article, line.unit) for line in lines}) < len(lines):
        raise Invalid("an article stands in one line only", code="article_twice")


def _task_ends(visit: Visit, outcome: str) -> Decision:
    return (visit, []) if visit.task is None else (replace(visit, task=None), [TaskClosed(visit.task, outcome)])


def _require_alive(visit: Visit) -> None:
    if visit.state == "cancelled":
        raise NeedCancelled if visit.reason == "need_cancelled" else MissionCancelled
    if visit.state in ("done", "failed"):
        raise VisitOver
