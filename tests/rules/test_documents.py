"""What the doors take is bounded: an integer that PostgreSQL would refuse is the caller's 422, never a 500."""

from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import Body, FastAPI, Form, Header, Query
from pydantic import BaseModel, Field

from services.kit import bounds
from tests.rules import shape
from tests.rules.documents import app_of, document, unbounded
from tests.rules.test_shape import OURS, SPEAKERS, where

DOORS = [*(path for path in SPEAKERS if {"api", "pages"} & {path.stem, path.parent.name}), shape.SERVICES / "kit/web/stuck.py"]


@pytest.mark.parametrize("service", OURS)
def test_every_integer_from_outside_has_a_lowest_and_a_highest_value(service: str, tmp_path: Path) -> None:
    described = document(app_of(service, tmp_path))
    assert any(path.startswith("/api/") for path in described["paths"])
    assert unbounded(described) == set()


class Loose(BaseModel):
    count: int


class Tight(BaseModel):
    count: int = Field(ge=0, lt=10)


@pytest.mark.parametrize(
    "annotation",
    [
        int,
        int | None,
        Annotated[int, Query(ge=0)],
        Annotated[int | None, Header(le=10)],
        Annotated[int, Form()],
        Loose,
        list[Loose],
        dict[str, int],
        Annotated[dict[str, Any], Body()],
        Annotated[Any, Body()],
    ],
)
def test_a_door_that_takes_any_integer_would_be_refused(annotation: Any) -> None:
    assert len(unbounded(document(app_taking(annotation)))) == 1


@pytest.mark.parametrize(
    "annotation",
    [str, bounds.Rank, bounds.Seq | None, bounds.Limit, Annotated[bounds.Version, Form()], Tight, list[Tight], Annotated[dict[str, str], Body()]],
)
def test_a_door_that_says_how_much_it_takes_is_accepted(annotation: Any) -> None:
    assert unbounded(document(app_taking(annotation))) == set()


@pytest.mark.parametrize("path", DOORS, ids=where)
def test_a_door_reads_what_was_typed_through_the_kits_bounds(path: Path) -> None:
    assert shape.loose_numbers(path.read_text()) == []


@pytest.mark.parametrize("line", ["int(version) if version.isdigit() else None", "Decimal(value.replace(',', '.'))"])
def test_a_number_read_by_hand_would_be_refused(line: str) -> None:
    assert shape.loose_numbers(f"x = {line}") == [1]


def app_taking(annotation: Any) -> FastAPI:
    app = FastAPI()

    async def take(given: annotation) -> None:  # type: ignore[valid-type]
        pass

    app.post("/things", include_in_schema=False)(take)
    return app
