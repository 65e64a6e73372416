"""`entraide stuck`: what is parked, and what to do about it."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from deploy.commands.reach import ask, console, reach

if TYPE_CHECKING:
    from deploy.operations import Action

app = typer.Typer(no_args_is_help=True, help="What is parked, and what to do about it.")

Service = Annotated[str, typer.Option("--service", "-s", help="intake, reference, dispatch, tracking, billing or gateway")]
Reason = Annotated[str, typer.Option("--reason", "-r", help="kept in the audit")]
Topic = Annotated[str, typer.Argument(help="for example: cases")]
Key = Annotated[str, typer.Argument(help="the parked key, for example a case's id")]


@app.command("list")
def listing() -> None:
    """Every parked key: why, since when, how many records wait behind it."""
    from deploy import operations  # noqa: PLC0415

    found = ask(operations.stuck(reach()))
    table = Table("service", "topic", "key", "first record", "reason", "cause", "tries", "since", "next try", "waiting")
    for service, one in found:
        first = f"{one.type} #{one.seq}" if one.type else "undecodable"
        following = one.next_try.strftime("%H:%M:%S") if one.next_try else "-"
        table.add_row(
            service, one.topic, one.key, first, one.reason, one.cause, str(one.tries), one.since.strftime("%H:%M:%S"), following, str(one.waiting)
        )
    console.print(table if found else "Nothing is stuck.")


@app.command()
def retry(topic: Topic, key: Key, service: Service, reason: Reason) -> None:
    """Tries a key now instead of at its next turn."""
    _act(service, "retry", topic, key, reason)


@app.command()
def skip(topic: Topic, key: Key, service: Service, reason: Reason) -> None:
    """Gives up the first record of a key; what waits behind it goes on."""
    _act(service, "skip", topic, key, reason)


@app.command()
def done(topic: Topic, key: Key, service: Service, reason: Reason) -> None:
    """States that the first record's effect was made by hand; what waits behind it goes on."""
    _act(service, "done", topic, key, reason)


@app.command()
def resume(topic: Topic, service: Service, reason: Reason) -> None:
    """Lets a consumer go on that stopped because too much was parked at once."""
    _act(service, "resume", topic, "*", reason)


def _act(service: str, action: "Action", topic: str, key: str, reason: str) -> None:
    from deploy import operations  # noqa: PLC0415

    ask(operations.act(reach(), service, action, topic, key, reason))
    console.print(f"{action}: {service} {topic} {key}")
