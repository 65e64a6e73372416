"""Communes: an INSEE code becomes the place that events carry. Data: `data/SOURCES.md`."""

import csv
from functools import cache
from math import asin, cos, radians, sin, sqrt
from pathlib import Path

from contracts.common import Place
from services.kit.errors import Invalid

_FILE = Path(__file__).parent / "data" / "communes.csv"

_EARTH_KM = 6371.0

_ZONES = {
    "971": "America/Guadeloupe",
    "972": "America/Martinique",
    "973": "America/Cayenne",
    "974": "Indian/Reunion",
    "975": "America/Miquelon",
    "976": "Indian/Mayotte",
    "987": "Pacific/Tahiti",
    "988": "Pacific/Noumea",
}


def zone(departement: str) -> str:
    """The IANA zone of a département."""
    return _ZONES.get(departement, "Europe/Paris")


@cache
def communes() -> dict[str, dict[str, str]]:
    """INSEE code -> row of the open data; read once, on first use."""
    with _FILE.open(encoding="utf-8", newline="") as file:
        return {row["insee"]: row for row in csv.DictReader(file)}


def place(insee: str, postcode: str | None = None) -> Place:
    """Raises `Invalid` for an unknown commune, or a postcode that is not one of its own."""
    row = communes().get(insee)
    if row is None:
        raise Invalid(f"no commune has the INSEE code {insee}", code="unknown_commune")
    postcodes = row["postcodes"].split("|")
    if postcode and postcode not in postcodes:
        raise Invalid(f"{insee} has the postcodes {', '.join(postcodes)}, not {postcode}", code="unknown_postcode")
    return Place(
        insee=insee,
        postcode=postcode or postcodes[0] or insee,
        departement=row["departement"],
        lat=float(row["lat"]) if row["lat"] else None,
        lon=float(row["lon"]) if row["lon"] else None,
        zone=zone(row["departement"]),
    )


def km_between(insee: str, other: str) -> float | None:
    """As the crow flies, from centre to centre; None where one has no coordinates or is unknown."""
    rows = [communes().get(code) for code in (insee, other)]
    if not all(row and row["lat"] and row["lon"] for row in rows):
        return None
    (lat, lon), (other_lat, other_lon) = ((radians(float(row["lat"])), radians(float(row["lon"]))) for row in rows if row)
    across = sin((other_lat - lat) / 2) ** 2 + cos(lat) * cos(other_lat) * sin((other_lon - lon) / 2) ** 2
    return 2 * _EARTH_KM * asin(sqrt(across))


def name(insee: str) -> str:
    """The commune's name, the code itself when unknown."""
    row = communes().get(insee)
    return row["name"] if row else insee
