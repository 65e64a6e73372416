"""Tracking's facts as contract events."""

from collections.abc import Iterable
from datetime import datetime

from contracts import common
from contracts import tracking as contract
from contracts.common import Actor, Window
from contracts.registry import Event
from services.tracking.domain.visit import (
    Completed,
    Corrected,
    EtaChanged,
    Fact,
    Failed,
    Performed,
    Rated,
    Scheduled,
    Started,
    TaskClosed,
    TaskOpened,
    Visit,
)

ROLE = "agent"


def events(visit: Visit, facts: Iterable[Fact], by: Actor) -> list[Event]:
    return [_event(visit, fact, by) for fact in facts]


def _event(visit: Visit, fact: Fact, by: Actor) -> Event:
    need = {"case_id": visit.case_id, "need_id": visit.need_id}
    mission = need | {"mission_id": visit.mission_id, "provider_id": visit.provider_id}
    this = mission | {"visit_id": visit.id}
    match fact:
        case Scheduled():
            return contract.VisitScheduled(**this, appointment=_window(visit.start, visit.end))
        case EtaChanged(eta):
            return contract.EtaChanged(**need, visit_id=visit.id, eta=eta)
        case Started(at):
            return contract.VisitStarted(**this, started_by=by, started_at=at)
        case Completed(at):
            return contract.VisitCompleted(**this, completed_at=at)
        case Performed(start, end):
            assert visit.prestation_id is not None
            return contract.PrestationCompleted(
                **mission, prestation_id=visit.prestation_id, service=visit.service, performed=_window(start, end), lines=_lines(visit)
            )
        case Failed(reason):
            return contract.VisitFailed(**this, reason=reason)
        case Corrected(reason):
            assert visit.prestation_id is not None
            return contract.PrestationCorrected(**need, prestation_id=visit.prestation_id, lines=_lines(visit), reason=reason, corrected_by=by)
        case Rated(rating):
            return contract.SatisfactionGiven(**need, rating=rating)
        case TaskOpened(task, due_at, reason):
            return common.TaskOpened(**need, task_id=task.id, kind=task.kind, role=ROLE, due_at=due_at, reason=reason)
        case TaskClosed(task, outcome):
            return common.TaskClosed(**need, task_id=task.id, outcome=outcome, closed_by=by)


def _window(start: datetime, end: datetime) -> Window:
    return Window(start=start, end=end)


def _lines(visit: Visit) -> list[common.Line]:
    return [common.Line(article=line.article, unit=line.unit, quantity=line.quantity) for line in visit.lines]
