"""What comes from outside, kept within what the database and the calendar take: too much is the caller's 422, never a 500 of ours.

Every integer and instant of a door has one of these types, or limits of its own; `tests/rules` looks at all of them.
"""

from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated

from fastapi import Header, Query
from pydantic import AfterValidator, AwareDatetime, Field, TypeAdapter, ValidationError

from services.kit.errors import Invalid

INT4, INT8 = 2**31 - 1, 2**63 - 1
_FIRST, _LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def _in_calendar(moment: datetime) -> datetime:
    if not _FIRST <= moment < _LAST:
        raise ValueError("an instant lies in the years 1900 to 2199")
    return moment


Rank = Annotated[int, Field(ge=0, le=INT4)]  # of a row among those of one thing
Seq = Annotated[int, Field(ge=0, le=INT8)]  # in a log or a view
Version = Annotated[int, Field(ge=1, le=INT4)]
Limit = Annotated[int, Query(ge=1, le=200)]  # of rows in one page of a list
Moment = Annotated[AwareDatetime, AfterValidator(_in_calendar)]  # with an offset
Day = Annotated[date, Field(ge=_FIRST.date(), lt=_LAST.date())]
Position = Annotated[
    str | None,
    Query(
        pattern=r"^[a-z]{1,40}:[^:]{1,80}:[0-9]{1,18}$",
        description="`source:key:seq`, as a command answered it in Entraide-Position: waits up to 2 s for it",
    ),
]
IfMatch = Annotated[str | None, Header(pattern=r'^"[0-9]{1,9}"$', description="the ETag that it was read with")]

_VERSION, _DAY = TypeAdapter(Version), TypeAdapter(Day)
_EUROS = TypeAdapter(Annotated[Decimal, Field(gt=0, max_digits=10, decimal_places=2)])
_QUANTITY = TypeAdapter(Annotated[Decimal, Field(max_digits=10, decimal_places=3)])


def version(if_match: str | None) -> int | None:
    """Of an `IfMatch`."""
    return int(if_match.strip('"')) if if_match else None


def typed_version(typed: str) -> int | None:
    """Of a form's hidden field; None where the form has none. Raises `Invalid`."""
    try:
        return _VERSION.validate_strings(typed) if typed else None
    except ValidationError:
        raise Invalid("the form's version is no number; load the page again", code="bad_version") from None


def typed_day(typed: str) -> date:
    """As a browser sends it. Raises `Invalid`."""
    try:
        return _DAY.validate_strings(typed, strict=True)
    except ValidationError:
        raise Invalid("write the day as 2026-11-24", code="bad_day") from None


def typed_quantity(typed: str) -> Decimal:
    """With a comma or a point. Raises `Invalid`."""
    try:
        return _QUANTITY.validate_python(Decimal(typed.replace(",", ".")))
    except (InvalidOperation, ValidationError):
        raise Invalid("a quantity is written as 2 or 2,5, with three decimals at most", code="bad_quantity") from None


def typed_cents(typed: str) -> int:
    """An amount in euros above 0, with a comma or a point. Raises `Invalid`."""
    try:
        return int(_EUROS.validate_python(Decimal("".join(typed.split()).replace(",", "."))) * 100)
    except (InvalidOperation, ValidationError):
        raise Invalid("an amount is written as 150 or 150,50", code="bad_amount") from None
