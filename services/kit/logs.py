"""Structured logs on stdout, one JSON object a line, without personal data: what is logged is ids, codes, counts.

Failures are told by `kit.failures`, whoever logs them: a library's message may quote a row.
"""

import logging
import sys

import orjson
import structlog
from structlog.typing import EventDict, WrappedLogger

from services.kit import failures


class _Foreign(logging.Formatter):
    """Of a library's message the first line: asyncio adds below it what failed, with its values."""

    def format(self, record: logging.LogRecord) -> str:
        said = {"level": record.levelname.lower(), "logger": record.name, "event": record.getMessage().strip().partition("\n")[0]}
        if record.exc_info and record.exc_info[1]:
            said["exception"] = failures.story(record.exc_info[1])
        return orjson.dumps(said).decode()


def configure(service: str, process: str, level: str = "info") -> None:
    foreign = logging.StreamHandler(sys.stdout)
    foreign.setFormatter(_Foreign())
    logging.basicConfig(level=logging.WARNING, handlers=[foreign])
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            told,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service, process=process)


def told(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """`exc_info`, given in any of the ways logging knows, as `exception`."""
    given = line.pop("exc_info", None)
    failure = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(failure, BaseException):
        line["exception"] = failures.story(failure)
    return line
