"""Which cases a list holds: whose they are, what was typed to find them, where a page starts."""

import unicodedata
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

import phonenumbers

from contracts.cards import CaseCard
from services.kit import cursor
from services.kit.auth import Caller
from services.kit.errors import Forbidden
from services.tracking.store.cases import Filter

Sort = Literal["opened", "next"]


def own(caller: Caller, wanted: Filter) -> Filter:
    """Only what is the caller's. Raises `Forbidden` for who has no cases of their own."""
    if caller.staff:
        return wanted
    if caller.principal_ids:
        mine = caller.principal_ids
        asked = wanted.principal_ids
        return replace(wanted, principal_ids=mine if asked is None else tuple(one for one in asked if one in mine))
    if caller.member_id:
        return replace(wanted, member_id=caller.member_id)
    raise Forbidden("your missions are at dispatch")


def narrowed(q: str | None, *, state: str | None, waiting_for: str | None, principal_id: str | None, service: str | None) -> Filter:
    """The server decides what was typed: a case number, a phone, or words of a name and plates."""
    wanted = Filter(state=state, waiting_for=waiting_for, principal_ids=(principal_id,) if principal_id else None, service=service)
    if not q or not q.strip():
        return wanted
    number = plain(q)
    if number.isdigit() and len(number) == 9:
        return replace(wanted, number=number)
    return replace(wanted, terms=(phone,) if (phone := _phone(q)) else tuple(words(q)) or ("",))


def search_terms(person: CaseCard | None) -> list[str]:
    """Under which a case is found: every word of the names, the phones, the plate."""
    if person is None:
        return []
    contacts = [contact for contact in (person.beneficiary, person.on_site) if contact]
    found = {word for contact in contacts for word in words(contact.name)} | {contact.phone for contact in contacts if contact.phone}
    plate = words(person.plate)
    return sorted(found | {*plate, "".join(plate)} if plate else found)


def words(text: str) -> list[str]:
    """In lower case, without accents: what a search compares."""
    bare = unicodedata.normalize("NFKD", text.lower())
    return "".join(sign if sign.isalnum() else " " for sign in bare if not unicodedata.combining(sign)).split()


def plain(key: str) -> str:
    """A case number without its spaces and its need; an id as it is."""
    digits = "".join(key.split())
    head = digits.partition("-")[0]
    return head if head.isdigit() and len(head) == 9 else key


def place(after: str | None) -> tuple[datetime, str] | None:
    """Raises `BadInput` for a cursor that is not ours."""
    return cursor.decode(after, cursor.instant, cursor.uuid)


def following(rows: list[dict[str, Any]], sort: Sort, limit: int) -> str | None:
    """The cursor of the next page; None when this one is the last."""
    if len(rows) < limit:
        return None
    return cursor.encode(rows[-1]["opened_at" if sort == "opened" else "next_date"], rows[-1]["case_id"])


def _phone(typed: str) -> str | None:
    if any(sign.isalpha() for sign in typed):  # the library would dial a name
        return None
    try:
        number = phonenumbers.parse(typed, "FR")
    except phonenumbers.NumberParseException:
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if phonenumbers.is_possible_number(number) else None
