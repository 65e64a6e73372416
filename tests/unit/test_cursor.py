"""Cursors of lists: what was encoded comes back as it was, what somebody made up is refused."""

import base64
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest

from services.kit import cursor
from services.kit.clock import new_id
from services.kit.errors import BadInput

NOW = datetime(2026, 11, 24, 8, 42, 18, 123456, tzinfo=UTC)


def forged(values: Any) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(values)).decode().rstrip("=")


def test_the_values_of_the_last_row_come_back_as_they_were() -> None:
    row = new_id()
    assert cursor.decode(cursor.encode(NOW, row), cursor.instant, cursor.uuid) == (NOW, row)
    assert cursor.decode(cursor.encode("isère_18"), cursor.text) == ("isère_18",)
    assert cursor.decode(cursor.encode(0), cursor.number) == (0,)


def test_an_instant_comes_back_whatever_its_zone() -> None:
    there = NOW.astimezone(timezone(timedelta(hours=-3, minutes=-30)))
    assert cursor.decode(cursor.encode(there), cursor.instant) == (NOW,)


@pytest.mark.parametrize("none", [None, ""])
def test_without_a_cursor_a_list_starts_at_its_beginning(none: str | None) -> None:
    assert cursor.decode(none, cursor.instant, cursor.uuid) is None


@pytest.mark.parametrize(
    "made_up",
    ["x", "é", "!!!!", "AAAA", forged({"a": 1}), forged("text"), forged(None), forged([]), forged([NOW]), forged([NOW, new_id(), 1])],
)
def test_what_is_no_list_of_the_right_length_is_refused(made_up: str) -> None:
    with pytest.raises(BadInput) as refused:
        cursor.decode(made_up, cursor.instant, cursor.uuid)
    assert (refused.value.status, refused.value.code) == (400, "bad_cursor")


WRONG: dict[Any, list[Any]] = {
    cursor.instant: [None, 5, True, [], {}, "x", "2026-11-24T08:42:18", "9999-12-31T23:00:00-12:00", "0001-01-01T00:00:00+12:00"],
    cursor.uuid: [None, 5, [], "", "y", "0199-not-an-id", "\0"],
    cursor.text: [None, 5, ["a"], "a\0b"],
    cursor.number: [None, True, 1.5, "1", -1, 2**63],
}


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in WRONG.items() for value in values])
def test_a_value_of_another_kind_is_refused_before_the_database_sees_it(kind: Any, value: Any) -> None:
    with pytest.raises(BadInput) as refused:
        cursor.decode(forged([value]), kind)
    assert refused.value.code == "bad_cursor"
