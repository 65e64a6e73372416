"""What whoever looks on is shown: the play as it goes, what came of it, and how to look for oneself."""

from collections.abc import Callable
from datetime import timedelta
from statistics import median, quantiles
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from deploy.demo.accounts import People
from deploy.demo.tally import OUTCOMES, Tally

HOMES = {
    "agent": "/desk",
    "supervisor": "/desk",
    "finance": "/desk/cases",
    "admin": "/desk/stuck",
    "principal": "/board",
    "provider_admin": "/extranet",
    "member": "/me",
}


def progress(console: Console) -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=False)


def moving(progress: Progress, cases: int) -> Callable[[dict[str, Any]], None]:
    """What the robots say while they play, as two bars."""
    opened = progress.add_task("cases opened", total=cases)
    final = progress.add_task("cases at their end", total=cases)

    def heard(line: dict[str, Any]) -> None:
        if "opened" in line:
            progress.update(opened, completed=line["opened"], description=f"cases opened, {line['in_flight']} under way")
            progress.update(final, completed=line["final"])

    return heard


def outcomes(console: Console, tally: Tally) -> None:
    table = Table("outcome of a need", "needs", "typical", "slowest of 100", title=f"{tally.cases} cases, {tally.needs} needs, {tally.events} events")
    for column in table.columns[1:]:
        column.justify = "right"
    for outcome in OUTCOMES:
        if tally.outcomes[outcome]:
            delays = tally.delays[outcome]
            table.add_row(outcome.replace("_", " "), str(tally.outcomes[outcome]), _seconds(delays, 50), _seconds(delays, 99))
    console.print(table)


def delays(console: Console, samples: dict[str, list[float]], crossings: dict[str, int]) -> None:
    table = Table("from a command to another door", "seen", "p50 ms", "p99 ms")
    for column in table.columns[1:]:
        column.justify = "right"
    for what, of in sorted(samples.items()):
        table.add_row(what, str(len(of)), f"{percentile(of, 50):.0f}", f"{percentile(of, 99):.0f}")
    console.print(table)
    console.print("Crossings: " + (", ".join(f"{kind.replace('_', ' × ')} {count}" for kind, count in sorted(crossings.items())) or "none"))


def sign_ins(console: Console, url: str, people: People) -> None:
    table = Table("sign in as", "you are", "and see", title=f"{url}   password of all: [bold]{people.password}[/]")
    for user in people.users:
        table.add_row(user.login, ", ".join(user.roles).replace("_", " "), f"{url}{HOMES[user.roles[0]]}")
    console.print(table)
    console.print("Ctrl-C stops everything and removes what was written.")


def findings(console: Console, found: list[Any]) -> None:
    for one in found[:20]:
        console.print(f"[red]found:[/] {one}", highlight=False)
    if len(found) > 20:
        console.print(f"[red]… and {len(found) - 20} more[/]")


def percentile(values: list[float], percent: int) -> float:
    """0 for none."""
    if len(values) < 2:
        return values[0] if values else 0.0
    return median(values) if percent == 50 else quantiles(values, n=100, method="inclusive")[percent - 1]


def _seconds(delays: list[timedelta], percent: int) -> str:
    return f"{percentile([delay.total_seconds() for delay in delays], percent):.1f} s" if delays else "-"
