"""What is committed is what the models make."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from contracts import generate
from contracts.events_page import page
from contracts.json_schema import Model, models, says
from contracts.sample import record
from contracts.story.cast import MEMBER


def test_no_committed_file_differs_from_what_the_models_make() -> None:
    assert generate.differences() == [], "run `python -m contracts.generate` and review the difference"


def test_every_event_and_card_says_in_one_line_what_it_is() -> None:
    assert [name for name, model in models().items() if not says(model) or "|" in says(model)] == []


def test_the_events_page_has_one_row_for_every_event_and_card() -> None:
    rows = [line.split("`")[1] for line in page().splitlines() if line.startswith("| [`")]
    assert rows == list(models())


@pytest.mark.parametrize(("name", "model"), models().items())
def test_the_sample_of_every_event_and_card_is_valid_by_its_committed_schema(name: str, model: Model) -> None:
    schema = json.loads((generate.SCHEMAS / f"{name}.json").read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(record(model).value)


def test_a_schema_refuses_what_its_model_would_never_write() -> None:
    schema = json.loads((generate.SCHEMAS / "intake.need_added.v1.json").read_text("utf-8"))
    written = dict(record(models()["intake.need_added.v1"]).value)
    for wrong in ({"quantity": "1E+2"}, {"quantity": 1}, {"case_id": MEMBER.upper()}, {"urgency": "whenever"}, {"rank": 0}):
        assert not Draft202012Validator(schema).is_valid(written | wrong), wrong


def test_a_release_is_frozen_once(tmp_path: Path) -> None:
    folder = generate.freeze("v1", tmp_path)
    frozen = {path.name for path in folder.iterdir()}
    assert frozen == {"reasons.json", "story.json"} | {f"{name}{end}" for name in models() for end in (".json", ".sample.json")}
    with pytest.raises(FileExistsError):
        generate.freeze("v1", tmp_path)
