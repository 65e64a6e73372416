"""Whom to ask first, and why.

    score = 50 x (1 - distance / reach) + 30 x (1 - load / capacity) + 20 x (1 - declines / 5)

distance: great circle between the communes in km; reach: the radius, 100 km where a whole département is served.
load: missions and live offers of the wished day; declines: offers declined, let expire or given up in the last 7 days, at most 5 count
("no_capacity" does not). The higher score first; the provider's id decides between equals, so that the order is always the same.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import asin, cos, radians, sin, sqrt

from services.dispatch.domain.mission import OfferStatus, Place, Wish
from services.dispatch.domain.provider import Area, Provider

EARTH_KM = 6371.0
DEPARTEMENT_REACH_KM = 100.0
DECLINES_COUNTED = 5


@dataclass(frozen=True, slots=True)
class Candidate:
    provider: Provider
    score: float
    distance_km: float | None
    load: int
    declines: int
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Excluded:
    provider: Provider
    code: str


@dataclass(frozen=True, slots=True)
class Ranking:
    """`ranked`: the best first."""

    ranked: tuple[Candidate, ...]
    excluded: tuple[Excluded, ...]


def rank(
    providers: Iterable[Provider], service: str, wish: Wish, asked: Mapping[str, OfferStatus], load: Mapping[str, int], declines: Mapping[str, int]
) -> Ranking:
    ranked: list[Candidate] = []
    excluded: list[Excluded] = []
    for provider in providers:
        found = _judge(provider, service, wish, asked, load.get(provider.id, 0), declines.get(provider.id, 0))
        if isinstance(found, Candidate):
            ranked.append(found)
        else:
            excluded.append(Excluded(provider, found))
    if measured := [candidate for candidate in ranked if candidate.distance_km is not None]:
        nearest = min(measured, key=lambda candidate: (candidate.distance_km, candidate.provider.id))
        ranked[ranked.index(nearest)] = replace(nearest, why=(*nearest.why, "nearest"))
    ranked.sort(key=lambda candidate: (-candidate.score, candidate.provider.id))
    return Ranking(tuple(ranked), tuple(excluded))


def distance_km(one: Place, other: Place) -> float | None:
    """None where a commune has no coordinates."""
    if one.lat is None or one.lon is None or other.lat is None or other.lon is None:
        return None
    lat1, lat2 = radians(one.lat), radians(other.lat)
    half = sin((lat2 - lat1) / 2) ** 2 + cos(lat1) * cos(lat2) * sin(radians(other.lon - one.lon) / 2) ** 2
    return 2 * EARTH_KM * asin(sqrt(half))


def _judge(provider: Provider, service: str, wish: Wish, asked: Mapping[str, OfferStatus], load: int, declines: int) -> Candidate | str:
    area = provider.area(service)
    if provider.ended_on is not None:
        return "not_active"
    if area is None:
        return "service_not_offered"
    distance = distance_km(provider.place, wish.place)
    where = _where(area, wish.place, distance)
    if where is None:
        return "out_of_area"
    if provider.id in asked:
        return "already_asked"
    if load >= provider.capacity_per_day:
        return "no_capacity"
    reach = float(area.radius_km) if where == "in_radius" else DEPARTEMENT_REACH_KM
    near = max(0.0, 1 - (distance or 0.0) / reach) if reach else 1.0
    score = 50 * near + 30 * (1 - load / provider.capacity_per_day) + 20 * (1 - min(declines, DECLINES_COUNTED) / DECLINES_COUNTED)
    why = (where, *(("free_in_window",) if load == 0 else ()))
    return Candidate(provider, round(score, 2), None if distance is None else round(distance, 1), load, declines, why)


def _where(area: Area, place: Place, distance: float | None) -> str | None:
    if distance is not None and distance <= area.radius_km:
        return "in_radius"
    return "in_departement" if place.departement in area.departements else None
