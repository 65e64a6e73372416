"""The examples that consumers keep, and the story they are taken from."""

import json
from collections import defaultdict
from pathlib import Path

import pytest

from contracts import case_state
from contracts.cards import TOPIC, Card
from contracts.deliveries import Delivery
from contracts.envelope import Envelope
from contracts.json_schema import models, topics
from contracts.readers import EXAMPLES, readers, reads
from contracts.registry import SERVICES, Event, load, owns
from contracts.sample import Record, records, sample
from contracts.story.cast import CAR, CASE, TAXI, TOW

every_example = [EXAMPLES / consumer / f"{name}.json" for consumer, names in reads().items() for name in names]


@pytest.mark.parametrize("path", every_example, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_models_read_what_the_consumer_expects_and_write_it_again(path: Path) -> None:
    example = json.loads(path.read_text("utf-8"))
    read = models()[path.stem].model_validate(example["value"])
    envelope = Envelope.from_headers([(name, value.encode()) for name, value in example["headers"].items()])
    assert read.model_dump(mode="json", exclude_none=True) == example["value"]
    assert (envelope.type, envelope.key) == (path.stem, example["key"])
    assert example["key"] == (read.key if isinstance(read, Card) else read.route()[1])


def test_only_services_keep_examples() -> None:
    assert set(reads()) == set(SERVICES)


def test_tracking_reads_everything_that_happens_to_cases() -> None:
    of_cases = [name for name, model in models().items() if "cases" in topics(model)]
    assert [name for name in of_cases if "tracking" not in readers().get(name, [])] == []


def test_the_story_holds_every_event_and_every_card() -> None:
    assert {type(record.said) for record in records()} == set(models().values())
    assert all(isinstance(sample(model), model) for model in load().values())


def test_every_record_of_the_story_comes_from_the_owner_of_its_type() -> None:
    strangers = [record.headers["ce_type"] for record in records() if not _may_send(record)]
    assert strangers == []


def _may_send(record: Record) -> bool:
    source = record.headers["ce_source"]
    return source == record.said.WRITER if isinstance(record.said, Card | Delivery) else owns(source, record.headers["ce_type"])


def test_the_story_numbers_its_events_without_gap_per_source_topic_and_key() -> None:
    given: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for record in records():
        if record.topic != TOPIC:
            given[record.headers["ce_source"], record.topic, record.key].append(int(record.headers["ce_seq"]))
    assert [key for key, seqs in given.items() if seqs != list(range(1, len(seqs) + 1))] == []


def test_the_story_tells_of_one_case_in_the_order_of_time() -> None:
    assert {record.key for record in records() if record.topic == "cases"} == {CASE}
    times = [record.headers["ce_time"] for record in records()]
    assert times == sorted(times)


def test_the_story_folds_without_anomaly_and_with_one_crossing() -> None:
    state = case_state.CaseState(case_id=CASE)
    for record in records():
        if record.topic == "cases" and isinstance(record.said, Event):
            envelope = Envelope.from_headers([(name, value.encode()) for name, value in record.headers.items()])
            state = case_state.apply(state, case_state.Record(envelope, record.said))
    assert (state.anomalies, state.not_understood) == ((), ())
    assert [(crossing.need_id, crossing.winner) for crossing in state.crossings] == [(TOW, "visit")]
    assert {need_id: need.state for need_id, need in state.needs.items()} == {TOW: "performed", TAXI: "cancelled", CAR: "refused"}


def test_an_instant_travels_in_utc_and_a_quantity_in_plain_digits() -> None:
    need = models()["intake.need_added.v1"]
    written = sample(need).model_dump(mode="json")
    elsewhere = {"start": "2026-03-02T10:00:00+02:00", "end": "2026-03-02T12:00:00+02:00"}
    read = need.model_validate(written | {"wanted": elsewhere, "quantity": "1E+2"}).model_dump(mode="json")
    assert read["wanted"] == {"start": "2026-03-02T08:00:00Z", "end": "2026-03-02T10:00:00Z"}
    assert read["quantity"] == "100"
