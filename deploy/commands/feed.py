"""`entraide feed`: the files that principals send."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from deploy.commands.reach import ask, console, reach

if TYPE_CHECKING:
    from deploy.running import Running
    from services.reference.usecases.feed import Kind, Report

SHOWN = 50  # refused rows of a file

app = typer.Typer(no_args_is_help=True, help="The files that principals send: who is entitled to what.")


@app.callback()
def feed() -> None:
    """Keeps `load` a word of its own while it is the only one."""


@app.command()
def load(
    files: Annotated[list[Path], typer.Argument(help="CSV files; what a file holds is its name up to the first dot or dash: members-2026-11.csv")],
) -> None:
    """Loads principals, products, guarantees, members and contracts. The same file again changes nothing.

    Whatever the order they are given in, what others refer to is loaded first. A refused row stops nothing and is reported with its
    line; the exit code is then 1.
    """
    kinds = _kinds(files)
    running = reach(files)
    loaded = ask(_load(running, kinds))
    if loaded:
        _tell(loaded)
    for file, report in loaded:
        _tell_refused(file, report)
    if len(loaded) < len(files) or any(report.bad for _, report in loaded):
        raise typer.Exit(1)


def _kinds(files: list[Path]) -> list[tuple["Kind", Path]]:
    """In the order that they must be loaded in. Ends the command when one is no file, or of no kind that we know."""
    from services.reference.usecases.feed import KINDS  # noqa: PLC0415 - loads in a quarter of a second: not for `--help`

    found: list[tuple[Kind, Path]] = []
    for file in files:
        kind = next((kind for kind in KINDS if kind == re.split(r"[.-]", file.name)[0]), None)
        if kind is None:
            raise typer.BadParameter(f"{file}: the name must begin with {', '.join(KINDS[:-1])} or {KINDS[-1]}")
        if not file.is_file():
            raise typer.BadParameter(f"{file}: there is no such file")
        if not os.access(file, os.R_OK):
            raise typer.BadParameter(f"{file}: you may not read it")
        found.append((kind, file))
    return sorted(found, key=lambda one: KINDS.index(one[0]))


async def _load(running: "Running", files: list[tuple["Kind", Path]]) -> list[tuple[Path, "Report"]]:
    """Stops at the first file that cannot be read as its kind, since those after it may refer to it."""
    from deploy import operations  # noqa: PLC0415
    from services.kit.errors import Invalid  # noqa: PLC0415
    from services.reference.usecases.feed import load_csv  # noqa: PLC0415

    loaded = []
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        async with operations.database(running, "reference") as db:
            for kind, file in files:
                bar = progress.add_task(escape(file.name), total=_steps(file))
                try:
                    report = await load_csv(db, kind, file, lambda done, bar=bar: progress.update(bar, completed=done))  # type: ignore[misc]
                except Invalid as wrong:
                    console.print(f"[bold red]{escape(file.name)} was not loaded, nor what would follow it.[/] {escape(str(wrong))}", highlight=False)
                    break
                progress.update(bar, total=1, completed=1)
                loaded.append((file, report))
    return loaded


def _steps(file: Path) -> int | None:
    """Each line is read, later written; unknown for a packed file."""
    if file.suffix in {".gz", ".zip"}:
        return None
    with file.open("rb") as lines:
        return 2 * sum(1 for _ in lines)


def _tell(loaded: list[tuple[Path, "Report"]]) -> None:
    table = Table("file", "rows", "changed", "unchanged", "refused")
    for column in table.columns[1:]:
        column.justify = "right"
    for file, report in loaded:
        table.add_row(escape(file.name), *(str(count) for count in (report.rows, report.changed, report.unchanged, report.bad)))
    console.print(table)


def _tell_refused(file: Path, report: "Report") -> None:
    problems = sorted(report.problems, key=lambda bad: bad.line)[:SHOWN]
    for bad in problems:
        console.print(f"{file.name} line {bad.line}: {bad.reason} {bad.field}".rstrip(), markup=False, highlight=False, soft_wrap=True)
    if report.bad > len(problems):
        console.print(f"{file.name}: and {report.bad - len(problems)} more", markup=False, highlight=False)
