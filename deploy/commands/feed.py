"""`entraide feed`: the files that principals send."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from deploy.commands.reach import ask, console, reach

if TYPE_CHECKING:
    from deploy.running import Running
    from services.reference.usecases.exports import Export
    from services.reference.usecases.feed import Report
    from services.reference.usecases.mapping import Kind

SHOWN = 50  # refused rows of a file
OPERATOR = "operator"
NICENESS = 10  # a file waits for people, never people for a file

app = typer.Typer(no_args_is_help=True, help="The files that principals send: who is entitled to what.")


@app.command()
def load(
    files: Annotated[list[Path], typer.Argument(help="CSV files; what a file holds is its name up to the first dot or dash: members-2026-11.csv")],
    mapping: Annotated[Path | None, typer.Option(help="TOML file of a principal: which of its columns is which field, what its words mean")] = None,
) -> None:
    """Loads principals, products, guarantees, members and contracts. The same file again changes nothing.

    Whatever the order they are given in, what others refer to is loaded first. A refused row stops nothing, is reported with its line and
    kept for `feed repair`. A full file that would end more than its mapping allows writes nothing and asks: see `feed confirm`. The exit
    code is 1 when a row was refused or a file asks.
    """
    kinds = _kinds(files)
    running = reach([*files, *([mapping] if mapping else [])])
    loaded = ask(_load(running, kinds, mapping))
    if loaded:
        _tell(loaded)
    for file, report in loaded:
        _tell_refused(file, report)
        if report.asks:
            _tell_question(file.name, report.run_id, report.vanished, report.known)
    if len(loaded) < len(files) or any(report.bad or report.asks for _, report in loaded):
        raise typer.Exit(1)


@app.command()
def history(limit: Annotated[int, typer.Option(help="how many files", min=1, max=200)] = 20) -> None:
    """The files that were loaded, the latest first."""
    table = Table("began", "file", "kind", "mode", "state", "rows", "changed", "refused", "ended", "run")
    for column in table.columns[5:9]:
        column.justify = "right"
    table.columns[-1].no_wrap = True  # it is copied
    for run in ask(_history(reach(), limit)):
        counts = (str(run[name]) for name in ("lines", "changed", "refused", "ended"))
        state = f"{run['state']}: {run['reason']}" if run["reason"] else run["state"]
        table.add_row(f"{run['began_at']:%d/%m %H:%M}", escape(run["file"]), run["kind"], run["mode"], state, *counts, str(run["id"]))
    console.print(table)


@app.command()
def confirm(run: Annotated[str, typer.Argument(help="of `feed history`")]) -> None:
    """Writes a file that asks, and ends those whom it does not name."""
    report = ask(_confirm(reach(), run))
    console.print(f"{report.changed} changed, {report.ended} ended, {report.bad} refused", highlight=False)


@app.command()
def abandon(run: Annotated[str, typer.Argument(help="of `feed history`")]) -> None:
    """Leaves a file that asks unwritten."""
    ask(_abandon(reach(), run))
    console.print("Nothing of it was written.")


@app.command()
def export(
    principal: Annotated[str, typer.Argument(help="its code")],
    file: Annotated[Path, typer.Argument(help="CSV file to write")],
    mapping: Annotated[Path | None, typer.Option(help="TOML file of the principal: its columns and words; `[out]` says what goes out")] = None,
) -> None:
    """Writes what members and agents have changed, and the principal has not acknowledged: the same again until it has."""
    if not file.absolute().parent.is_dir():
        raise typer.BadParameter(f"{file}: there is no such folder")
    made = ask(_export(reach([mapping] if mapping else []), principal, file, mapping))
    console.print(f"{made.rows} members, {made.changes} changes", highlight=False)
    console.print(f"When the principal has taken it: entraide feed ack {made.id}", markup=False, highlight=False, soft_wrap=True)


@app.command()
def ack(export: Annotated[str, typer.Argument(help="as `feed export` has shown it")]) -> None:
    """The principal has taken what this export told it."""
    ask(_ack(reach(), export))
    console.print("Acknowledged: it goes out no more.")


@app.command()
def conflicts(
    what: Annotated[str, typer.Argument(help="list, or settle")] = "list",
    number: Annotated[int | None, typer.Argument(help="of the list")] = None,
    keep: Annotated[str | None, typer.Argument(help="ours or theirs")] = None,
    decided: Annotated[bool, typer.Option("--decided", help="also those that are settled")] = False,
) -> None:
    """Fields that both sides have changed: those that wait for somebody's word, or `settle NUMBER ours|theirs`."""
    if what == "list":
        _tell_conflicts(ask(_conflicts(reach(), decided)))
        return
    if what != "settle" or number is None or keep not in ("ours", "theirs"):
        raise typer.BadParameter("say `list`, or `settle NUMBER ours`, or `settle NUMBER theirs`")
    ask(_settle_conflict(reach(), number, keep))
    console.print(f"settled: {keep}")


