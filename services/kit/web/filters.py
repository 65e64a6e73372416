"""How numbers, money and instants are written; every function takes the language, bound to it when the environment is made."""

from datetime import date, datetime, tzinfo
from decimal import Decimal
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from babel.numbers import format_currency, format_decimal

from contracts import reasons

PARIS = ZoneInfo("Europe/Paris")
LOCALES = {"fr": "fr_FR", "en": "en_GB"}
DAY = {"fr": "dd/MM/yyyy", "en": "d MMM yyyy"}
LONG_DAY = {"fr": "EEEE d MMMM", "en": "EEEE d MMMM"}
DAYTIME = {"fr": "EEE d/MM, HH:mm", "en": "EEE d MMM, HH:mm"}


def case(number: str | int) -> str:
    """A case number as it is dictated, by three, with the need's suffix if any; anything else comes back as it is."""
    digits, dash, need = str(number).partition("-")
    if len(digits) != 9 or not digits.isdigit():
        return str(number)
    return "\u202f".join((digits[:3], digits[3:6], digits[6:])) + dash + need


def service(code: str, lang: str = "fr") -> str:
    """Its name, fit to stand alone."""
    name = reasons.text(code, "fr" if lang == "fr" else "en")
    return name[:1].upper() + name[1:]


def euro(cents: int, lang: str = "fr") -> str:
    return format_currency(Decimal(cents) / 100, "EUR", locale=LOCALES[lang])


def number(amount: Decimal | float, lang: str = "fr") -> str:
    """2,5 and 1 250; three decimals at most, none for nothing."""
    return format_decimal(amount, "#,##0.###", locale=LOCALES[lang])


def local(moment: datetime, zone: str | tzinfo = PARIS) -> datetime:
    """Raises ValueError for an instant without zone: it cannot be told what it means."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone")
    return moment.astimezone(ZoneInfo(zone) if isinstance(zone, str) else zone)


def day(moment: datetime | date, lang: str = "fr", zone: str | tzinfo = PARIS) -> str:
    """24/11/2026, 24 Nov 2026."""
    return format_date(as_date(moment, zone), DAY[lang], locale=LOCALES[lang])


def long_day(moment: datetime | date, lang: str = "fr", zone: str | tzinfo = PARIS) -> str:
    """mardi 24 novembre, Tuesday 24 November."""
    return format_date(as_date(moment, zone), LONG_DAY[lang], locale=LOCALES[lang])


def as_date(moment: datetime | date, zone: str | tzinfo) -> date:
    return local(moment, zone).date() if isinstance(moment, datetime) else moment


def hour(moment: datetime, lang: str = "fr", zone: str | tzinfo = PARIS) -> str:
    """09:42 in both languages."""
    return local(moment, zone).strftime("%H:%M")


def daytime(moment: datetime, lang: str = "fr", zone: str | tzinfo = PARIS) -> str:
    """mar. 24/11, 09:42."""
    return format_datetime(local(moment, zone), DAYTIME[lang], locale=LOCALES[lang])


def span(seconds: float, lang: str = "fr") -> str:
    """A time left or gone by: 8:42, 1 h 29, 2 j 4 h. entraide.js goes on counting in the same form."""
    whole = int(abs(seconds))
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02}"
    if whole < 86400:
        return f"{whole // 3600}\u00a0h\u00a0{whole % 3600 // 60:02}"
    return f"{whole // 86400}\u00a0{'j' if lang == 'fr' else 'd'}\u00a0{whole % 86400 // 3600}\u00a0h"
