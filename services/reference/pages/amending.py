"""A person as pages show it, and the form by which it is amended: as typed, and what of it is wrong."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from services.kit import phones, places
from services.kit.bounds import typed_day
from services.kit.db import Transaction
from services.kit.errors import Invalid
from services.kit.web import forms
from services.reference.domain.names import fold
from services.reference.store import amendments as store

LANGUAGES = ("fr", "en")


async def about(tx: Transaction, row: Mapping[str, Any], form: forms.Form | None = None, refusal: str = "") -> dict[str, Any]:
    """What the panel of a person needs; `row`: a sheet."""
    return {
        "person": placed(row),
        "open_cases": await store.open_cases(tx.conn, row["id"]),
        "form": form or filled(row),
        "was": filled(row).values,
        "refusal": refusal,
        "languages": languages(row["language"]),
    }


def languages(own: str) -> list[tuple[str, str]]:
    """In their own words; the person's own where it is another."""
    words = {"fr": "français", "en": "English"}
    return [(code, words.get(code, code)) for code in dict.fromkeys((*LANGUAGES, own))]


def filled(row: Mapping[str, Any]) -> forms.Form:
    """The form as the person is."""
    return forms.Form({
        "phones": ", ".join(phones.national(number) if number.startswith("+33") else number for number in row["phones"]),
        "emails": ", ".join(row["emails"]),
        "commune": _town(row),
        "birth_date": row["birth_date"].isoformat() if row["birth_date"] else "",
        **{name: row[name] for name in ("address", "language", "last_name", "first_name")},
    })  # fmt: skip


def typed_otherwise(values: Mapping[str, str], row: Mapping[str, Any]) -> dict[str, str]:
    """What was typed otherwise than it was shown: the form says what that was, as somebody else may have changed it since."""
    shown = {name: values.get(f"was-{name}", value) for name, value in filled(row).values.items()}
    return {name: typed for name, typed in values.items() if name in shown and typed != shown[name].strip()}


def again(values: Mapping[str, str], row: Mapping[str, Any], errors: Mapping[str, str]) -> forms.Form:
    """What was typed otherwise, and the rest as it is by now: nobody undoes what they have not looked at."""
    return forms.Form({**filled(row).values, **typed_otherwise(values, row), "reason": values.get("reason", "")}, errors)


def wanted(values: Mapping[str, str], row: Mapping[str, Any]) -> dict[str, Any]:
    """What is to be changed. Raises `Invalid`."""
    made: dict[str, Any] = dict(typed_otherwise(values, row))
    for name in ("phones", "emails"):
        if name in made:
            made[name] = [part for part in re.split(r"[,;\n]", made[name]) if part.strip()]
    if "birth_date" in made:
        made["birth_date"] = typed_day(made["birth_date"]) if made["birth_date"] else None
    if typed := made.pop("commune", ""):
        found = communes(typed)
        if len(found) != 1:
            near = ", ".join(f"{one['name']} ({one['postcodes'].split('|')[0]})" for one in found[:8])
            raise Invalid(near, code="which_commune" if found else "unknown_commune")
        [codes] = [found[0]["postcodes"].split("|")]
        said = next((word for word in typed.split() if word in codes), codes[0] or None)
        made |= {"insee": found[0]["insee"], "postcode": said}
    return made


def wrong(request_words: Any, refusal: Invalid) -> dict[str, str]:
    """The field that a refusal is about, with what to do."""
    say = request_words.gettext
    words = {
        "bad_phone": ("phones", say("Ce n’est pas un numéro de téléphone.")),
        "bad_email": ("emails", say("Ce n’est pas une adresse e-mail.")),
        "which_commune": ("commune", say("Précisez : %(near)s", near=str(refusal))),
        "unknown_commune": ("commune", say("Cette commune n’existe pas : tapez son nom ou son code postal.")),
        "unknown_postcode": ("commune", say("Cette commune n’existe pas : tapez son nom ou son code postal.")),
        "reason_missing": ("reason", say("Dites pourquoi.")),
        "born_in_the_future": ("birth_date", say("Ce n’est pas une date.")),
        "bad_day": ("birth_date", say("Ce n’est pas une date.")),
    }
    field, sentence = words.get(refusal.code, ("phones", say("Cinq au plus.")))
    return {field: sentence}


def communes(typed: str) -> list[dict[str, str]]:
    """Those of this name, of this postcode, or of both: `Rennes`, `35000`, `35510 Cesson-Sévigné`."""
    words = fold(typed).split()
    codes, name = {word for word in words if word.isdigit()}, " ".join(word for word in words if not word.isdigit())
    if not words:
        return []
    return [
        row
        for row in places.communes().values()
        if (not codes or codes & set(row["postcodes"].split("|"))) and (not name or fold(row["name"]) == name)
    ]


def placed(row: Mapping[str, Any]) -> dict[str, Any]:
    town = f"{row['postcode'] or ''} {places.name(row['insee'])}".strip() if row["insee"] else ""
    whole = row["address"] if not town or town in row["address"] else ", ".join(filter(None, (row["address"], town)))
    contracts = [one | {day: one[day] and date.fromisoformat(one[day]) for day in ("starts_on", "ends_on")} for one in row["contracts"]]
    numbers = [phones.national(number) for number in row["phones"]]
    return {
        **row,
        "shown_phones": numbers,
        "whole_address": whole,
        "commune": places.name(row["insee"]) if row["insee"] else "",
        "contracts": contracts,
    }


def _town(row: Mapping[str, Any]) -> str:
    return f"{row['postcode'] or ''} {places.name(row['insee'])}".strip() if row["insee"] else ""
