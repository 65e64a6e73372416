"""Types that two owners need.

No free text travels in an event: every string is an id, a code, a date or a label of an organisation.
"""

from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from contracts.registry import ANY_SERVICE, Event

Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,63}$")]
Number = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9][A-Z0-9-]{2,39}$")]  # of a contract, an invoice, a case
CaseNumber = Annotated[str, StringConstraints(pattern=r"^[0-9]{9}$")]
Label = Annotated[str, StringConstraints(min_length=1, max_length=120)]  # of an organisation or a product, never of a person
Zone = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z_]+/[A-Z][A-Za-z_]+$")]
Day = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
Insee = Annotated[str, StringConstraints(pattern=r"^[0-9AB]{5}$")]
Postcode = Annotated[str, StringConstraints(pattern=r"^[0-9]{5}$")]
Departement = Annotated[str, StringConstraints(pattern=r"^(2[AB]|[0-9]{2,3})$")]
Cents = Annotated[int, Field(ge=-(10**13), le=10**13)]
Exact = Annotated[  # a quantity, unit price or rate; travels as plain digits, never "1E+2"
    Decimal,
    Field(max_digits=18, decimal_places=6),
    PlainSerializer(lambda number: format(number, "f"), return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^-?[0-9]{1,12}(\.[0-9]{1,6})?$"}, mode="serialization"),
]
Instant = Annotated[AwareDatetime, PlainSerializer(lambda at: at.astimezone(UTC), return_type=datetime, when_used="json")]  # travels with `Z`


class Part(BaseModel):
    """Base of what events are made of."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class CardKind(StrEnum):
    MEMBER = "member"
    CASE = "case"
    NOTE = "note"
    WORKER = "worker"
    CONTACT = "contact"
    USER = "user"


class CardRef(Part):
    """Where the personal data is: topic `cards`, key `<kind>:<id>`, at least this version."""

    kind: CardKind
    id: Id
    version: int = Field(ge=1)


class Place(Part):
    """A commune, not an address: the address is in the case card. `zone` decides business dates and night tariffs."""

    insee: Insee
    postcode: Postcode
    departement: Departement
    lat: float | None = Field(default=None, ge=-90, le=90)
    lon: float | None = Field(default=None, ge=-180, le=180)
    zone: Zone = "Europe/Paris"


class Window(Part):
    """From an instant until another, the end excluded."""

    start: Instant
    end: Instant

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.end <= self.start:
            raise ValueError("the end must come after the start")
        return self


class Actor(Part):
    kind: Code  # agent, supervisor, member, principal, provider, system
    id: Id | None = None


class Line(Part):
    """What was done: an article of the tariff, its unit and how many."""

    article: Code
    unit: Code
    quantity: Exact


class TaskOpened(Event, owner=ANY_SERVICE, name="task_opened", key="task_id"):
    """Something waits for a person. On `cases` when a case is concerned, else on `tasks` under its own id."""

    task_id: Id
    kind: Code
    role: Code
    due_at: Instant
    case_id: Id | None = None
    need_id: Id | None = None
    reason: Code | None = None

    def route(self) -> tuple[str, str]:
        return ("cases", self.case_id) if self.case_id else ("tasks", self.task_id)


class TaskClosed(Event, owner=ANY_SERVICE, name="task_closed", key="task_id"):
    """Only the service that opened a task closes it."""

    task_id: Id
    outcome: Code
    case_id: Id | None = None
    need_id: Id | None = None
    closed_by: Actor = Actor(kind="system")

    def route(self) -> tuple[str, str]:
        return ("cases", self.case_id) if self.case_id else ("tasks", self.task_id)
