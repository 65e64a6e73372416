"""What holds for any log, possible or not, and for any the platform could write."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.case_state import CROSSINGS, EVENTS_IN_FOLD, FINAL, CaseState, Record, apply, from_json, to_json
from contracts.registry import Event
from tests.contracts.case_crossings import MEETINGS
from tests.contracts.case_events import (
    ANNA,
    BORIS,
    BREST,
    CASE,
    DONE,
    NEED,
    NEXT_WEEK,
    NOW,
    OFFER_TO_ANNA,
    OFFER_TO_BORIS,
    OTHER_CASE,
    RENNES,
    SECOND_NEED,
    SECOND_VISIT,
    TOMORROW,
    VISIT,
    Log,
    folded,
    log_of,
    made,
    uid,
)
from tests.contracts.case_model import Company

VARIED: dict[str, list[Any]] = {
    "again": [True, False],
    "appointment": [TOMORROW, NEXT_WEEK],
    "case_id": [CASE] * 20 + [OTHER_CASE],
    "decision_id": [uid(62), uid(63)],
    "expires_at": [NOW, NOW + timedelta(days=1)],
    "mission_id": [uid(30), uid(31)],
    "need_id": [NEED] * 4 + [SECOND_NEED],
    "offer_id": [OFFER_TO_ANNA, OFFER_TO_BORIS],
    "place": [RENNES, BREST],
    "provider_id": [ANNA, BORIS],
    "quantity": [Decimal("2.5"), Decimal("1E+2"), Decimal("0.000001")],
    "task_id": [uid(90), uid(91)],
    "urgency": ["planned", "immediate"],
    "visit_id": [VISIT, SECOND_VISIT],
    "wanted": [TOMORROW, NEXT_WEEK],
}
UNKNOWN = "dispatch.mission_split.v2"


def _pool() -> list[Event]:
    """Of each type a few variants over few ids, so that events drawn at random meet."""
    random = Random(3)
    kinds = sorted(EVENTS_IN_FOLD, key=lambda kind: kind.EVENT.full_name)
    pool: list[Event] = []
    for kind in kinds:
        for _ in range(6):
            varied = {name: random.choice(values) for name, values in VARIED.items() if name in kind.model_fields}
            lines = {"lines": DONE} if kind.EVENT.name.startswith("prestation") else {}
            pool.append(made(kind, **varied, **lines))
    return pool


def _log(events: Sequence[Event | str]) -> list[Record]:
    log = Log()
    for event in events:
        if isinstance(event, str):
            log.write_unknown(event)
        else:
            log.write(event)
    return log.records


POOL: list[Event | str] = [*_pool(), UNKNOWN]
ANY_LOG = st.lists(st.sampled_from(POOL), max_size=60).map(_log)
# Half of them begin like a case, so that more than "not opened" is met.
LIKELY_LOG = st.sampled_from(list(MEETINGS.values())).flatmap(
    lambda meeting: st.lists(st.sampled_from([*POOL, *meeting.one, *meeting.other]), max_size=40).map(lambda events: _log([*meeting.before, *events]))
)
LOGS = ANY_LOG | LIKELY_LOG
UNTIMED = settings(deadline=None)
CHOICES = st.lists(st.integers(0, 999), min_size=20, max_size=150)


def company_after(choices: list[int]) -> Company:
    company = Company()
    company.live(choices)
    return company


def assert_whole(state: CaseState) -> None:
    for need in state.needs.values():
        assert (need.waiting is None) == (need.state in FINAL)
        assert need.state in need.reached
        assert need.state != "offered" or any(offer.status == "live" for offer in need.offers.values())
    assert (state.waiting is None) == all(need.state in FINAL for need in state.needs.values())
    assert state.state != "closed" or state.waiting is None


@UNTIMED
@given(LOGS)
def test_any_log_folds_and_no_open_need_lacks_its_waiting(records: list[Record]) -> None:
    state = CaseState.empty(CASE)
    for record in records:
        state = apply(state, record)
        assert_whole(state)
    assert state.seen == {source: sum(r.envelope.source == source for r in records) for source in state.seen}


@UNTIMED
@given(LOGS)
def test_the_same_log_gives_the_same_state_also_when_it_is_stored_on_the_way(records: list[Record]) -> None:
    half = len(records) // 2
    state = from_json(to_json(folded(records[:half])))
    for record in records[half:]:
        state = apply(state, record)
    assert state == folded(records) == folded(records)


@UNTIMED
@given(LOGS)
def test_the_round_trip_through_json_is_exact(records: list[Record]) -> None:
    state = folded(records)
    stored = to_json(state)
    assert from_json(stored) == state
    assert to_json(from_json(stored)) == stored


@UNTIMED
@given(LOGS, st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=20))
def test_duplicates_anywhere_later_change_nothing(records: list[Record], copies: list[tuple[int, int]]) -> None:
    doubled = list(records)
    for which, where in copies:
        if records:
            record = records[which % len(records)]
            first = doubled.index(record)
            doubled.insert(first + 1 + where % (len(doubled) - first), record)
    assert folded(doubled) == folded(records)


@UNTIMED
@given(LOGS, st.sets(st.integers(0, 99)))
def test_a_log_with_holes_still_folds_and_names_them(records: list[Record], lost: set[int]) -> None:
    left = [record for rank, record in enumerate(records) if rank not in lost]
    state = folded(left)
    assert_whole(state)
    after_holes, highest = set(), dict[str, int]()
    for envelope in (record.envelope for record in left):
        if envelope.seq != highest.get(envelope.source, 0) + 1:
            after_holes.add(envelope.id)
        highest[envelope.source] = envelope.seq
    assert {anomaly.event_id for anomaly in state.anomalies if anomaly.why == "gap"} == after_holes


@UNTIMED
@given(LOGS, LOGS)
def test_what_happens_to_another_case_changes_nothing(records: list[Record], others: list[Record]) -> None:
    state, other = CaseState.empty(CASE), CaseState.empty(CASE)
    for rank in range(max(len(records), len(others))):
        state = apply(state, records[rank]) if rank < len(records) else state
        other = apply(other, others[rank]) if rank < len(others) else other
    assert (state, other) == (folded(records), folded(others))


@settings(UNTIMED, max_examples=400)
@given(CHOICES)
def test_no_history_the_services_could_write_holds_an_anomaly(choices: list[int]) -> None:
    company = company_after(choices)
    state = folded(company.log.records)
    assert state.anomalies == ()
    assert_whole(state)


@settings(UNTIMED, max_examples=200)
@given(CHOICES)
def test_once_all_have_read_the_log_the_fold_agrees_with_the_owner_of_the_need(choices: list[int]) -> None:
    company = company_after(choices)
    need = folded(company.log.records).needs[NEED]
    word = need.state if need.state in FINAL else "open"
    assert word == company.intake.word


@pytest.mark.parametrize("row", CROSSINGS, ids=lambda row: f"{row[0].EVENT.name}-{row[1]}")
def test_a_crossing_ends_in_the_same_state_in_every_order_and_is_recorded(row: tuple[type[Event], Any]) -> None:
    rule, meeting = CROSSINGS[row], MEETINGS[row]
    logs = [log_of(*order) for order in meeting.orders()]
    ends = [folded(log) for log in logs]
    assert len({(end.needs[NEED].state, end.state) for end in ends}) == 1
    assert all(end.anomalies == () for end in ends)
    kinds = [{record.envelope.id: type(record.data) for record in log} for log in logs]
    seen = [[(kind[c.event_id], c.kind, c.winner) for c in end.crossings] for kind, end in zip(kinds, ends, strict=True)]
    assert 1 in [crossings.count((row[0], rule.kind, rule.winner)) for crossings in seen]


def test_every_row_of_the_table_of_crossings_has_its_example() -> None:
    assert MEETINGS.keys() == CROSSINGS.keys()
