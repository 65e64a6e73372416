"""`entraide provider`: the network of providers, and how each reaches us."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape
from rich.table import Table

from deploy.commands.reach import ask, console, reach

if TYPE_CHECKING:
    from deploy.providers import Added, Standing
    from services.dispatch.domain.provider import Area

app = typer.Typer(no_args_is_help=True, help="The network of providers, and how each reaches us.")


@app.command("list")
def listing() -> None:
    """Every provider with its services and its door, by code."""
    from deploy import providers  # noqa: PLC0415 - loads in a second: not for `--help`

    table = Table("code", "label", "door", "services", "a day", "ended", "id")
    for one in ask(providers.everybody(reach())):
        services = ", ".join(area.service for area in one.areas)
        table.add_row(one.code, escape(one.label), one.door, services, str(one.capacity_per_day), one.ended_on or "-", one.id)
    table.columns[-1].no_wrap = True  # it is copied
    console.print(table)


@app.command()
def add(
    code: Annotated[str, typer.Argument(help="how we call it, lower case: vert_fil")],
    label: Annotated[str, typer.Option(help="its name")],
    siret: Annotated[str, typer.Option(help="14 digits")],
    insee: Annotated[str, typer.Option(help="INSEE code of its commune")],
    area: Annotated[list[str], typer.Option(help="a service, a radius in km, départements served whole: 'towing 60 35 56'; once per service")],
    door: Annotated[Literal["extranet", "polling", "kafka"], typer.Option(help="where it hears of missions")],
    capacity: Annotated[int, typer.Option(help="missions a day")],
) -> None:
    """Adds a provider and prints, once, what its software signs in with; where its door is Kafka, its topic and that topic's reader too."""
    from deploy import providers  # noqa: PLC0415

    row = {"code": code, "label": label, "siret": siret, "insee": insee, "door": door, "capacity_per_day": str(capacity), "areas": ";".join(area)}
    running = reach()
    _tell_credentials(ask(providers.add(running, row)), running.url)


@app.command()
def show(name: Annotated[str, typer.Argument(metavar="ID", help="its id or its code")]) -> None:
    """What a provider does and where, and how its door stands."""
    from deploy import providers  # noqa: PLC0415

    _tell_standing(ask(providers.standing(reach(), name)))


def _tell_credentials(added: "Added", url: str) -> None:
    """Line by line, whole: these are copied."""
    lines = {"provider": added.provider.id, "client_id": added.client.client_id, "client_secret": added.client.secret}
    if url:  # whoever stands in front of the containers may give another
        lines["address"] = url
    if added.reader:
        lines |= {
            "kafka_bootstrap": added.reader.bootstrap,
            "kafka_user": added.reader.user,
            "kafka_password": added.reader.password,
            "kafka_topic": f"{added.reader.user}.missions",
            "kafka_groups": f"{added.reader.user}.*",
        }
    for name, value in lines.items():
        console.print(f"{name:<16}{value}", markup=False, highlight=False, soft_wrap=True)
    console.print("Hand this over in a safe way: the secrets are kept nowhere and cannot be shown again.", soft_wrap=True)


def _tell_standing(found: "Standing") -> None:
    one = found.provider
    table = Table("", escape(one.label), show_header=True)
    table.add_row("id", one.id)
    table.add_row("code, siret", f"{one.code}, {one.siret}")
    table.add_row("place", f"{one.place.postcode} (INSEE {one.place.insee})")
    for area in one.areas:
        table.add_row(area.service, _reached(area))
    table.add_row("missions a day", str(one.capacity_per_day))
    if one.ended_on:
        table.add_row("ended", one.ended_on)
    table.add_row("door", one.door)
    table.add_row("told", f"{found.told} documents")
    table.add_row("last answer", f"{found.answer}, {found.answered_at:%Y-%m-%d %H:%M:%S} UTC" if found.answer else "none in 30 days")
    if one.door == "kafka":
        table.add_row("not yet on its topic", str(found.unsent))
        for group, behind in found.lag.items():
            table.add_row(f"behind, {group.removeprefix(f'provider.{one.id}.')}", "has no position" if behind is None else str(behind))
        if not found.lag:
            table.add_row("behind", "no consumer group of its own has read yet")
    console.print(table)


def _reached(area: "Area") -> str:
    whole = f", all of {', '.join(area.departements)}" if area.departements else ""
    return f"within {area.radius_km} km{whole}"
