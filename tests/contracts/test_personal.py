"""Personal data travels only in cards."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, StringConstraints

from contracts.cards import CARDS, Card
from contracts.common import Code, Id, Label, Number, Place
from contracts.json_schema import schema
from contracts.personal import faults
from contracts.registry import Event, load


@pytest.mark.parametrize(("name", "model"), load().items())
def test_no_event_has_room_for_a_person(name: str, model: type[Event]) -> None:
    assert faults(schema(name, model)) == []


@pytest.mark.parametrize("card", CARDS.values())
def test_the_same_rule_finds_the_person_in_every_card(card: type[Card]) -> None:
    assert faults(card.model_json_schema(mode="serialization")) != []


class Fine(BaseModel):
    case_id: Id
    note_id: Id
    label: Label
    codes: list[Code] = []
    channel: Literal["phone", "email"]
    place: Place | None = None
    amount_cents: int


class FreeText(BaseModel):
    reason: str


class FreeTextInside(BaseModel):
    parts: list[FreeText] | None = None


class HomeMadeShape(BaseModel):
    reason: Annotated[str, StringConstraints(pattern=r"^.{0,80}$")]


class ShapedButPersonal(BaseModel):
    plate: Number


class NumberedButPersonal(BaseModel):
    contact_phone: int


class FreeKeys(BaseModel):
    said_by: dict[str, int]


class Anything(BaseModel):
    extra: Any


@pytest.mark.parametrize(
    ("model", "found"),
    [
        (Fine, []),
        (FreeText, ["free_text: $.reason"]),
        (FreeTextInside, ["free_text: $.parts[].reason"]),
        (HomeMadeShape, ["free_text: $.reason"]),
        (ShapedButPersonal, ["personal_name: $.plate"]),
        (NumberedButPersonal, ["personal_name: $.contact_phone"]),
        (FreeKeys, ["free_keys: $.said_by"]),
        (Anything, ["untyped: $.extra"]),
    ],
)
def test_a_field_that_could_hold_a_person_is_refused(model: type[BaseModel], found: list[str]) -> None:
    assert faults(model.model_json_schema(mode="serialization")) == found
