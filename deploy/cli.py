"""`entraide`: one command for the people who run the platform."""

import asyncio
import signal
import subprocess
import sys
from typing import Annotated

import typer
from rich.table import Table

from deploy.commands import feed, person, provider, stuck
from deploy.commands.reach import CONTAINERS, ask, console, reach
from deploy.embedded.process import StartFailed
from deploy.supervisor import ROOT

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def entraide(
    containers: Annotated[bool, typer.Option(CONTAINERS, help="ask the platform of `entraide up`, although another runs beside it")] = False,
) -> None:
    """Entraide: cases, coverage, dispatch, tracking, settlement."""


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="play, check, print one line of JSON, stop")] = False,
    cases: Annotated[int, typer.Option(min=1, max=20_000, help="how many cases are played")] = 300,
) -> None:
    """Starts everything on this machine, plays cases through every door, checks what came of them."""
    from deploy.demo.play import play  # noqa: PLC0415 - only this command needs it, and it takes a second to load

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts us in the background has it ignored
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # stops everything as Ctrl-C does
    raise typer.Exit(asyncio.run(play(cases, once, console)))


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
def status() -> None:
    """How each service of the running platform stands."""
    from deploy import operations  # noqa: PLC0415

    running = reach()
    table = Table("service", "last row", "unpublished", "lag", "parked", "late deadlines", title=running.url)
    table.columns[0].no_wrap = True
    standing = ask(operations.all_standing(running))
    for one in standing:
        lag = ", ".join(f"{topic} {behind}" for topic, behind in one.lag.items() if behind) or "0"
        figures = (one.last_row, one.unpublished, lag, one.parked_keys, one.deadlines_due)
        table.add_row(one.service, *(str(figure) for figure in figures))
    console.print(table)
    for one in standing:
        for topic in one.paused:
            console.print(f"{one.service} has paused on {topic}: see `entraide stuck list`", highlight=False)
        for topic in one.refused:
            console.print(f"{one.service} is refused by {topic}: its rows wait", highlight=False, soft_wrap=True)


app.add_typer(stuck.app, name="stuck")


@app.command()
def replay(service: stuck.Service, topic: Annotated[str, typer.Option(help="for example cases")] = "cases") -> None:
    """Lets a service read a topic again from its first record; nothing changes, and that is the point."""
    from deploy import operations  # noqa: PLC0415

    ask(operations.replay(reach(), service, topic))
    console.print(f"{service} reads {topic} again from the beginning.")


@app.command()
def rebuild() -> None:
    """Builds tracking's case views anew beside the old ones, from the log alone, and swaps them in."""
    from deploy import operations  # noqa: PLC0415

    console.print(f"The case views are built anew from {ask(operations.rebuild(reach()))} records.")


@app.command()
def republish(service: stuck.Service, since: Annotated[str, typer.Option(help="an instant, for example 2026-11-24T09:00Z")]) -> None:
    """Sends everything again that a service said since an instant; whoever has it already drops it."""
    from deploy import operations  # noqa: PLC0415

    console.print(f"{ask(operations.republish(reach(), service, since))} rows will be sent again.")


@app.command()
def bench() -> None:
    """Measures the platform against its yardsticks."""
    raise typer.Exit(subprocess.call([sys.executable, "-m", "tests.bench"], cwd=ROOT))


app.add_typer(feed.app, name="feed")
app.add_typer(provider.app, name="provider")
app.add_typer(person.app, name="person")


@app.command()
def secrets() -> None:
    """Writes the secrets of `make up` that are missing below deploy/secrets/."""
    from deploy import containers  # noqa: PLC0415

    containers.write_secrets()


def main() -> None:
    try:
        app()
    except StartFailed as failure:
        console.print(f"[bold red]It did not start.[/] {failure}", markup=True, highlight=False)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
