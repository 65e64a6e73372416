"""Reason codes: stable for machines, well written for people."""

import ast
import re
import sys
from pathlib import Path

import pytest

from contracts import reasons
from contracts.events_page import REASONS
from contracts.json_schema import models
from contracts.registry import Event, load
from contracts.sample import records

CODED = {"reason", "why", "trace", "kind", "outcome"}
every_text = [(code, *texts) for family in (*reasons.families.values(), reasons.SERVICES) for code, texts in family.items()]


def test_a_code_reads_in_french_by_default_and_in_english_when_asked() -> None:
    assert reasons.text("waiting_period") == "délai de carence"
    assert reasons.text("waiting_period", "en") == "waiting period"


def test_a_code_of_a_later_version_is_shown_as_itself() -> None:
    assert reasons.text("struck_by_a_meteorite") == "struck_by_a_meteorite"


def test_coverage_can_be_refused_for_at_least_fifteen_reasons() -> None:
    assert len(reasons.COVERAGE_REFUSED) >= 15


def test_every_code_fits_the_shape_that_events_give_a_code() -> None:
    assert [code for code, _, _ in every_text if not re.fullmatch(r"[a-z][a-z0-9_]{1,63}", code)] == []


def test_a_code_of_several_families_means_the_same_in_each() -> None:
    meanings: dict[str, set[reasons.Texts]] = {}
    for code, french, english in every_text:
        meanings.setdefault(code, set()).add((french, english))
    assert {code: texts for code, texts in meanings.items() if len(texts) > 1} == {}


def test_every_text_is_a_fragment_in_both_languages() -> None:
    texts = [text for _, *pair in every_text for text in pair]
    assert [text for text in texts if not text or text[0].isupper() or text[-1] in " .!"] == []


def test_french_texts_use_french_signs() -> None:
    straight_apostrophe_or_breaking_space = re.compile(r"'| [;:!?»]|« ")
    assert [french for _, french, _ in every_text if straight_apostrophe_or_breaking_space.search(french)] == []


def test_a_domain_may_import_reasons_because_they_need_the_standard_library_only() -> None:
    imported = [node for node in ast.walk(ast.parse(Path(reasons.__file__).read_text("utf-8"))) if isinstance(node, ast.ImportFrom | ast.Import)]
    named = {node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name for node in imported}
    assert named <= sys.stdlib_module_names


def test_every_coded_field_of_every_event_says_which_families_it_takes() -> None:
    coded = {f"{name}.{field}" for name, model in load().items() for field in model.model_fields if field in CODED}
    assert coded == set(REASONS)


@pytest.mark.parametrize("field", REASONS)
def test_the_story_uses_only_known_codes_of_the_right_family(field: str) -> None:
    full_name, _, name = field.rpartition(".")
    known = {code for family in REASONS[field] for code in reasons.families[family]}
    model = models()[full_name]
    told = [record.value.get(name) for record in records() if isinstance(record.said, Event) and type(record.said) is model]
    used = [code for value in told if value for code in (value if isinstance(value, list) else [value])]
    assert used and set(used) <= known
