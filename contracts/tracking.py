"""Events of `tracking`: the work itself, from the appointment to what was done."""

from pydantic import Field

from contracts.common import Actor, Code, Id, Instant, Line, Window
from contracts.registry import Event


class VisitScheduled(Event, owner="tracking", name="visit_scheduled", key="case_id"):
    """When the provider comes, and who if known."""

    case_id: Id
    need_id: Id
    mission_id: Id
    visit_id: Id
    provider_id: Id
    appointment: Window
    worker_id: Id | None = None


class EtaChanged(Event, owner="tracking", name="eta_changed", key="case_id"):
    """The worker is expected at another moment than last said."""

    case_id: Id
    need_id: Id
    visit_id: Id
    eta: Instant


class VisitStarted(Event, owner="tracking", name="visit_started", key="case_id"):
    """From here the visit wins over any cancellation."""

    case_id: Id
    need_id: Id
    mission_id: Id
    visit_id: Id
    provider_id: Id
    started_by: Actor
    started_at: Instant


class VisitCompleted(Event, owner="tracking", name="visit_completed", key="case_id"):
    """The worker has left; what was done follows as prestation_completed."""

    case_id: Id
    need_id: Id
    mission_id: Id
    visit_id: Id
    provider_id: Id
    completed_at: Instant


class VisitFailed(Event, owner="tracking", name="visit_failed", key="case_id"):
    """The visit did not serve; dispatch looks for another provider or a person decides."""

    case_id: Id
    need_id: Id
    mission_id: Id
    visit_id: Id
    provider_id: Id
    reason: Code


class PrestationCompleted(Event, owner="tracking", name="prestation_completed", key="case_id"):
    """What was done, in articles of the tariff: what both bill and invoice are made from."""

    case_id: Id
    need_id: Id
    mission_id: Id
    prestation_id: Id
    provider_id: Id
    service: Code
    performed: Window
    lines: list[Line]


class PrestationCorrected(Event, owner="tracking", name="prestation_corrected", key="case_id"):
    """The lines as they should have been, all of them; bill and charge are made again."""

    case_id: Id
    need_id: Id
    prestation_id: Id
    lines: list[Line]
    reason: Code
    corrected_by: Actor


class SatisfactionGiven(Event, owner="tracking", name="satisfaction_given", key="case_id"):
    """The member's rating, from 1 to 5."""

    case_id: Id
    need_id: Id
    rating: int = Field(ge=1, le=5)
