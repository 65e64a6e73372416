"""Opaque cursors for lists: the last row's sort values, so that rows written meanwhile shift nothing."""

import base64
import binascii
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar, overload
from uuid import UUID

import orjson

from services.kit.errors import BadInput

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")


def encode(*values: Any) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(values, default=str)).decode().rstrip("=")


@overload
def decode(cursor: str | None, first: Callable[[Any], A], /) -> tuple[A] | None: ...
@overload
def decode(cursor: str | None, first: Callable[[Any], A], second: Callable[[Any], B], /) -> tuple[A, B] | None: ...
@overload
def decode(cursor: str | None, first: Callable[[Any], A], second: Callable[[Any], B], third: Callable[[Any], C], /) -> tuple[A, B, C] | None: ...
def decode(cursor: str | None, /, *kinds: Callable[[Any], Any]) -> tuple[Any, ...] | None:
    """Each value as its kind reads it, None for no cursor. Raises `BadInput` for one that this platform did not make.

    A kind refuses a value with ValueError or TypeError, and lets through nothing that the database would not take.
    """
    if not cursor:
        return None
    try:
        values = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(values, list):
            raise TypeError("no list")
        return tuple(kind(value) for kind, value in zip(kinds, values, strict=True))
    except (ValueError, TypeError, binascii.Error):
        raise BadInput("this cursor is not one of ours; start again without it", code="bad_cursor") from None


def instant(value: Any) -> datetime:
    at = datetime.fromisoformat(value)
    if at.tzinfo is None:
        raise ValueError("an instant has a zone")
    try:
        return at.astimezone(UTC)
    except OverflowError as beyond:
        raise ValueError("no year has five digits") from beyond


def uuid(value: Any) -> str:
    return str(UUID(text(value)))


def text(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise TypeError("no text")
    return value


def number(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**63:  # a bool is an int
        raise TypeError("no number")
    return value
