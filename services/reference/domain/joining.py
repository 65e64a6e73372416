"""Who may open an account: whoever knows number and birth date, and reads what is sent to a phone or an address that we know."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal

Channel = Literal["email", "sms"]

CODE_LIFE = timedelta(minutes=10)
TRIES = 5
WINDOW = timedelta(hours=1)
CODES_PER_PERSON = 5
CODES_PER_ADDRESS = 30
TRIES_PER_ADDRESS = 60
_MOBILE = ("+336", "+337", "+262692", "+262693", "+262639", "+590690", "+590691", "+594694", "+596696", "+596697")


def number(typed: str) -> str:
    """As numbers are kept."""
    return "".join(typed.split()).upper()


def may_ask(of_person: int, from_address: int) -> bool:
    """Given the codes asked for within WINDOW, of somebody or of nobody."""
    return of_person < CODES_PER_PERSON and from_address < CODES_PER_ADDRESS


def may_try(from_address: int) -> bool:
    return from_address < TRIES_PER_ADDRESS


def contact(channel: Channel, phones: Sequence[str], emails: Sequence[str]) -> tuple[Channel, str] | None:
    """Where a code goes: by the wished way, or by the other where there is nothing known for that one; a mobile phone before others."""
    mobiles = [phone for phone in phones if phone.startswith(_MOBILE)]
    known: dict[Channel, Sequence[str]] = {"email": emails, "sms": [*mobiles, *(phone for phone in phones if phone not in mobiles)]}
    other: Channel = "sms" if channel == "email" else "email"
    return next(((way, known[way][0]) for way in (channel, other) if known[way]), None)


def logins(number: str, principal: str) -> list[str]:
    """What an account may be called, the first that is free."""
    return [number.lower(), f"{principal}-{number}".lower()]
