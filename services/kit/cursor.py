"""Opaque cursors for lists: the last row's sort values, so that rows written meanwhile shift nothing."""

import base64
import binascii
from typing import Any

import orjson

from services.kit.errors import BadInput

LIMIT = 200


def encode(*values: Any) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(values, default=str)).decode().rstrip("=")


def decode(cursor: str | None, count: int) -> list[Any] | None:
    """The values, None for no cursor. Raises `BadInput` for one that this platform did not make."""
    if not cursor:
        return None
    try:
        values = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        values = None
    if not isinstance(values, list) or len(values) != count:
        raise BadInput("this cursor is not one of ours; start again without it", code="bad_cursor")
    return values
