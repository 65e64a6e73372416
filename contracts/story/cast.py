"""Who and what the story is about: ids, places, and the words that many of its events share."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from contracts.cards import Card
from contracts.common import Actor, CardKind, CardRef, Line, Place, Window
from contracts.deliveries import Delivery
from contracts.registry import Event

Told = list[tuple[int, Event | Card | Delivery]]  # in order, each with its minute after the start

START = datetime(2026, 3, 2, 8, 15, tzinfo=UTC)


def made_up_id(number: int) -> str:
    """A UUIDv7 of the story's day."""
    moment = f"{int(START.timestamp() * 1000):012x}"
    return f"{moment[:8]}-{moment[8:]}-7000-8000-{number:012x}"


def at(minutes: int) -> datetime:
    return START + timedelta(minutes=minutes)


def window(start: int, end: int) -> Window:
    return Window(start=at(start), end=at(end))


PRINCIPAL, MEMBER, CONTRACT, TARIFF, AGENT, CASE, TOW, TAXI, CAR = map(made_up_id, range(1, 10))
CHARTREUSE, VERCORS, ISERE, WORKER, TOWING, RIDE, TOW_VISIT, RIDE_VISIT, DONE = map(made_up_id, range(16, 25))
NOTE, TASK, BILL, CHARGE, INVOICE, CREDIT, PAYMENT, TAXI_APPROVAL, CAR_APPROVAL = map(made_up_id, range(32, 41))
TOW_COVER, TAXI_COVER, CAR_COVER, *OFFERS = map(made_up_id, range(48, 57))

TWIN = made_up_id(41)

NUMBER = "100000426"

agent, member = Actor(kind="agent", id=AGENT), Actor(kind="member", id=MEMBER)
grenoble = Place(insee="38185", postcode="38000", departement="38", lat=45.1885, lon=5.7245)
meylan = Place(insee="38229", postcode="38240", departement="38", lat=45.2097, lon=5.7787)

tow: dict[str, Any] = {"case_id": CASE, "need_id": TOW}
taxi: dict[str, Any] = {"case_id": CASE, "need_id": TAXI}
car: dict[str, Any] = {"case_id": CASE, "need_id": CAR}
who: dict[str, Any] = {"principal_id": PRINCIPAL, "member_id": MEMBER}
entitled: dict[str, Any] = {**who, "contract_id": CONTRACT}
one: dict[str, Any] = {"quantity": "1", "unit": "unit"}
tow_mission: dict[str, Any] = {**tow, "mission_id": TOWING}
ride_mission: dict[str, Any] = {**taxi, "mission_id": RIDE}
tow_visit: dict[str, Any] = {**tow_mission, "visit_id": TOW_VISIT, "provider_id": ISERE}
ride_visit: dict[str, Any] = {**ride_mission, "visit_id": RIDE_VISIT, "provider_id": VERCORS}
tow_offer: dict[str, Any] = {**tow_mission, "service": "towing", "place": grenoble, "wanted": window(0, 120), **one}
ride_offer: dict[str, Any] = {**ride_mission, "service": "taxi", "place": grenoble, "wanted": window(30, 90), **one}
hook_up = Line(article="hook_up", unit="unit", quantity=Decimal("1"))


def card_ref(kind: CardKind, card_id: str) -> CardRef:
    return CardRef(kind=kind, id=card_id, version=1)


def provider(provider_id: str) -> Actor:
    return Actor(kind="provider", id=provider_id)