@app.command()
def repair(
    row: Annotated[int | None, typer.Argument(help="of the list that the command prints without it")] = None,
    cells: Annotated[list[str] | None, typer.Argument(metavar="FIELD=VALUE…", help="what is otherwise than in the file")] = None,
    drop: Annotated[bool, typer.Option("--drop", help="nobody needs this row")] = False,
    run: Annotated[str | None, typer.Option(help="only rows of this file")] = None,
) -> None:
    """Without a row: those that were refused and are still open. With one: takes it as it is mended, or drops it."""
    if row is None:
        _tell_open(ask(_open_rows(reach(), run)))
        return
    if wrong := [cell for cell in cells or [] if "=" not in cell]:
        raise typer.BadParameter(f"{wrong[0]}: say which field it is: birth_date=1961-03-14")
    changed = {name: value for name, _, value in (cell.partition("=") for cell in cells or [])}
    if drop and changed:
        raise typer.BadParameter("a row is mended or dropped, not both")
    ask(_settle(reach(), row, None if drop else changed))
    console.print("dropped" if drop else "taken")


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


async def _load(running: "Running", files: list[tuple["Kind", Path]], mapping: Path | None) -> list[tuple[Path, "Report"]]:
    """Stops at the first file that cannot be read as its kind, since those after it may refer to it."""
    from deploy import operations  # noqa: PLC0415
    from services.kit.errors import Invalid  # noqa: PLC0415
    from services.reference.usecases import mapping as mappings  # noqa: PLC0415
    from services.reference.usecases.feed import load_csv  # noqa: PLC0415

    means = mappings.read(mapping) if mapping else mappings.OURS
    os.nice(NICENESS)
    loaded = []
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        async with operations.database(running, "reference") as db:
            for kind, file in files:
                bar = progress.add_task(escape(file.name), total=_steps(file))
                try:
                    report = await load_csv(db, kind, file, means, heard=lambda done, bar=bar: progress.update(bar, completed=done))  # type: ignore[misc]
                except Invalid as wrong:
                    console.print(f"[bold red]{escape(file.name)} was not loaded, nor what would follow it.[/] {escape(str(wrong))}", highlight=False)
                    break
                progress.update(bar, total=1, completed=1)
                loaded.append((file, report))
                if report.asks:
                    break
    return loaded


async def _history(running: "Running", limit: int) -> list[dict[str, Any]]:
    from deploy import operations  # noqa: PLC0415
    from services.reference.store import runs  # noqa: PLC0415

    async with operations.database(running, "reference") as db, db.connection() as conn:
        return await runs.history(conn, None, limit)


async def _confirm(running: "Running", run: str) -> "Report":
    from deploy import operations  # noqa: PLC0415
    from services.reference.usecases import feed  # noqa: PLC0415

    async with operations.database(running, "reference") as db:
        return await feed.confirm(db, _id(run), OPERATOR)


async def _abandon(running: "Running", run: str) -> None:
    from deploy import operations  # noqa: PLC0415
    from services.reference.usecases import feed  # noqa: PLC0415

    async with operations.database(running, "reference") as db:
        await feed.abandon(db, _id(run), OPERATOR)


async def _open_rows(running: "Running", run: str | None) -> list[dict[str, Any]]:
    from deploy import operations  # noqa: PLC0415
    from services.reference.store import runs  # noqa: PLC0415

    async with operations.database(running, "reference") as db, db.connection() as conn:
        return await runs.refused(conn, run_id=run and _id(run), limit=SHOWN)


async def _export(running: "Running", principal: str, file: Path, mapping: Path | None) -> "Export":
    from deploy import operations  # noqa: PLC0415
    from services.reference.usecases import exports  # noqa: PLC0415
    from services.reference.usecases import mapping as mappings  # noqa: PLC0415

    async with operations.database(running, "reference") as db:
        return await exports.export(db, principal, file, mappings.read(mapping) if mapping else mappings.OURS)


