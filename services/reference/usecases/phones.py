"""Phone numbers as typed, to E.164. Overseas numbers are read by the region of the postcode; 0692… is no number under "FR"."""

import re

import phonenumbers

from services.kit.errors import Invalid

_REGIONS = {"971": "GP", "972": "MQ", "973": "GF", "974": "RE", "975": "PM", "976": "YT", "987": "PF", "988": "NC"}
_METROPOLITAN = re.compile(r"(?:0|\+33|0033)([1-7]\d{8}|9\d{8})")
_SEPARATORS = str.maketrans("", "", " .-()/\u00a0\u202f")


def region(postcode: str | None) -> str:
    return _REGIONS.get((postcode or "")[:3], "FR")


def e164(typed: str, postcode: str | None = None) -> str:
    """Raises `Invalid`."""
    number = _read(typed, region(postcode))
    if number is None:
        raise Invalid("this is no phone number", code="bad_phone")
    return number


def meanings(typed: str) -> list[str]:
    """Every number that these digits can be, in France and overseas."""
    found = (_read(typed, region) for region in ("FR", *_REGIONS.values()))
    return list(dict.fromkeys(number for number in found if number))


def _read(typed: str, region: str) -> str | None:
    if region == "FR" and (plain := _METROPOLITAN.fullmatch(typed.translate(_SEPARATORS))) and not plain[1].startswith(_OVERSEAS):
        return f"+33{plain[1]}"  # what a feed is full of; the library takes 50 times as long
    try:
        number = phonenumbers.parse(typed, region)
    except phonenumbers.NumberParseException:
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if phonenumbers.is_valid_number(number) else None


_OVERSEAS = ("639", "690", "691", "692", "693", "694", "695", "696", "697", "262", "590", "594", "596", "508")
