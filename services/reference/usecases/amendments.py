"""Amending a member, by an agent or by the member: saved, kept as changes, told to the log, and on its way to the principal."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from email_validator import EmailNotValidError, validate_email

from contracts.common import Actor
from services.kit import deadlines, phones, places
from services.kit.auth import Caller
from services.kit.clock import new_id
from services.kit.db import Transaction
from services.kit.errors import Invalid, NotFound, StaleVersion
from services.reference import emits
from services.reference.domain import amending, names
from services.reference.domain.amending import Change, Value
from services.reference.domain.entitlement import CONTRACT_ZONE
from services.reference.store import amendments as store

PUSH = "webhook"  # the deadline by which what was changed is pushed to the principal's own software
PHONES = 5
EMAILS = 5
_NULLABLE = frozenset({"birth_date", "insee", "postcode"})


@dataclass(frozen=True, slots=True)
class By:
    """Who changes something, and by which door: `portal`, `desk`, `api`."""

    actor: Actor
    door: str
    staff: bool


def by(caller: Caller) -> By:
    """A browser's session at the desk, a machine of ours, or the member."""
    return By(caller.actor, ("desk" if caller.csrf else "api") if caller.staff else "portal", caller.staff)


async def amend(tx: Transaction, member_id: str, wanted: Mapping[str, Any], by: By, expected: int | None, reason: str = "") -> dict[str, Any]:
    """The member's row as it is then. `wanted`: fields of `amending.FIELDS` as typed. Nothing is written where nothing changes.

    Raises `NotFound`, `StaleVersion`, `Forbidden`, and `Invalid` for what cannot be a phone, an e-mail or a place.
    """
    row = await store.lock(tx.conn, member_id)
    if row is None:
        raise NotFound("no such member")
    if expected is not None and expected != row["version"]:
        raise StaleVersion(f"this member is at version {row['version']} by now; read it again, and send your change with its ETag")
    known = {name: plain(row[name]) for name in amending.FIELDS}
    if (born := wanted.get("birth_date")) and born > tx.now.astimezone(CONTRACT_ZONE).date():
        raise Invalid("nobody is born in the future", code="born_in_the_future")
    changes = amending.amend(known, _cleaned(wanted, known), staff=by.staff, reason=reason.strip())
    if not changes:
        return row
    saved = await store.save(tx.conn, member_id, columns(row, {change.field: change.new for change in changes}))
    about = {"amendment": new_id(), "reason": reason.strip() or None, "door": by.door, "at": tx.now}
    await store.note(tx.conn, saved, _plainly(changes), by_kind=by.actor.kind, by_id=by.actor.id, **about)
    await deadlines.put(tx.conn, PUSH, member_id, tx.now)
    tell(tx, saved)
    return saved


def tell(tx: Transaction, saved: Mapping[str, Any]) -> None:
    """What an amended member is now: to everybody; the person to those who have an open case."""
    tx.emit(emits.member(saved))
    if saved["open_cases"]:
        tx.card(emits.card(saved))


def columns(row: Mapping[str, Any], values: Mapping[str, Value]) -> dict[str, Any]:
    """As they are stored, with what follows from them."""
    made: dict[str, Any] = {name: value or None if name in _NULLABLE else value or "" for name, value in values.items()}
    made |= {name: values[name] or [] for name in ("phones", "emails") if name in values}
    if made.get("birth_date"):
        made["birth_date"] = date.fromisoformat(made["birth_date"])
    if {"last_name", "first_name"} & made.keys():
        called = {**row, **made}
        made["name_key"] = names.name_key(called["last_name"], called["first_name"])
    return made


def plain(value: Any) -> Value:
    """As changes hold it."""
    return value.isoformat() if isinstance(value, date) else value


async def consent(tx: Transaction, member_id: str, purpose: str, *, given: bool, proof: str, by: By) -> None:
    """Noted beside what was said before. Raises `NotFound`."""
    if await store.standing(tx.conn, member_id) is None:
        raise NotFound("no such member")
    said = {"purpose": purpose, "given": given, "proof": proof, "door": by.door, "at": tx.now}
    await store.add_consent(tx.conn, member_id, by_kind=by.actor.kind, by_id=by.actor.id, **said)


def by_purpose(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last word on each purpose, with all that was said. `rows`: as the store lists them."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["purpose"], []).append(row)
    return [{"purpose": purpose, "given": said[0]["given"], "since": said[0]["at"], "history": said} for purpose, said in found.items()]


def _plainly(changes: list[Change]) -> list[tuple[str, Value, Value]]:
    return [(change.field, change.old, change.new) for change in changes]


def _cleaned(wanted: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Value]:
    """As they are stored: phones in E.164, read by the region of the postcode; a postcode that is one of its commune's."""
    made: dict[str, Any] = {name: value.strip() if isinstance(value, str) else plain(value) for name, value in wanted.items()}
    if "insee" in made or "postcode" in made:
        insee, postcode = made.get("insee", known["insee"]), made.get("postcode")
        if insee:
            place = places.place(insee, postcode or (known["postcode"] if insee == known["insee"] else None))
            made |= {"insee": place.insee, "postcode": place.postcode}
        else:
            made |= {"insee": None, "postcode": postcode}
    region = made.get("postcode", known["postcode"])
    if "phones" in made:
        made["phones"] = _several(PHONES, "phones", [phones.e164(typed, region) for typed in made["phones"]])
    if "emails" in made:
        made["emails"] = _several(EMAILS, "emails", [_email(typed) for typed in made["emails"]])
    return made


def _several(most: int, field: str, values: list[str]) -> list[str]:
    found = list(dict.fromkeys(values))
    if len(found) > most:
        raise Invalid(f"{field}: {most} at most", code="too_long")
    return found


def _email(typed: str) -> str:
    """Raises `Invalid`."""
    try:
        return str(validate_email(typed.strip(), check_deliverability=False).normalized).lower()
    except EmailNotValidError:
        raise Invalid("this is no e-mail address", code="bad_email") from None
