"""Reasons that people choose, for every door alike."""

from contracts.reasons import APPROVAL_REFUSED, GOODWILL
from services.kit.errors import Invalid

REFUSING = tuple(code for code in APPROVAL_REFUSED if code != "no_answer")  # that one is the clock's
GESTURES = tuple(GOODWILL)


def refusing(reason: str) -> str:
    """Why a principal does not agree. Raises `Invalid`."""
    return _one_of(reason, REFUSING)


def gesture(reason: str) -> str:
    """Why somebody grants what was refused. Raises `Invalid`."""
    return _one_of(reason, GESTURES)


def _one_of(reason: str, known: tuple[str, ...]) -> str:
    if reason not in known:
        raise Invalid(f"the reason must be one of {', '.join(known)}", code="unknown_reason")
    return reason
