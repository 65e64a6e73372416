"""What may be said of a failure where it is kept or logged: its kind and its place, never a value.

Messages of others quote what they were given: asyncpg whole rows, pydantic its input, a KeyError its key. So of theirs only names
of the schema are told; an exception of our own says no more than codes, ids and counts, and is told as it is.
"""

import re
from collections.abc import Iterator
from traceback import walk_tb
from types import CodeType, FrameType

import asyncpg
from pydantic import ValidationError

OURS = ("services.", "contracts.")
_SCHEMA = ("schema_name", "table_name", "column_name", "data_type_name", "constraint_name")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,40}")


def summary(failure: BaseException) -> str:
    """One line: `UniqueViolationError 23505 table_name=member constraint_name=member_pkey in services.reference.store.members.insert:41`."""
    place = _last_of_ours(failure)
    said = _said(failure)
    return f"{type(failure).__name__}{': ' if said else ''}{said}{f' in {place}' if place else ''}"


def story(failure: BaseException) -> str:
    """As a traceback tells it, causes first, without the lines of code and without what the messages quote."""
    return "\n".join(_told(failure, set()))


def _told(failure: BaseException, known: set[int]) -> Iterator[str]:
    known.add(id(failure))
    before = failure.__cause__ or (None if failure.__suppress_context__ else failure.__context__)
    if before is not None and id(before) not in known:
        yield from _told(before, known)
        yield "and then"
    yield from (f"  at {_place(frame, line)}" for frame, line in walk_tb(failure.__traceback__))
    said = _said(failure)
    yield f"{type(failure).__name__}{': ' if said else ''}{said}"
    if isinstance(failure, BaseExceptionGroup):
        for number, one in enumerate(failure.exceptions, 1):
            yield f"{number} of {len(failure.exceptions)}"
            yield from _told(one, known)


def _said(failure: BaseException) -> str:
    match failure:
        case asyncpg.PostgresError():
            names = [f"{name}={value}" for name in _SCHEMA if (value := getattr(failure, name, None))]
            return " ".join([failure.sqlstate or "", *names]).strip()
        case ValidationError():
            wrong = failure.errors(include_input=False, include_context=False, include_url=False)
            return f"{failure.title}: " + ", ".join(f"{_path(error['loc'])} {error['type']}" for error in wrong)
        case _:
            return str(failure) if type(failure).__module__.startswith(OURS) else ""


def _path(place: tuple[int | str, ...]) -> str:
    """A key of a mapping may be anything, so only what looks like a field's name is told."""
    return ".".join(str(part) if isinstance(part, int) or _NAME.fullmatch(part) else "…" for part in place)


def _last_of_ours(failure: BaseException) -> str:
    """The innermost place in our own code; the innermost at all where none is."""
    frames = list(walk_tb(failure.__traceback__))
    ours = [found for found in frames if found[0].f_globals.get("__name__", "").startswith(OURS)]
    return _place(*(ours or frames)[-1]) if frames else ""


def _place(frame: FrameType, line: int) -> str:
    code: CodeType = frame.f_code
    return f"{frame.f_globals.get('__name__', '?')}.{code.co_qualname}:{line}"
