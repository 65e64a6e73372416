"""A name and a phone number are in every failure here, and in nothing that is kept or logged of it."""

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pydantic import BaseModel, ValidationError

from contracts.cards import MemberCard
from contracts.envelope import Envelope, Undecodable
from services.kit import failures, logs
from services.kit.errors import Conflict
from services.kit.parking import cause_of

NAME, PHONE = "Odile Couesnon", "+33639987701"
ROOT = Path(__file__).parents[2]


def postgres(sqlstate: str, message: str, **fields: str) -> BaseException:
    """As asyncpg makes it of what the server says."""
    letters = {"detail": "D", "table_name": "t", "column_name": "c", "constraint_name": "n", "where": "W", "query": "q"}
    failure: BaseException = asyncpg.PostgresError.new({"C": sqlstate, "M": message} | {letters[name]: value for name, value in fields.items()})
    return failure


class Wishes(BaseModel):
    wishes: dict[str, int]


def refused(model: type[BaseModel], **values: Any) -> BaseException:
    with pytest.raises(ValidationError) as wrong:
        model.model_validate(values)
    return wrong.value


def chained() -> BaseException:
    try:
        try:
            raise KeyError(NAME)
        except KeyError as missing:
            raise RuntimeError(f"no such person: {NAME}") from missing
    except RuntimeError as failure:
        return failure


def made() -> Iterator[tuple[BaseException, str]]:
    """A failure, and what must be told of it."""
    row = f"Failing row contains (7, {NAME}, {PHONE})."
    key = f"Key (name)=({NAME}) already exists."
    known = postgres("23505", f"duplicate key of {NAME}", detail=key, table_name="member", constraint_name="one_name")
    yield known, "UniqueViolationError: 23505 table_name=member constraint_name=one_name"
    yield postgres("23514", "refused", detail=row, table_name="member", constraint_name="a_phone"), "CheckViolationError: 23514"
    yield postgres("23502", "null value", detail=row, table_name="member", column_name="address"), "column_name=address"
    yield postgres("22P02", f'invalid input syntax for type uuid: "{NAME}"', where=f"unnamed portal parameter = '{PHONE}'"), "22P02"
    yield asyncpg.DataError(f"invalid input for query argument $1: '{NAME}' (an integer is required)"), "DataError: 22000"
    yield refused(MemberCard, id=PHONE, version=NAME, last_name=[NAME]), "MemberCard: id string_pattern_mismatch, version int_parsing"
    yield refused(Wishes, wishes={PHONE: NAME}), "Wishes: wishes.… int_parsing"
    yield KeyError(NAME), "KeyError"
    yield ValueError(f"invalid literal for int() with base 10: '{PHONE}'"), "ValueError"
    yield chained(), "RuntimeError"
    yield ExceptionGroup(NAME, [KeyError(PHONE), known]), "ExceptionGroup"


CASES = list(made())
IDS = [type(failure).__name__ for failure, _ in CASES]


@pytest.mark.parametrize(("failure", "told"), CASES, ids=IDS)
def test_a_cause_names_the_schema_and_no_person(failure: BaseException, told: str) -> None:
    cause = cause_of(failure)
    assert told in cause
    assert NAME not in cause and PHONE not in cause


@pytest.mark.parametrize(("failure", "told"), CASES, ids=IDS)
def test_a_log_line_tells_the_story_and_no_person(failure: BaseException, told: str) -> None:
    raised = (type(failure), failure, failure.__traceback__)
    record = logging.LogRecord("asyncio", logging.ERROR, __file__, 1, f"Task failed\n{failure!r}", (), raised)
    lines = [logs.told(None, "", {"event": "unexpected", "exc_info": failure})["exception"], logs._Foreign().format(record)]
    for line in lines:
        assert told in line
        assert NAME not in line and PHONE not in line
    assert json.loads(lines[1])["event"] == "Task failed"


def test_a_failure_of_our_own_is_told_as_it_is_with_its_place() -> None:
    try:
        raise Conflict("the tariff is at version 3; load it again")
    except Conflict as failure:
        place = "tests.unit.test_failures.test_a_failure_of_our_own_is_told_as_it_is_with_its_place"
        assert failures.summary(failure).startswith(f"Conflict: the tariff is at version 3; load it again in {place}:")


def test_a_story_begins_with_its_cause_and_ends_where_causes_go_round() -> None:
    told = failures.story(chained())
    assert told.index("KeyError") < told.index("and then") < told.index("RuntimeError")
    one, other = KeyError(NAME), ValueError(NAME)
    one.__cause__, other.__cause__ = other, one
    assert failures.story(one).splitlines() == ["ValueError", "and then", "KeyError"]


def test_a_header_that_cannot_be_read_is_named_and_not_repeated() -> None:
    good = dict.fromkeys(("ce_id", "ce_source", "ce_type", "ce_subject", "ce_correlationid", "ce_causationid", "traceparent"), b"x")
    for name in ("ce_seq", "ce_row", "ce_time"):
        headers = good | {"ce_seq": b"1", "ce_row": b"1", "ce_time": b"2026-11-24T08:00:00Z", name: NAME.encode()}
        with pytest.raises(Undecodable, match=f"^malformed header: {name}$"):
            Envelope.from_headers(headers.items())


async def failing() -> None:
    raise KeyError(NAME)


def main() -> None:
    """As a process of a service logs: by structlog, by a library, by asyncio."""
    logs.configure("test", "web")
    for failure, _ in CASES:
        logs.structlog.get_logger().error("unexpected", exc_info=failure)
        try:
            raise failure
        except type(failure):
            logs.structlog.get_logger().exception("caught")
            logging.getLogger("uvicorn.error").exception("Exception in ASGI application\n")
    asyncio.run(unawaited())


async def unawaited() -> None:
    task = asyncio.ensure_future(failing())
    await asyncio.wait([task])
    del task  # asyncio says now that nobody asked


def test_nothing_that_a_process_prints_names_a_person() -> None:
    ran = subprocess.run([sys.executable, "-m", "tests.unit.test_failures"], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len(lines) == 3 * len(CASES) + 1
    assert lines[-1]["event"] == "Task exception was never retrieved"
    assert all(line["exception"] for line in lines)
    for planted in (NAME, PHONE):
        assert planted not in ran.stdout + ran.stderr


if __name__ == "__main__":
    main()
