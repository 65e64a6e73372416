"""Structured logs on stdout, one JSON object a line, without personal data: what is logged is ids, codes, counts."""

import logging
import sys

import structlog


def configure(service: str, process: str, level: str = "info") -> None:
    logging.basicConfig(level=logging.WARNING, stream=sys.stdout, format='{"level": "%(levelname)s", "logger": "%(name)s", "event": "%(message)s"}')
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service, process=process)
