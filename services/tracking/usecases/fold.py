"""The fold: every record of `cases`, in batches, into the rows that all doors read. From the log alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from contracts.case_state import CaseState, NeedState, Record, apply
from services.kit.db import Connection
from services.kit.subscriptions import Received
from services.tracking.store import views
from services.tracking.store.views import Change, Schema, Stored, Told


@dataclass(frozen=True, slots=True)
class Folded:
    """A record that was new, and its case after it."""

    received: Received
    state: CaseState


@dataclass(slots=True)
class _Case:
    before: CaseState
    now: Stored
    at: datetime | None = None


async def fold(conn: Connection, schema: Schema, received: Sequence[Received]) -> tuple[list[Folded], Change | None]:
    """One read, whatever the size of the batch, and what is to be saved of it: None where nothing was new. Duplicates change
    nothing."""
    keys = {one.envelope.key for one in received}
    stored = await views.load(conn, schema, keys)
    cases = {key: _Case(stored[key].state, stored[key]) if key in stored else _new(key) for key in sorted(keys)}
    told: list[Told] = []
    folded: list[Folded] = []
    for one in received:
        case = cases[one.envelope.key]
        state = apply(case.now.state, Record(one.envelope, one.data))
        if state is case.now.state:
            continue
        case.now, case.at = Stored(state, case.now.events + 1), one.envelope.time
        told.append(Told(one.envelope, case.now.events, getattr(one.data, "need_id", None), one.data and one.data.model_dump_json(exclude_none=True)))
        folded.append(Folded(one, state))
    changed = [(case, case.at) for case in cases.values() if case.at is not None]
    needs = [(case.now.state.case_id, need) for case, _ in changed for need in _changed_needs(case)]
    return folded, Change([(case.now, at) for case, at in changed], needs, told) if changed else None


def _new(case_id: str) -> _Case:
    state = CaseState.empty(case_id)
    return _Case(state, Stored(state, 0))


def _changed_needs(case: _Case) -> list[NeedState]:
    return [need for need_id, need in case.now.state.needs.items() if case.before.needs.get(need_id) is not need]
