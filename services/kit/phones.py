"""Phone numbers as typed, to E.164. Overseas numbers are read by the region of the postcode: 0692… is no number under "FR".

A number of the right shape is taken even where the plan does not assign it: plans change, and callers know their number.
"""

import re
from functools import cache
from typing import Any

import phonenumbers

from services.kit.errors import Invalid

_REGIONS = {"971": "GP", "972": "MQ", "973": "GF", "974": "RE", "975": "PM", "976": "YT", "987": "PF", "988": "NC"}

_PLAIN = re.compile(r"(?:(\+33)|0)([1-9][0-9]{8})")  # as it mostly comes: what the library would say of it, two hundred times faster

_BETWEEN = str.maketrans(dict.fromkeys(" .-\u00a0\u202f"))


def e164(typed: str, postcode: str | None = None) -> str:
    """Raises `Invalid`."""
    if (plain := _PLAIN.fullmatch(typed.translate(_BETWEEN))) and (plain[1] or (postcode or "")[:3] not in _REGIONS):
        return f"+33{plain[2]}"
    number = _read(typed, _REGIONS.get((postcode or "")[:3], "FR"))
    if number is None or not phonenumbers.is_possible_number(number):
        raise Invalid("this is no phone number", code="bad_phone")
    return _format(number)


def meanings(typed: str) -> list[str]:
    """Every number that these digits can be, in France and overseas."""
    digits = "".join(filter(str.isdigit, typed))
    if plain := _PLAIN.fullmatch("+" * typed.lstrip().startswith("+") + digits):
        found = [f"+33{plain[2]}"]
    else:
        home = _read(typed, "FR")
        found = [] if home is None or not phonenumbers.is_possible_number(home) else [_format(home)]
    overseas = (_read(typed, region) for region, shape in _shapes() if shape.fullmatch(digits) or shape.fullmatch(digits.lstrip("0")))
    found += [_format(number) for number in overseas if number and phonenumbers.is_valid_number(number)]
    return list(dict.fromkeys(found))


def national(number: str) -> str:
    """As it is dictated in its own country."""
    return phonenumbers.format_number(phonenumbers.parse(number), phonenumbers.PhoneNumberFormat.NATIONAL)


@cache
def _shapes() -> list[tuple[str, re.Pattern[str]]]:
    """What every national number overseas looks like: the library need not be asked about the others."""
    known: list[tuple[str, Any]] = [(region, phonenumbers.PhoneMetadata.metadata_for_region(region)) for region in _REGIONS.values()]
    return [(region, re.compile(data.general_desc.national_number_pattern)) for region, data in known]


def _read(typed: str, region: str) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(typed, region)
    except phonenumbers.NumberParseException:
        return None


def _format(number: phonenumbers.PhoneNumber) -> str:
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
