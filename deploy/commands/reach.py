"""From a command to the platform that it is about."""

import asyncio
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer
from rich.console import Console

if TYPE_CHECKING:
    from deploy.running import Running

CONTAINERS = "--containers"
console = Console()

Answer = TypeVar("Answer")


def reach(files: Sequence[Path] = ()) -> "Running":
    """The platform that runs on this machine. One in containers is reached from inside: the command goes on there and ends here.

    `files` are those that the command line names.
    """
    from deploy import containers  # noqa: PLC0415 - loads in half a second: not for `--help`
    from deploy.running import NothingRuns, Running  # noqa: PLC0415

    words = [word for word in sys.argv[1:] if word != CONTAINERS]
    if len(words) == len(sys.argv) - 1:
        try:
            return Running.find()
        except NothingRuns:
            if not containers.are_there():
                raise
    raise typer.Exit(containers.go_on_inside(words, files))


def ask(question: Coroutine[Any, Any, Answer]) -> Answer:
    """Its answer. Ends the command when it is refused, or when a database or the broker gives none."""
    import asyncpg  # noqa: PLC0415
    from confluent_kafka import KafkaException  # noqa: PLC0415

    from deploy.running import NothingRuns  # noqa: PLC0415
    from services.kit.errors import Refusal  # noqa: PLC0415

    try:
        return asyncio.run(question)
    except Refusal as refusal:
        raise NothingRuns(str(refusal)) from None
    except (OSError, asyncpg.PostgresError, KafkaException) as failure:
        raise NothingRuns(f"A database or the broker does not answer: {failure or type(failure).__name__}") from None
