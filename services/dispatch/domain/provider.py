"""Who may be sent: what a provider does, where, and how much a day."""

from dataclasses import dataclass
from typing import Literal

from services.dispatch.domain.mission import Place
from services.kit.errors import Invalid

Door = Literal["extranet", "polling", "kafka"]


@dataclass(frozen=True, slots=True)
class Area:
    """A service within a radius of the provider's commune, or in whole départements."""

    service: str
    radius_km: int
    departements: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Provider:
    id: str
    code: str
    label: str
    siret: str
    place: Place
    areas: tuple[Area, ...]
    door: Door
    capacity_per_day: int
    version: int = 1
    ended_on: str | None = None

    def area(self, service: str) -> Area | None:
        return next((area for area in self.areas if area.service == service), None)


def check(provider: Provider) -> None:
    """Raises `Invalid`."""
    if len({area.service for area in provider.areas}) < len(provider.areas):
        raise Invalid("a service is listed twice", code="service_twice")
    if not 0 <= provider.capacity_per_day <= 100_000:
        raise Invalid("the capacity per day must be between 0 and 100000", code="capacity_out_of_range")
