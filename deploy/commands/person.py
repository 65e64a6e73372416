"""`entraide person`: what is held of a person, its erasure, and the same person twice."""

from typing import Annotated
from uuid import UUID

import typer
from rich.table import Table

from deploy.commands.reach import ask, console, reach

app = typer.Typer(no_args_is_help=True, help="What is held of a person, its erasure, and the same person twice.")

Member = Annotated[str, typer.Argument(help="a member's id")]


@app.command()
def export(member: Member) -> None:
    """Everything that the platform holds of a person, as JSON, by service and table."""
    import orjson  # noqa: PLC0415

    from deploy import persons  # noqa: PLC0415 - loads in a second: not for `--help`

    typer.echo(orjson.dumps(ask(persons.export(reach(), _id(member))), default=str, option=orjson.OPT_INDENT_2).decode())


@app.command()
def erase(member: Member, yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False) -> None:
    """Erases a person everywhere, for ever, and says what is erased and what the law keeps. Refused while a case is open."""
    from deploy import persons  # noqa: PLC0415

    if not yes:
        typer.confirm("This cannot be undone. Erase the person?", abort=True)
    told = ask(persons.erase(reach(), _id(member)))
    gone = Table("where", "erased", title="erased within seconds, in the log within a day")
    for one in told.erased:
        gone.add_row(one.where, one.en)
    kept = Table("where", "kept, and why", "until")
    for other in told.kept:
        kept.add_row(other.where, other.en, str(other.until or "-"))
    console.print(gone)
    console.print(kept)


@app.command()
def duplicates() -> None:
    """Looks through all members for the same person twice; supervisors settle what is found at /desk/duplicates."""
    from deploy import persons  # noqa: PLC0415

    found, new = ask(persons.find_duplicates(reach()))
    console.print(f"{found} pairs wait or were settled before, {new} of them are new", highlight=False)


def _id(typed: str) -> str:
    try:
        return str(UUID(typed))
    except ValueError:
        raise typer.BadParameter(f"{typed}: a member is called by its id") from None
