"""Finding providers, and what they do."""

from decimal import Decimal
from typing import Any

from contracts import cards
from contracts import dispatch as d
from contracts import intake as i
from contracts import reference as r
from contracts import tracking as t
from contracts.common import Actor, Line, TaskClosed, TaskOpened
from contracts.deliveries import Kind, MissionDocument, OnSite, Where
from contracts.story.cast import (
    CASE,
    CHARTREUSE,
    DONE,
    ISERE,
    NUMBER,
    OFFERS,
    TASK,
    TAXI_COVER,
    TOW_COVER,
    TOW_VISIT,
    TOWING,
    VERCORS,
    WORKER,
    Told,
    agent,
    at,
    hook_up,
    member,
    meylan,
    one,
    provider,
    ride_mission,
    ride_offer,
    ride_visit,
    taxi,
    tow,
    tow_mission,
    tow_offer,
    tow_visit,
    window,
)


def dispatched() -> Told:
    first, ride, second, third, fourth, last = OFFERS
    near, there = ["in_radius", "nearest"], ["in_departement", "on_duty"]
    return [
        (21, d.MissionOffered(offer_id=first, provider_id=CHARTREUSE, attempt=1, expires_at=at(26), why=near, **tow_offer)),
        (21, d.MissionOffered(offer_id=ride, provider_id=VERCORS, attempt=1, expires_at=at(31), why=near, **ride_offer)),
        (
            22,
            d.MissionDeclined(offer_id=first, provider_id=CHARTREUSE, reason="no_capacity", declined_by=provider(CHARTREUSE), **tow_mission),
        ),
        (22, d.MissionOffered(offer_id=second, provider_id=VERCORS, attempt=2, expires_at=at(24), why=there, **tow_offer)),
        (
            23,
            d.MissionAccepted(offer_id=ride, provider_id=VERCORS, appointment=window(40, 60), accepted_by=provider(VERCORS), **ride_mission),
        ),
        (23, t.VisitScheduled(appointment=window(40, 60), **ride_visit)),
        (24, d.OfferExpired(offer_id=second, provider_id=VERCORS, **tow_mission)),
        (24, d.MissionOffered(offer_id=third, provider_id=ISERE, attempt=3, expires_at=at(29), why=there, **tow_offer)),
        (24, _told_to_isere(1, "offered", 3, third, expires_at=at(29))),
        (24, d.MissionOffered(offer_id=fourth, provider_id=VERCORS, attempt=4, expires_at=at(29), why=there, **tow_offer)),
        (
            25,
            d.MissionAccepted(offer_id=third, provider_id=ISERE, appointment=window(45, 75), accepted_by=provider(ISERE), **tow_mission),
        ),
        (25, _told_to_isere(2, "accepted", 4, third, appointment=window(45, 75), contact=_on_site)),
        (25, d.OfferWithdrawn(offer_id=fourth, provider_id=VERCORS, reason="another_accepted", **tow_mission)),
        (26, cards.WorkerCard(id=WORKER, version=1, provider_id=ISERE, name="Samir Roux", phone="+33639980002")),
        (26, t.VisitScheduled(appointment=window(45, 75), worker_id=WORKER, **tow_visit)),
        (
            30,
            i.NeedAmended(
                place=meylan,
                wanted=window(30, 120),
                urgency="immediate",
                reason="place_corrected",
                amended_by=agent,
                **one,
                **tow,
            ),
        ),
        (30, d.MissionAmended(provider_id=ISERE, place=meylan, wanted=window(30, 120), answer_by=at(35), **tow_mission)),
        (31, d.MissionReconfirmed(provider_id=ISERE, appointment=window(50, 80), **tow_mission)),
        (40, t.EtaChanged(visit_id=TOW_VISIT, eta=at(55), **tow)),
        (60, t.VisitFailed(reason="provider_absent", **ride_visit)),
        (60, d.MissionCancelled(provider_id=VERCORS, reason="visit_failed", again=True, **ride_mission)),
        (61, d.MissionOffered(offer_id=last, provider_id=CHARTREUSE, attempt=2, expires_at=at(70), why=there, **ride_offer)),
        (
            62,
            d.MissionDeclined(offer_id=last, provider_id=CHARTREUSE, reason="not_our_trade", declined_by=provider(CHARTREUSE), **ride_mission),
        ),
        (62, d.MissionUnfilled(attempts=2, reason="all_declined", **ride_mission)),
        (62, TaskOpened(task_id=TASK, kind="unfilled_mission", role="agent", due_at=at(77), reason="all_declined", **taxi)),
        (70, i.NeedCancelled(reason="no_provider_found", cancelled_by=agent, **taxi)),
        (70, r.CoverageReleased(decision_id=TAXI_COVER, reason="need_cancelled", units_released=Decimal("1"), **taxi)),
        (70, TaskClosed(task_id=TASK, outcome="need_cancelled", closed_by=agent, **taxi)),
    ]


_on_site = OnSite(
    name="Camille Martin",
    phone="+33639980001",
    address="12 rue des Tilleuls, 38000 Grenoble",
    access="Parking derrière la halle",
    words="Tombée en panne, moteur fumant.",
)


def _told_to_isere(position: int, kind: Kind, version: int, offer_id: str, **more: Any) -> MissionDocument:
    return MissionDocument(
        position=position,
        kind=kind,
        version=version,
        mission_id=TOWING,
        offer_id=offer_id,
        case_number=f"{NUMBER}-1",
        service="towing",
        place=Where(insee="38185", postcode="38000", commune="Grenoble"),
        wanted=window(0, 120),
        **one,
        **more,
    )


def done() -> Told:
    performed: dict[str, Any] = {"prestation_id": DONE, **tow}
    return [
        (72, t.VisitStarted(started_by=provider(ISERE), started_at=at(72), **tow_visit)),
        (73, i.NeedCancelled(reason="changed_mind", cancelled_by=member, **tow)),
        (73, i.NeedReinstated(reason="visit_had_started", **tow)),
        (105, t.VisitCompleted(completed_at=at(105), **tow_visit)),
        (
            105,
            t.PrestationCompleted(
                mission_id=TOWING,
                provider_id=ISERE,
                service="towing",
                performed=window(72, 105),
                lines=[hook_up, Line(article="distance", unit="km", quantity=Decimal("21.5"))],
                **performed,
            ),
        ),
        (106, r.CoverageConsumed(decision_id=TOW_COVER, units_consumed=Decimal("1"), units_left=Decimal("2"), **tow)),
        (
            110,
            t.PrestationCorrected(
                lines=[hook_up, Line(article="distance", unit="km", quantity=Decimal("12.5"))],
                reason="quantity_wrong",
                corrected_by=agent,
                **performed,
            ),
        ),
        (130, t.SatisfactionGiven(rating=4, **tow)),
        (140, i.CaseClosed(case_id=CASE, reason="mixed", closed_by=Actor(kind="system"))),
    ]
