"""Where the demo's people live and its providers work: the real communes, weighted by population."""

from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from math import asin, cos, radians, sin, sqrt
from random import Random

from services.kit.places import communes

WHOLE_CITIES = {"75056", "69123", "13055"}  # their districts are in the list too
SPACING_KM = 110


@dataclass(frozen=True, slots=True)
class Town:
    insee: str
    name: str
    postcodes: tuple[str, ...]
    departement: str
    lat: float
    lon: float
    population: int


@cache
def towns() -> tuple[Town, ...]:
    """Every commune with coordinates, postcode and people."""
    rows = (row for row in communes().values() if row["lat"] and row["population"] and row["postcodes"])
    return tuple(
        Town(
            row["insee"],
            row["name"],
            tuple(row["postcodes"].split("|")),
            row["departement"],
            float(row["lat"]),
            float(row["lon"]),
            int(row["population"]),
        )
        for row in rows
    )


def homes(random: Random, count: int) -> list[Town]:
    """As many as people live there."""
    known = [town for town in towns() if town.insee not in WHOLE_CITIES]
    return random.choices(known, cum_weights=list(accumulate(town.population for town in known)), k=count)


@cache
def hubs(count: int) -> tuple[Town, ...]:
    """The biggest towns that are SPACING_KM apart from each other, the biggest first."""
    chosen: list[Town] = []
    for town in sorted(towns(), key=lambda town: (-town.population, town.insee)):
        if all(distance_km(town, other) > SPACING_KM for other in chosen):
            chosen.append(town)
            if len(chosen) == count:
                break
    return tuple(chosen)


def distance_km(one: Town, other: Town) -> float:
    lat1, lat2 = radians(one.lat), radians(other.lat)
    half = sin((lat2 - lat1) / 2) ** 2 + cos(lat1) * cos(lat2) * sin(radians(other.lon - one.lon) / 2) ** 2
    return 2 * 6371 * asin(sqrt(half))
