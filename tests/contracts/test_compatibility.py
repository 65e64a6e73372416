"""What is released stays readable, in both directions. Every refusal has an example that it must refuse."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contracts.case_state import FOLD_VERSION
from contracts.compatibility import RELEASED, Rule, breaks, main, released_breaks
from contracts.generate import freeze

Schema = dict[str, Any]
NEED = "intake.need_added.v1"


def event(**fields: Schema) -> Schema:
    """A released schema whose fields are required unless they have a default."""
    required = [name for name, field in fields.items() if "default" not in field]
    return {
        "type": "object",
        "properties": fields,
        "required": required,
        "x-owner": "intake",
        "x-topics": ["cases"],
        "x-key": "case_id",
    }


CASE_ID: Schema = {"type": "string", "pattern": "^[0-9a-f-]{36}$"}
TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 1, "maximum": 5}
OPTIONAL: Schema = {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}
DOOR: Schema = {"type": "string", "enum": ["phone", "web"]}
GROWS: Schema = DOOR | {"x-extensible": True}
LIST: Schema = {"type": "array", "items": COUNT}
PLACE: Schema = {"type": "object", "properties": {"insee": {"type": "string"}}, "required": ["insee"]}

refused = [
    ("a field is removed", Rule.FIELD_REMOVED, event(a=COUNT, b=OPTIONAL), event(a=COUNT)),
    ("a field is removed from a part", Rule.FIELD_REMOVED, event(a=PLACE), event(a=PLACE | {"properties": {}, "required": []})),
    ("a new field is required", Rule.FIELD_REQUIRED, event(a=COUNT), event(a=COUNT, b=COUNT)),
    ("an optional field becomes required", Rule.FIELD_REQUIRED, event(a=COUNT | {"default": 1}), event(a=COUNT)),
    ("a required field becomes optional", Rule.FIELD_OPTIONAL, event(a=COUNT), event(a=COUNT | {"default": 1})),
    ("a number becomes a text", Rule.TYPE_CHANGED, event(a={"type": "integer"}), event(a=TEXT)),
    ("a text becomes an instant", Rule.TYPE_CHANGED, event(a=TEXT), event(a=TEXT | {"format": "date-time"})),
    ("a value may now be null", Rule.TYPE_CHANGED, event(a=TEXT), event(a={"anyOf": OPTIONAL["anyOf"]})),
    ("the items of a list change", Rule.TYPE_CHANGED, event(a=LIST), event(a=LIST | {"items": DOOR})),
    ("an enum loses a value", Rule.ENUM_NARROWED, event(a=DOOR), event(a=DOOR | {"enum": ["phone"]})),
    ("an extensible enum loses a value", Rule.ENUM_NARROWED, event(a=GROWS), event(a=GROWS | {"enum": ["web", "fax"]})),
    ("an open text becomes an enum", Rule.ENUM_NARROWED, event(a=TEXT), event(a=DOOR)),
    ("a closed enum gains a value", Rule.ENUM_WIDENED, event(a=DOOR), event(a=DOOR | {"enum": ["phone", "web", "fax"]})),
    ("a constant becomes an enum", Rule.ENUM_WIDENED, event(a=TEXT | {"const": "web"}), event(a=DOOR)),
    ("a pattern changes", Rule.PATTERN_CHANGED, event(a=CASE_ID), event(a=CASE_ID | {"pattern": "^[0-9]{9}$"})),
    ("a pattern appears", Rule.PATTERN_CHANGED, event(a=TEXT), event(a=CASE_ID)),
    ("a bound narrows", Rule.BOUND_NARROWED, event(a=COUNT), event(a=COUNT | {"maximum": 4})),
    ("a bound appears", Rule.BOUND_NARROWED, event(a=TEXT), event(a=TEXT | {"maxLength": 80})),
    ("a bound widens", Rule.BOUND_WIDENED, event(a=COUNT), event(a=COUNT | {"minimum": 0})),
    ("a default changes", Rule.DEFAULT_CHANGED, event(a=COUNT | {"default": 1}), event(a=COUNT | {"default": 2})),
    ("an object closes", Rule.OBJECT_CLOSED, event(a=COUNT), event(a=COUNT) | {"additionalProperties": False}),
    ("the event moves to another topic", Rule.ROUTE_CHANGED, event(a=COUNT), event(a=COUNT) | {"x-topics": ["tasks"]}),
    ("the event gets another key", Rule.ROUTE_CHANGED, event(a=COUNT), event(a=COUNT) | {"x-key": "need_id"}),
    ("a keyword is none that is compared", Rule.KEYWORD_UNKNOWN, event(a=COUNT), event(a=COUNT | {"multipleOf": 2})),
]  # fmt: skip
OF_FOLDERS = {Rule.EVENT_REMOVED, Rule.SAMPLE_UNREADABLE, Rule.OLD_READER_BREAKS, Rule.REASON_REMOVED, Rule.FOLD_CHANGED}


@pytest.mark.parametrize(("code", "old", "new"), [row[1:] for row in refused], ids=[row[0] for row in refused])
def test_it_is_refused_that(code: Rule, old: Schema, new: Schema) -> None:
    assert [found.code for found in breaks(old, new)] == [code]


def test_every_refusal_has_its_example() -> None:
    assert {row[1] for row in refused} | OF_FOLDERS == set(Rule)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (event(a=COUNT), event(a=COUNT)),
        (event(a=COUNT), event(a=COUNT, b=OPTIONAL)),
        (event(a=PLACE), event(a=PLACE | {"properties": PLACE["properties"] | {"zone": OPTIONAL}})),
        (event(a=GROWS), event(a=GROWS | {"enum": ["phone", "web", "fax"]})),
        (event(a=COUNT), event(a=COUNT | {"description": "said better"})),
    ],
    ids=[
        "nothing changes",
        "an optional field is added",
        "one is added to a part",
        "an extensible enum grows",
        "a text is reworded",
    ],
)
def test_it_is_allowed_that(old: Schema, new: Schema) -> None:
    assert breaks(old, new) == []


def test_the_models_of_today_break_nothing_that_is_released() -> None:
    assert released_breaks(RELEASED) == []
    assert main() == 0


def test_a_release_is_compatible_with_itself(tmp_path: Path) -> None:
    freeze("v1", tmp_path)
    assert released_breaks(tmp_path) == []


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("file", "change", "broken"),
    [
        (f"{NEED}.json", lambda schema: schema["properties"].update(asked_twice={"type": "boolean", "default": False}),
         {(Rule.FIELD_REMOVED, f"v1/{NEED}.asked_twice")}),
        (f"{NEED}.json", lambda schema: schema["$defs"]["Window"]["properties"]["start"].update(format="date"),
         {(Rule.TYPE_CHANGED, f"v1/{NEED}.wanted.start")}),
        (f"{NEED}.json", lambda schema: schema["properties"]["service"].update(const="plumbing"),
         {(Rule.ENUM_WIDENED, f"v1/{NEED}.service"), (Rule.OLD_READER_BREAKS, f"v1/{NEED}")}),
        (f"{NEED}.sample.json", lambda record: record["value"].pop("service"), {(Rule.SAMPLE_UNREADABLE, f"v1/{NEED}.sample.service")}),
        ("reasons.json", lambda codes: codes["visit_failed"].append("dog"), {(Rule.REASON_REMOVED, "v1/visit_failed.dog")}),
    ],
    ids=["a field", "a part as it was", "a reader that refuses", "a sample nobody reads", "a code"],
)  # fmt: skip
def test_what_a_release_holds_is_found_missing(tmp_path: Path, file: str, change: Change, broken: set[tuple[Rule, str]]) -> None:
    path = freeze("v1", tmp_path) / file
    content = json.loads(path.read_text("utf-8"))
    change(content)
    path.write_text(json.dumps(content), "utf-8")
    assert {(found.code, found.where) for found in released_breaks(tmp_path)} == broken


@pytest.mark.parametrize(("version", "broken"), [(FOLD_VERSION, ["fold_changed"]), (FOLD_VERSION - 1, [])])
def test_a_case_of_a_release_comes_to_another_state_only_with_a_higher_version_of_the_fold(tmp_path: Path, version: int, broken: list[str]) -> None:
    path = freeze("v1", tmp_path) / "story.json"
    story = json.loads(path.read_text("utf-8"))
    [(_, state)] = story["folded"].items()
    assert len(story["records"]) > 30 and len(state["needs"]) == 3
    state["closed"] = not state["closed"]
    path.write_text(json.dumps(story | {"fold_version": version}), "utf-8")
    assert [found.code for found in released_breaks(tmp_path)] == broken


def test_an_event_that_is_gone_is_found_missing(tmp_path: Path) -> None:
    folder = freeze("v1", tmp_path)
    (folder / f"{NEED}.json").rename(folder / "intake.need_wished.v1.json")
    assert [str(found) for found in released_breaks(tmp_path)] == ["event_removed: v1/intake.need_wished.v1"]


def test_every_release_counts_not_only_the_last(tmp_path: Path) -> None:
    freeze("v1", tmp_path)
    freeze("v2", tmp_path)
    (tmp_path / "v1" / f"{NEED}.json").rename(tmp_path / "v1" / "intake.need_wished.v1.json")
    assert [found.where for found in released_breaks(tmp_path)] == ["v1/intake.need_wished.v1"]
