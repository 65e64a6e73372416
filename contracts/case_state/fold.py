"""`apply`: one more record folded into a case. Pure, and total: no record in any order makes it raise.

It describes and authorises nothing: each owner decides from its own rows. Order is that of the log, never that of clocks.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from contracts.case_state.facts import FACTS
from contracts.case_state.situations import situation
from contracts.case_state.states import Anomaly, CaseState, Crossing, NeedState, Record, State
from contracts.case_state.tables import CROSSINGS, EXPECTED, RECORDED_THOUGH_LOST, Rule
from contracts.case_state.waiting import waiting_for
from contracts.common import TaskClosed, TaskOpened
from contracts.envelope import Envelope
from contracts.intake import CaseClosed, CaseOpened, CaseReopened, NeedAdded, NoteAdded
from contracts.reference import MemberLinked
from contracts.registry import Event

FOLD_VERSION = 2  # raised when the result of any released sample changes: views are then rebuilt beside the old ones


def apply(state: CaseState, record: Record) -> CaseState:
    """The same object when this record was folded before."""
    envelope = record.envelope
    seen = state.seen.get(envelope.source, 0)
    if envelope.seq <= seen:
        return state
    counted = replace(state, seen={**state.seen, envelope.source: envelope.seq})
    if envelope.seq > seen + 1:
        counted = _anomaly(counted, envelope, "gap")
    if record.data is None:
        return replace(counted, not_understood=(*counted.not_understood, (envelope.id, envelope.type)))
    return _folded(counted, record.data, envelope)


def _folded(state: CaseState, event: Event, envelope: Envelope) -> CaseState:
    kind = type(event)
    if kind not in EVENTS_IN_FOLD:
        return _anomaly(state, envelope, "not_of_a_case")
    if getattr(event, "case_id", None) != state.case_id:
        return _anomaly(state, envelope, "other_case")
    if state.opened_at is None and kind is not CaseOpened:
        return _anomaly(state, envelope, "not_opened")
    if kind in IGNORED:
        return state
    if kind in _OF_CASE:
        return _OF_CASE[kind](state, event, envelope)
    need = state.needs.get(getattr(event, "need_id", ""))
    return _anomaly(state, envelope, "unknown_need") if need is None else _on_need(state, need, event, envelope)


def _on_need(state: CaseState, need: NeedState, event: Event, envelope: Envelope) -> CaseState:
    kind = type(event)
    where = situation(need, event)
    rule = CROSSINGS.get((kind, where))
    if rule is None and where not in EXPECTED[kind]:
        return _anomaly(state, envelope, f"not_in_{where}" if where == need.state else where)
    to = EXPECTED[kind][where] if rule is None else rule.to
    lost = rule is not None and to is None
    after = need if lost and kind not in RECORDED_THOUGH_LOST else FACTS[kind](need, event)
    crossings = state.crossings if rule is None else (*state.crossings, _crossing(rule, need, envelope))
    overtaken = CROSSINGS.get((kind, "amendment_pending"))
    if overtaken is not None and need.pending_amendment is not None:
        crossings = (*crossings, _crossing(overtaken, need, envelope))
    moved = _moved(after, to or need.state, envelope)
    return replace(state, needs={**state.needs, need.need_id: moved}, crossings=crossings)


def _moved(need: NeedState, state: State, envelope: Envelope) -> NeedState:
    at = envelope.time
    return replace(
        need,
        state=state,
        waiting=waiting_for(need, state, at),
        reached=need.reached if state in need.reached else {**need.reached, state: at},
        last_event_id=envelope.id,
        last_event_at=at,
    )


def _crossing(rule: Rule, need: NeedState, envelope: Envelope) -> Crossing:
    return Crossing(rule.kind, need.need_id, envelope.id, rule.winner)


def _anomaly(state: CaseState, envelope: Envelope, why: str) -> CaseState:
    return replace(state, anomalies=(*state.anomalies, Anomaly(envelope.id, envelope.type, why)))


def _case_opened(state: CaseState, event: CaseOpened, envelope: Envelope) -> CaseState:
    if state.opened_at is not None:
        return _anomaly(state, envelope, "opened_twice")
    return replace(state, number=event.number, principal_id=event.principal_id, member_id=event.member_id, opened_at=envelope.time)


def _need_added(state: CaseState, event: NeedAdded, envelope: Envelope) -> CaseState:
    if event.need_id in state.needs:
        return _anomaly(state, envelope, "need_added_twice")
    need = NeedState(
        need_id=event.need_id, rank=event.rank, service=event.service, place=event.place, wanted=event.wanted,
        urgency=event.urgency, quantity=event.quantity, unit=event.unit,
        last_event_id=envelope.id, last_event_at=envelope.time, waiting=None,
    )  # fmt: skip
    return replace(state, needs={**state.needs, event.need_id: _moved(need, "open", envelope)})


def _case_closed(state: CaseState, _: CaseClosed, envelope: Envelope) -> CaseState:
    """Closed in every case; that shows once no need is open."""
    closed = replace(state, closed=True)
    still_open = [need for need in state.needs.values() if need.is_open]
    if not still_open:
        return closed
    if not all(need.revived for need in still_open):
        return _anomaly(closed, envelope, "closed_with_an_open_need")
    rule = CROSSINGS[(CaseClosed, "revived")]
    return replace(closed, crossings=(*state.crossings, *(_crossing(rule, need, envelope) for need in still_open)))


def _case_reopened(state: CaseState, _: CaseReopened, envelope: Envelope) -> CaseState:
    return replace(state, closed=False) if state.closed else _anomaly(state, envelope, "reopened_while_open")


def _member_linked(state: CaseState, event: MemberLinked, _: Envelope) -> CaseState:
    return replace(state, member_id=event.member_id)


def _task_opened(state: CaseState, event: TaskOpened, _: Envelope) -> CaseState:
    return replace(state, tasks={**state.tasks, event.task_id: event.kind})


def _task_closed(state: CaseState, event: TaskClosed, envelope: Envelope) -> CaseState:
    if event.task_id not in state.tasks:
        return _anomaly(state, envelope, "unknown_task")
    return replace(state, tasks={key: kind for key, kind in state.tasks.items() if key != event.task_id})


_OF_CASE: dict[type[Event], Callable[[CaseState, Any, Envelope], CaseState]] = {
    CaseOpened: _case_opened,
    NeedAdded: _need_added,
    CaseClosed: _case_closed,
    CaseReopened: _case_reopened,
    MemberLinked: _member_linked,
    TaskOpened: _task_opened,
    TaskClosed: _task_closed,
}
IGNORED: frozenset[type[Event]] = frozenset({NoteAdded})
EVENTS_IN_FOLD: frozenset[type[Event]] = IGNORED | _OF_CASE.keys() | FACTS.keys()
