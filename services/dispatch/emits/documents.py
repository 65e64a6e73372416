"""What a provider is told, `contracts.deliveries.MissionDocument`: the same at the polling feed and on its own topic."""

from datetime import UTC, datetime
from typing import Any

from contracts.deliveries import Kind
from services.dispatch.domain import mission as facts
from services.dispatch.domain.mission import Fact, Mission, Offer, Slot, Wish
from services.kit import places

_KINDS: dict[type[Fact], Kind] = {
    facts.Offered: "offered",
    facts.Accepted: "accepted",
    facts.Declined: "declined",
    facts.Expired: "expired",
    facts.Withdrawn: "withdrawn",
    facts.TakenBack: "cancelled",
    facts.AmendmentAsked: "amended",
    facts.Reconfirmed: "reconfirmed",
    facts.Started: "started",
    facts.Lost: "cancelled",
    facts.Done: "done",
}
WITH_CONTACT: frozenset[Kind] = frozenset({"accepted", "amended", "reconfirmed", "contact"})


def of_fact(mission: Mission, fact: Fact) -> tuple[str, dict[str, Any]] | None:
    """The provider and its document, still without position and contact; None for what concerns no provider."""
    kind = _KINDS.get(type(fact))
    if kind is None:
        return None
    offer: Offer = fact.offer  # type: ignore[union-attr]  # every fact of a kind has one
    return offer.provider_id, document(mission, offer, kind)


def document(mission: Mission, offer: Offer, kind: Kind) -> dict[str, Any]:
    wish = mission.pending or mission.wish if kind == "amended" else mission.wish
    made: dict[str, Any] = {
        "kind": kind,
        "version": mission.version,
        "mission_id": mission.id,
        "offer_id": offer.id,
        "case_number": mission.number,
        "service": mission.service,
        **_wanted(wish),
    }
    if kind == "offered":
        made["expires_at"] = _z(offer.expires_at)
    if offer.reason and kind in ("withdrawn", "declined", "cancelled"):
        made["reason"] = offer.reason
    if offer.appointment and kind not in ("offered", "expired", "withdrawn", "declined"):
        made["appointment"] = _between(offer.appointment)
    if kind == "amended" and mission.answer_by:
        made["answer_by"] = _z(mission.answer_by)
    return made


def contact(card: dict[str, Any], need_id: str) -> dict[str, Any]:
    """The part of a case card that whoever comes for this need must know."""
    there = card.get("on_site") or {}
    found = {
        "name": card["beneficiary"]["name"],
        "phone": card["beneficiary"].get("phone"),
        "on_site_name": there.get("name"),
        "on_site_phone": there.get("phone"),
        "address": card["address"],
        "access": card.get("access", ""),
        "words": card.get("wishes", {}).get(need_id, ""),
    }
    return {name: value for name, value in found.items() if value is not None}


def _wanted(wish: Wish) -> dict[str, Any]:
    place = wish.place
    return {
        "place": {"insee": place.insee, "postcode": place.postcode, "commune": places.name(place.insee)},
        "wanted": {"start": _z(wish.start), "end": _z(wish.end)},
        "quantity": wish.quantity,
        "unit": wish.unit,
    }


def _between(slot: Slot) -> dict[str, str]:
    return {"start": _z(slot.start), "end": _z(slot.end)}


def _z(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
