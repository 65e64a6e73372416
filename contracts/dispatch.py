"""Events of `dispatch`: providers, and finding one for each need."""

from pydantic import Field

from contracts.common import Actor, Code, Departement, Exact, Id, Instant, Label, Part, Place, Window
from contracts.registry import Event


class ServiceArea(Part):
    """A service within a radius of the provider's commune, or in whole départements."""

    service: Code
    radius_km: int = Field(ge=0, le=500)
    departements: list[Departement] = Field(default_factory=list)


class ProviderChanged(Event, owner="dispatch", name="provider_changed", topic="providers", key="provider_id"):
    """Full state of a provider, its services, areas and door."""

    provider_id: Id
    code: Code
    label: Label
    siret: str = Field(pattern=r"^[0-9]{14}$")
    place: Place
    areas: list[ServiceArea]
    door: Code  # extranet, polling, kafka …: the list grows
    capacity_per_day: int
    version: int
    ended_on: str | None = Field(default=None, pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")


class MissionOffered(Event, owner="dispatch", name="mission_offered", key="case_id"):
    """One offer to one provider. `attempt` counts the offers of the mission."""

    case_id: Id
    need_id: Id
    mission_id: Id
    offer_id: Id
    provider_id: Id
    service: Code
    place: Place
    wanted: Window
    quantity: Exact
    unit: Code
    attempt: int = Field(ge=1)
    expires_at: Instant
    why: list[Code]


class MissionAccepted(Event, owner="dispatch", name="mission_accepted", key="case_id"):
    """The provider takes the mission and says when it comes."""

    case_id: Id
    need_id: Id
    mission_id: Id
    offer_id: Id
    provider_id: Id
    appointment: Window
    accepted_by: Actor


class MissionDeclined(Event, owner="dispatch", name="mission_declined", key="case_id"):
    """The provider does not want the offer; the next candidate is asked."""

    case_id: Id
    need_id: Id
    mission_id: Id
    offer_id: Id
    provider_id: Id
    reason: Code
    declined_by: Actor


class OfferExpired(Event, owner="dispatch", name="offer_expired", key="case_id"):
    """No answer in time; the next candidate is asked."""

    case_id: Id
    need_id: Id
    mission_id: Id
    offer_id: Id
    provider_id: Id


class OfferWithdrawn(Event, owner="dispatch", name="offer_withdrawn", key="case_id"):
    """An open offer taken back; an answer to it now reads "already taken"."""

    case_id: Id
    need_id: Id
    mission_id: Id
    offer_id: Id
    provider_id: Id
    reason: Code


class MissionAmended(Event, owner="dispatch", name="mission_amended", key="case_id"):
    """The provider is asked whether the changed wish still suits."""

    case_id: Id
    need_id: Id
    mission_id: Id
    provider_id: Id
    place: Place
    wanted: Window
    answer_by: Instant


class MissionReconfirmed(Event, owner="dispatch", name="mission_reconfirmed", key="case_id"):
    """The provider agrees to the amended mission, at this appointment."""

    case_id: Id
    need_id: Id
    mission_id: Id
    provider_id: Id
    appointment: Window


class MissionCancelled(Event, owner="dispatch", name="mission_cancelled", key="case_id"):
    """An accepted mission taken back, by whoever's doing. `again`: dispatch goes on looking for another provider."""

    case_id: Id
    need_id: Id
    mission_id: Id
    provider_id: Id
    reason: Code
    again: bool


class MissionUnfilled(Event, owner="dispatch", name="mission_unfilled", key="case_id"):
    """Nobody is left to ask; a person must decide."""

    case_id: Id
    need_id: Id
    mission_id: Id
    attempts: int
    reason: Code
