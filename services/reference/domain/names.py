"""Names and search terms as people type them. `fold` is what the stored `name_key` was made with."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae", "ß": "ss", "ø": "o", "ł": "l", "đ": "d"})
_DATE = re.compile(r"(?<!\d)(?:(\d{1,2})[/. -](\d{1,2})[/. -](\d{4})|(\d{4})-(\d{2})-(\d{2})|(\d{2})(\d{2})(\d{4}))(?!\d)")
_SAINTS = {"st": "saint", "ste": "sainte"}
_PHONE = re.compile(r"\+?[\d\s().-]{6,25}")
_NEITHER = re.compile(r"[^a-z0-9]+")
_PLATE = re.compile(r"[A-Z]{2}[0-9]{3}[A-Z]{2}|[0-9]{1,4}[A-Z]{1,3}[0-9][0-9AB][0-9]?")  # since 2009, and before
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


@dataclass(frozen=True, slots=True)
class Query:
    """What a search asks for. `names`: prefixes of the folded name, in every order worth trying."""

    number: str | None = None
    plate: str | None = None
    phone: str | None = None  # as typed
    email: str | None = None
    names: tuple[str, ...] = ()
    birth_date: date | None = None
    communes: tuple[str, ...] = ()  # INSEE codes, where the text names a town

    @property
    def words(self) -> tuple[str, ...]:
        """Of the name, folded, as typed."""
        return tuple(self.names[0].split()) if self.names else ()

    @property
    def empty(self) -> bool:
        return not (self.number or self.phone or self.email or self.names or self.birth_date)


def fold(text: str) -> str:
    """Lower case, without accents; whatever is neither letter nor digit becomes one space."""
    if text.isascii():
        return _NEITHER.sub(" ", text.lower()).strip()
    plain = unicodedata.normalize("NFKD", text.lower().translate(_LIGATURES))
    return " ".join("".join(sign if sign.isascii() and sign.isalnum() else "" if unicodedata.combining(sign) else " " for sign in plain).split())


def compact(text: str) -> str:
    """Capitals and digits alone, as numbers and plates are compared: `ab-123-cd` is AB123CD."""
    return "".join(sign for sign in text.upper() if sign.isascii() and sign.isalnum())


def name_key(last_name: str, first_name: str) -> str:
    return f"{fold(last_name)} {fold(first_name)}".strip()


def parse(text: str, communes: Mapping[str, Sequence[str]]) -> Query:
    """`communes`: folded name -> INSEE codes. What has digits may be a number, a plate and a phone: all are asked."""
    text = text.strip()
    if _EMAIL.fullmatch(text):
        return Query(email=text.lower())
    number = "".join(text.split()).upper()
    phone = text if _PHONE.fullmatch(text) else None
    born, rest = _birth_date(text)
    words = fold(rest).split()
    for split in range(1, len(words)):
        town = " ".join(_SAINTS.get(word, word) for word in words[split:])
        if town in communes:
            return Query(names=_orders(words[:split]), birth_date=born, communes=tuple(communes[town]))
    if born is None and (phone or (any(sign.isdigit() for sign in number) and re.fullmatch(r"[A-Z0-9-]{3,40}", number))):
        return Query(number=number, plate=plate if _PLATE.fullmatch(plate := compact(text)) else None, phone=phone)
    return Query(names=_orders(words), birth_date=born)


def _orders(words: Sequence[str]) -> tuple[str, ...]:
    """`jean dupont` and `dupont jean`."""
    return tuple(dict.fromkeys(" ".join((*words[turn:], *words[:turn])) for turn in range(len(words))))


def _birth_date(text: str) -> tuple[date | None, str]:
    """The first date in a text, and the text without it."""
    for found in _DATE.finditer(text):
        day, month, year = found.group(1, 2, 3)
        if found.group(4):
            year, month, day = found.group(4, 5, 6)
        elif found.group(7):
            day, month, year = found.group(7, 8, 9)
        try:
            born = date(int(year), int(month), int(day))
        except ValueError:
            continue
        if 1900 <= born.year <= 2100:
            return born, text[: found.start()] + " " + text[found.end() :]
    return None, text
