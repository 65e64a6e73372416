"""Seven wrongs, each planted in a play with nothing wrong in it, are found by name; and more of the same sorts."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.checker.inputs import Entry, Finding, Inputs, Log, Probe, Record, Row
from tests.checker.story import story
from tests.checker.story_log import A1, B2, BILL, CHARGE, MA, NOTE, OA2, OB, P1, P2, V1, V2, A, B, C
from tests.checker.verdict import findings, verdict

Plant = Callable[[Inputs], Inputs]


def record(inputs: Inputs, kind: str) -> Record:
    return next(one for one in inputs.log.records if one.kind == kind)


def relogged(inputs: Inputs, change: Callable[[list[Record]], list[Record]]) -> Inputs:
    """Offsets follow the new order, as they would in a log."""
    places: dict[str, int] = {}
    renumbered = []
    for one in change(list(inputs.log.records)):
        places[one.topic] = places.get(one.topic, -1) + 1
        renumbered.append(replace(one, offset=places[one.topic]))
    ends = {(topic, 0): last + 1 for topic, last in places.items()}
    tables = inputs.tables
    for _, row in tables.each("position"):
        row["next_offset"] = max(row["next_offset"], ends.get((row["topic"], row["partition"]), 0))
    return replace(inputs, log=Log(renumbered, [], ends))


def without(kind: str) -> Plant:
    return lambda inputs: relogged(inputs, lambda records: [one for one in records if one.kind != kind])


def again(kind: str, **other: Any) -> Plant:
    """One more event like the last of its kind, as a new record with a seq of its own."""

    def plant(inputs: Inputs) -> Inputs:
        last = [one for one in inputs.log.records if one.kind == kind][-1]
        seq = max(one.seq for one in inputs.log.records if (one.source, one.key) == (last.source, last.key)) + 1
        more = replace(last, id=f"{last.id[:-1]}x", seq=seq, value=json.dumps(last.body | other).encode())
        return relogged(inputs, lambda records: [*records, more])

    return plant


def changed(kind: str, **other: Any) -> Plant:
    def change(inputs: Inputs) -> Inputs:
        old = record(inputs, kind)
        new = replace(old, value=json.dumps(old.body | other).encode())
        return relogged(inputs, lambda records: [new if one is old else one for one in records])

    return change


def swapped(inputs: Inputs) -> Inputs:
    """Two neighbours of one source in one case, the later one first."""
    first, second = [one for one in inputs.log.records if one.kind in ("dispatch.mission_declined", "dispatch.mission_accepted") and one.key == A]

    def swap(records: list[Record]) -> list[Record]:
        return [second if one is first else first if one is second else one for one in records]

    return relogged(inputs, swap)


def row(service: str, query: str, number: int, **other: Any) -> Plant:
    def plant(inputs: Inputs) -> Inputs:
        inputs.tables.of(service, query)[number].update(other)
        return inputs

    return plant


def one_row_less(service: str, query: str) -> Plant:
    def plant(inputs: Inputs) -> Inputs:
        inputs.tables.of(service, query).pop()
        return inputs

    return plant


def one_row_more(service: str, query: str, **other: Any) -> Plant:
    def plant(inputs: Inputs) -> Inputs:
        rows = inputs.tables.of(service, query)
        rows.append(rows[-1] | other)
        return inputs

    return plant


def answered(entry: Row) -> Plant:
    given: Row = {"actor": "robot", "method": "POST", "key": "planted", "status": 201, "outcome": "ok"} | entry
    return lambda inputs: replace(inputs, diary=[*inputs.diary, Entry(**given)])


def shown(alter: Callable[[Inputs], object]) -> Plant:
    def plant(inputs: Inputs) -> Inputs:
        alter(inputs)
        return inputs

    return plant


SEVEN: dict[str, tuple[str, Plant]] = {
    "a lost row": ("lost_row", without("intake.note_added")),
    "a doubled line": ("doubled_line", again("billing.bill_prepared", bill_id="another")),
    "a swapped pair": ("swapped_pair", swapped),
    "a stale view": ("stale_view", row("tracking", "needs", 0, state="in_progress")),
    "a cent off": ("cent_off", row("billing", "bills", 0, net_cents=5386, gross_cents=6463)),
    "a foreign tenant's row": (
        "foreign_row",
        shown(lambda inputs: inputs.doors.principals[P2].lists["charges"].append({"id": CHARGE, "principal_id": P1})),
    ),
    "a missing card": ("missing_card", without("card.note")),
}
MORE: dict[str, tuple[str, Plant]] = {
    "a case answered for and never opened": ("lost_row", answered({"path": "/api/intake/v1/cases", "response": {"case_id": "gone"}})),
    "an outbox row that was not sent": ("lost_row", row("intake", "outbox", 0, published=False)),
    "a consumer that skipped the last record": ("lost_row", row("billing", "mark", 3, seq=0)),
    "a record without its line in the timeline": ("lost_row", one_row_less("tracking", "timeline")),
    "a line of the timeline that is there twice": ("doubled_line", one_row_more("tracking", "timeline")),
    "a note that was never told": ("lost_row", one_row_more("intake", "notes", id="untold")),
    "a mission that dispatch never made": ("lost_row", one_row_less("dispatch", "missions")),
    "a prestation without a bill": ("lost_row", without("billing.bill_prepared")),
    "a document that a provider was not told": ("lost_row", shown(lambda inputs: inputs.doors.providers[V1].lists["feed"].clear())),
    "a fewer cases than meant": ("lost_row", lambda inputs: replace(inputs, cases=4)),
    "a record under a place that is taken": ("doubled_line", lambda inputs: relogged(inputs, lambda some: [*some, replace(some[-1], id="other")])),
    "a need accepted by two": ("doubled_line", again("dispatch.mission_accepted", need_id=A1, case_id=A, offer_id=OA2)),
    "two accepted offers in the rows": ("doubled_line", row("dispatch", "offers", 0, status="accepted")),
    "a charge on two invoices": ("doubled_line", again("billing.case_invoiced", invoice_id="second")),
    "a document entered twice": ("doubled_line", one_row_more("billing", "ledger", entry=9, cents=0)),
    "a key with two effects": (
        "doubled_line",
        lambda inputs: replace(inputs, diary=[*inputs.diary, replace(inputs.diary[0], response={"case_id": C, "needs": []})]),
    ),
    "a note that nobody wrote": ("doubled_line", lambda inputs: replace(inputs, diary=[one for one in inputs.diary if "notes" not in one.path])),
    "an effect before its cause": ("swapped_pair", lambda inputs: relogged(inputs, lambda some: _last_first(some, "dispatch.mission_declined"))),
    "a desk that lags": ("stale_view", shown(lambda inputs: inputs.doors.desk[A]["needs"][0].update(state="in_progress"))),
    "a case the desk does not find": ("stale_view", shown(lambda inputs: inputs.doors.desk.pop(B))),
    "a principal whose list lags": ("stale_view", shown(lambda inputs: inputs.doors.principals[P1].lists["cases"][0].update(state="performed"))),
    "a member whose ladder lags": ("stale_view", shown(lambda inputs: _ladder(inputs).update(state="scheduled"))),
    "an extranet that lags": ("stale_view", shown(lambda inputs: inputs.doors.providers[V2].lists["missions"][0].update(status="started"))),
    "a feed that was not told the end": ("stale_view", shown(lambda inputs: inputs.doors.providers[V2].lists["feed"].pop())),
    "a visit that nobody closed": ("stale_view", row("tracking", "visits", 0, state="in_progress")),
    "an intake that forgot its cancellation": ("stale_view", row("intake", "needs", 2, status="open")),
    "a bill line a cent off": ("cent_off", changed("billing.bill_prepared", gross_cents=6463)),
    "a charge a cent off": ("cent_off", changed("billing.charge_recorded", member_gross_cents=1063)),
    "a base a cent off": ("cent_off", row("billing", "charges", 0, base_net_cents=4501, markup_net_cents=224)),
    "an invoice a cent off": ("cent_off", changed("billing.invoice_issued", gross_cents=6751)),
    "an entry that does not balance": ("cent_off", row("billing", "ledger", 0, cents=5386)),
    "another's case in a list": ("foreign_row", shown(lambda inputs: inputs.doors.principals[P2].lists["cases"].append({"case_id": A}))),
    "another's offer at the extranet": (
        "foreign_row",
        shown(lambda inputs: inputs.doors.providers[V1].lists["offers"].append({"offer_id": OB, "status": "offered"})),
    ),
    "another's bill": ("foreign_row", shown(lambda inputs: inputs.doors.providers[V1].lists["bills"].append({"id": BILL, "provider_id": V2}))),
    "another's case by its id": ("foreign_row", shown(lambda inputs: inputs.doors.probes.append(Probe("member", P2, "case at intake", A, 200)))),
    "a card of an older version": ("missing_card", changed("intake.note_added", card={"kind": "note", "id": NOTE, "version": 2})),
    "an anomaly of the view": ("anomaly", row("tracking", "cases", 1, anomalies=1)),
    "an event that the view did not understand": ("anomaly", row("tracking", "cases", 1, not_understood=1)),
    "a record that is no event": ("anomaly", lambda inputs: replace(inputs, log=replace(inputs.log, unreadable=[("cases", 3, 7)]))),
    "a parked key": ("stuck", lambda inputs: _parked(inputs)),
    "a need left in the middle": ("stuck", without("tracking.prestation_completed")),
}


def test_the_play_with_nothing_wrong_is_clean() -> None:
    found = verdict(story())
    assert found["findings"] == []
    assert found["needs"] == {"completed": 1, "refused": 1, "cancelled": 1, "unfilled_settled_by_hand": 1}
    assert (found["ledger_sum_cents"], found["billed"], found["invoiced_cents"], found["payable_cents"]) == (0, 1, 6750, 6462)
    assert (found["declined_then_accepted"], found["crossings"]) == (1, 1)


@pytest.mark.parametrize("wrong", SEVEN)
def test_each_of_the_seven_wrongs_is_found_by_name(wrong: str) -> None:
    kind, plant = SEVEN[wrong]
    assert kind in kinds(findings(plant(story())))


@pytest.mark.parametrize("wrong", MORE)
def test_more_of_the_same_sorts_is_found(wrong: str) -> None:
    kind, plant = MORE[wrong]
    assert kind in kinds(findings(plant(story())))


def test_a_wrong_in_one_view_alone_is_found_under_no_other_name() -> None:
    for wrong in ("a stale view", "a cent off", "a foreign tenant's row", "a missing card"):
        kind, plant = SEVEN[wrong]
        assert kinds(findings(plant(story()))) == {kind}, wrong


def test_an_unanswered_command_may_have_happened_or_not() -> None:
    path = f"/api/tracking/v1/missions/{MA}/complete"
    happened = answered({"path": path, "status": None, "response": "ReadTimeout", "outcome": "info"})(story())
    lost_answer = replace(happened, diary=[one for one in happened.diary if one.outcome != "ok" or one.path != path])
    assert findings(happened) == []
    assert findings(lost_answer) == []


def test_a_finding_names_the_case_by_its_id() -> None:
    found = findings(row("tracking", "needs", 2, state="scheduled")(story()))
    assert [(one.kind, one.case) for one in found if "view calls" in one.what] == [("stale_view", B)]
    assert B2 in found[0].what


def kinds(found: list[Finding]) -> set[str]:
    return {one.kind for one in found}


def _last_first(records: list[Record], kind: str) -> list[Record]:
    """The next offer, which was made because of it, comes first."""
    cause = next(one for one in records if one.kind == kind)
    effect = next(one for one in records if one.causation == cause.id)
    rest = [one for one in records if one is not effect]
    place = rest.index(cause)
    return [*rest[:place], effect, *rest[place:]]


def _ladder(inputs: Inputs) -> Row:
    found: Row = next(iter(inputs.doors.members.values())).cases[A]["needs"][0]["ladder"][0]
    return found


def _parked(inputs: Inputs) -> Inputs:
    inputs.tables.of("billing", "parked").append({"topic": "cases", "key": A, "reason": "failed"})
    return inputs