async def _ack(running: "Running", export: str) -> None:
    from deploy import operations  # noqa: PLC0415
    from services.reference.usecases import exports  # noqa: PLC0415

    async with operations.database(running, "reference") as db, db.transaction() as tx:
        await exports.acknowledge(tx, _id(export), OPERATOR)


async def _conflicts(running: "Running", decided: bool) -> list[dict[str, Any]]:
    from deploy import operations  # noqa: PLC0415
    from services.reference.store import conflicts  # noqa: PLC0415

    async with operations.database(running, "reference") as db, db.connection() as conn:
        return await conflicts.listing(conn, only_open=not decided, before=None, limit=SHOWN)


async def _settle_conflict(running: "Running", number: int, keep: Any) -> None:
    from contracts.common import Actor  # noqa: PLC0415
    from deploy import operations  # noqa: PLC0415
    from services.reference.usecases import guarding  # noqa: PLC0415
    from services.reference.usecases.amendments import By  # noqa: PLC0415

    async with operations.database(running, "reference") as db, db.transaction() as tx:
        await guarding.settle(tx, number, keep, By(Actor(kind="supervisor"), "cli", staff=True))


async def _settle(running: "Running", row: int, cells: dict[str, str] | None) -> None:
    from deploy import operations  # noqa: PLC0415
    from services.reference.usecases import repairs  # noqa: PLC0415

    async with operations.database(running, "reference") as db, db.transaction() as tx:
        if cells is None:
            await repairs.drop(tx, row, OPERATOR)
        else:
            await repairs.mend(tx, row, cells, OPERATOR)


def _id(typed: str) -> str:
    try:
        return str(UUID(typed))
    except ValueError:
        raise typer.BadParameter(f"{typed}: a run is called by its id, as `feed history` shows it") from None


def _steps(file: Path) -> int | None:
    """Each line is read, later written; unknown for a packed file."""
    if file.suffix in {".gz", ".zip"}:
        return None
    with file.open("rb") as lines:
        return 2 * sum(1 for _ in lines)


def _tell(loaded: list[tuple[Path, "Report"]]) -> None:
    table = Table("file", "rows", "changed", "unchanged", "refused", "ended")
    for column in table.columns[1:]:
        column.justify = "right"
    for file, report in loaded:
        table.add_row(escape(file.name), *map(str, (report.rows, report.changed, report.unchanged, report.bad, report.ended)))
    console.print(table)


def _tell_question(name: str, run: str, vanished: int, known: int) -> None:
    console.print(f"[bold]{escape(name)} was not written:[/] it does not name {vanished} of the {known} that we know.", highlight=False)
    console.print(f"To end these: entraide feed confirm {run}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"To leave it:  entraide feed abandon {run}", markup=False, highlight=False, soft_wrap=True)


def _tell_open(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        console.print(
            f"{row['id']}  {row['file']} line {row['line']}: {row['reason']} {row['field']}".rstrip(), markup=False, highlight=False, soft_wrap=True
        )
        console.print(f"    {row['cells'] or '(no row)'}", markup=False, highlight=False, soft_wrap=True)
    console.print("Nothing waits." if not rows else "To take one: entraide feed repair NUMBER field=value … ; to drop it: --drop", markup=False)


def _tell_conflicts(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        sides = (", ".join(value) if isinstance(value, list) else value or "nothing" for value in (row["ours"], row["theirs"]))
        ours, theirs = sides
        state = f"{row['decided']} by {row['decided_by']}" if row["decided"] else row["rule"]
        line = f"{row['id']}  {row['principal']} {row['number']} {row['field']}: ours {ours}; theirs {theirs} ({state})"
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print("Nothing waits." if not rows else "To decide: entraide feed conflicts settle NUMBER ours, or theirs", markup=False)


def _tell_refused(file: Path, report: "Report") -> None:
    problems = sorted(report.problems, key=lambda bad: bad.line)[:SHOWN]
    for bad in problems:
        console.print(f"{file.name} line {bad.line}: {bad.reason} {bad.field}".rstrip(), markup=False, highlight=False, soft_wrap=True)
    if report.bad > len(problems):
        console.print(f"{file.name}: and {report.bad - len(problems)} more", markup=False, highlight=False)
