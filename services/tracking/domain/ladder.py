"""The eight steps of a need, with the time each was reached or is expected; a detour takes the place of its step."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

STEPS = ("open", "covered", "offered", "accepted", "scheduled", "in_progress", "performed", "closed")
DETOURS = {"unfilled": "offered", "failed": "in_progress"}
ENDS = ("cancelled", "refused")


@dataclass(frozen=True, slots=True)
class Step:
    state: str
    status: Literal["done", "now", ""]
    at: datetime | None


def ladder(state: str, reached: Mapping[Any, datetime], closed: bool, appointment: tuple[datetime, datetime] | None) -> list[Step]:
    """`reached`: when each state was first reached. A cancelled or refused need ends where it stood."""
    standing = "closed" if closed and state == "performed" else state
    at_step = DETOURS.get(standing, standing)
    if standing in ENDS:
        gone = [Step(step, "done", reached[step]) for step in STEPS if step in reached]
        return [*gone, Step(standing, "now", reached.get(standing))]
    place = STEPS.index(at_step)
    expected = dict(zip(("in_progress", "performed"), appointment or (), strict=False))
    steps: list[Step] = []
    for number, step in enumerate(STEPS):
        if number < place:
            if step in reached:
                steps.append(Step(step, "done", reached[step]))
        elif number == place:
            steps.append(Step(standing, "now", reached.get(standing)))
        else:
            steps.append(Step(step, "", expected.get(step)))
    return steps
