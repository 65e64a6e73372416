"""The one sentence per state of a need, the same at every door; made here once. Names no person."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from contracts import reasons

Language = Literal["fr", "en"]

DAYS = (
    ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
    ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
)
MONTHS = (
    ("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"),
    ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"),
)
SENTENCES = {
    "open": (
        "Votre demande est enregistrée ({service}) ; nous vérifions la prise en charge.",
        "Your request is recorded ({service}); we are checking your cover.",
    ),
    "approval": (
        "Votre demande est enregistrée ({service}) ; nous attendons un accord avant le {due}.",
        "Your request is recorded ({service}); we are waiting for an approval by {due}.",
    ),
    "covered": (
        "Votre demande est prise en charge ({service}) ; nous cherchons un prestataire.",
        "Your request is covered ({service}); we are looking for a provider.",
    ),
    "refused": ("Votre demande n’est pas prise en charge ({service}) : {reason}.", "Your request is not covered ({service}): {reason}."),
    "offered": (
        "Nous avons contacté un prestataire ({service}) ; il doit répondre avant le {due}.",
        "We have contacted a provider ({service}), who is to answer by {due}.",
    ),
    "unfilled": (
        "Aucun prestataire n’est libre pour l’instant ({service}) ; un chargé d’assistance s’en occupe.",
        "No provider is free for now ({service}); an agent is taking care of it.",
    ),
    "accepted": ("Un prestataire a accepté ({service}) ; il vient {window}.", "A provider has accepted ({service}) and comes {window}."),
    "scheduled": ("Le prestataire vient {window} ({service}).", "The provider comes {window} ({service})."),
    "expected": ("Le prestataire est attendu le {eta} ({service}).", "The provider is expected on {eta} ({service})."),
    "in_progress": ("Le prestataire est à l’œuvre depuis le {since} ({service}).", "The provider has been at work since {since} ({service})."),
    "failed": (
        "L’intervention n’a pas pu se faire ({service}) : {reason}. Un chargé d’assistance organise la suite.",
        "The visit could not be carried out ({service}): {reason}. An agent is arranging what follows.",
    ),
    "performed": ("La prestation a été réalisée le {day} ({service}).", "The work was done on {day} ({service})."),
    "cancelled": ("La demande est annulée ({service}).", "The request is cancelled ({service})."),
}


@dataclass(frozen=True, slots=True)
class Told:
    """What a sentence may speak of. Instants are shown in `zone`, that of the need's place."""

    state: str
    service: str
    zone: str
    due: datetime
    start: datetime
    end: datetime
    since: datetime
    eta: datetime | None = None
    reason: str | None = None
    approval: bool = False


def sentence(told: Told, language: Language) -> str:
    place = 0 if language == "fr" else 1
    key = "approval" if told.state == "open" and told.approval else "expected" if told.state == "scheduled" and told.eta else told.state
    words = SENTENCES.get(key)
    if words is None:
        return told.state
    zone = ZoneInfo(told.zone)
    return words[place].format(
        service=reasons.text(told.service, language),
        reason=reasons.text(told.reason, language) if told.reason else "–",
        due=_moment(told.due.astimezone(zone), place),
        eta=_moment((told.eta or told.start).astimezone(zone), place),
        since=_moment(told.since.astimezone(zone), place),
        day=_day(told.since.astimezone(zone), place),
        window=_window(told.start.astimezone(zone), told.end.astimezone(zone), place),
    )


def _day(at: datetime, place: int) -> str:
    return f"{DAYS[place][at.weekday()]} {at.day} {MONTHS[place][at.month - 1]}"


def _hour(at: datetime, place: int) -> str:
    if place:
        return f"{at:%H:%M}"
    return f"{at.hour}\u00a0h" if at.minute == 0 else f"{at.hour}\u00a0h\u00a0{at.minute:02}"


def _moment(at: datetime, place: int) -> str:
    return f"{_day(at, place)}{(' à ', ' at ')[place]}{_hour(at, place)}"


def _window(start: datetime, end: datetime, place: int) -> str:
    if start.date() != end.date():
        first, then = (("du ", " au "), ("from ", " to "))[place]
        return f"{first}{_moment(start, place)}{then}{_moment(end, place)}"
    between, and_, on = (("entre ", " et ", "le "), ("between ", " and ", "on "))[place]
    return f"{on}{_day(start, place)} {between}{_hour(start, place)}{and_}{_hour(end, place)}"
