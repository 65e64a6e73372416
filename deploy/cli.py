"""`entraide`: one command for the people who run the platform."""

import asyncio
import signal
import subprocess
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from deploy.embedded.process import StartFailed
from deploy.supervisor import ROOT

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Entraide: cases, coverage, dispatch, tracking, settlement.")
stuck_app = typer.Typer(no_args_is_help=True, help="What is parked, and what to do about it.")
app.add_typer(stuck_app, name="stuck")
console = Console()

Service = Annotated[str, typer.Option("--service", "-s", help="intake, reference, dispatch, tracking, billing or gateway")]
Reason = Annotated[str, typer.Option("--reason", "-r", help="kept in the audit")]
Topic = Annotated[str, typer.Argument(help="for example: cases")]
Key = Annotated[str, typer.Argument(help="the parked key, for example a case's id")]


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="play, check, print one line of JSON, stop")] = False,
    cases: Annotated[int, typer.Option(min=1, max=20_000, help="how many cases are played")] = 300,
) -> None:
    """Starts everything on this machine, plays cases through every door, checks what came of them."""
    from deploy.demo.play import play  # noqa: PLC0415 - only this command needs it, and it takes a second to load

    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # stops everything as Ctrl-C does
    raise typer.Exit(asyncio.run(play(cases, once, console)))


@app.command()
def status() -> None:
    """How each service of the running platform stands."""
    from deploy import operations  # noqa: PLC0415
    from deploy.running import Running  # noqa: PLC0415

    running = Running.find()
    table = Table("service", "last row", "unpublished", "lag", "parked", "paused", "late deadlines", title=running.url)
    for one in asyncio.run(operations.all_standing(running)):
        lag = ", ".join(f"{topic} {behind}" for topic, behind in one.lag.items() if behind) or "0"
        numbers = (one.last_row, one.unpublished, lag, one.parked_keys, ", ".join(one.paused) or "-", one.deadlines_due)
        table.add_row(one.service, *(str(number) for number in numbers))
    console.print(table)


@stuck_app.command("list")
def stuck_list() -> None:
    """Every parked key: why, since when, how many records wait behind it."""
    from deploy import operations  # noqa: PLC0415
    from deploy.running import Running  # noqa: PLC0415

    found = asyncio.run(operations.stuck(Running.find()))
    table = Table("service", "topic", "key", "first record", "reason", "cause", "tries", "since", "next try", "waiting")
    for service, one in found:
        first = f"{one.type} #{one.seq}" if one.type else "undecodable"
        following = one.next_try.strftime("%H:%M:%S") if one.next_try else "-"
        table.add_row(
            service, one.topic, one.key, first, one.reason, one.cause, str(one.tries), one.since.strftime("%H:%M:%S"), following, str(one.waiting)
        )
    console.print(table if found else "Nothing is stuck.")


@stuck_app.command("retry")
def stuck_retry(topic: Topic, key: Key, service: Service, reason: Reason) -> None:
    """Tries a key now instead of at its next turn."""
    _act(service, "retry", topic, key, reason)


@stuck_app.command("skip")
def stuck_skip(topic: Topic, key: Key, service: Service, reason: Reason) -> None:
    """Gives up the first record of a key; what waits behind it goes on."""
    _act(service, "skip", topic, key, reason)


@stuck_app.command("done")
def stuck_done(topic: Topic, key: Key, service: Service, reason: Reason) -> None:
    """States that the first record's effect was made by hand; what waits behind it goes on."""
    _act(service, "done", topic, key, reason)


@stuck_app.command("resume")
def stuck_resume(topic: Topic, service: Service, reason: Reason) -> None:
    """Lets a consumer go on that stopped because too much was parked at once."""
    _act(service, "resume", topic, "*", reason)


@app.command()
def republish(service: Service, since: Annotated[str, typer.Option(help="an instant, for example 2026-11-24T09:00Z")]) -> None:
    """Sends everything again that a service said since an instant; whoever has it already drops it."""
    from deploy import operations  # noqa: PLC0415
    from deploy.running import Running  # noqa: PLC0415

    console.print(f"{asyncio.run(operations.republish(Running.find(), service, since))} rows will be sent again.")


@app.command()
def replay(service: Service, topic: Annotated[str, typer.Option(help="for example cases")] = "cases") -> None:
    """Lets a service read a topic again from its first record; nothing changes, and that is the point."""
    from deploy import operations  # noqa: PLC0415
    from deploy.running import Running  # noqa: PLC0415

    asyncio.run(operations.replay(Running.find(), service, topic))
    console.print(f"{service} reads {topic} again from the beginning.")


@app.command()
def rebuild() -> None:
    """Builds tracking's case views anew beside the old ones, from the log alone, and swaps them in."""
    from deploy import operations  # noqa: PLC0415
    from deploy.running import Running  # noqa: PLC0415

    console.print(f"The case views are built anew from {asyncio.run(operations.rebuild(Running.find()))} records.")


@app.command()
def up() -> None:
    """The same platform in containers: writes missing secrets, then docker-compose up."""
    from deploy import containers  # noqa: PLC0415

    containers.up()


@app.command()
def down() -> None:
    """Stops the containers and keeps their data."""
    from deploy import containers  # noqa: PLC0415

    containers.down()


@app.command()
def secrets() -> None:
    """Writes the secrets of `make up` that are missing below deploy/secrets/."""
    from deploy import containers  # noqa: PLC0415

    containers.write_secrets()


@app.command()
def bench() -> None:
    """Measures the platform against its yardsticks."""
    raise typer.Exit(subprocess.call([sys.executable, "-m", "tests.bench"], cwd=ROOT))


def _act(service: str, action: str, topic: str, key: str, reason: str) -> None:
    from deploy import operations  # noqa: PLC0415
    from deploy.running import Running  # noqa: PLC0415

    asyncio.run(operations.act(Running.find(), service, action, topic, key, reason))  # type: ignore[arg-type]
    console.print(f"{action}: {service} {topic} {key}")


def main() -> None:
    try:
        app()
    except StartFailed as failure:
        console.print(f"[bold red]It did not start.[/] {failure}", markup=True, highlight=False)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
