"""Forms: what was typed, what was wrong with it, and the hidden fields against sending twice, too late or from elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import uuid_utils

CSRF, KEY, VERSION = "csrf", "idempotency_key", "version"


def fresh_key() -> str:
    """The idempotency key of a form that is being rendered."""
    return str(uuid_utils.uuid7())


@dataclass(frozen=True)
class Form:
    """What a form shows: values, an error a field (in words), and the version (ETag) of what it changes."""

    values: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    version: str | None = None

    def value(self, name: str) -> str:
        return self.values.get(name, "")

    def error(self, name: str) -> str:
        return self.errors.get(name, "")


@dataclass(frozen=True)
class Posted:
    """What a browser sent. Fields of ours that are missing are empty, so that their checks refuse them."""

    values: dict[str, str]
    csrf: str
    key: str
    version: str


def posted(sent: Mapping[str, object]) -> Posted:
    """Tell the hidden fields from the typed ones; uploaded files are left to the route."""
    text = {name: value for name, value in sent.items() if isinstance(value, str)}
    hidden = {name: text.pop(name, "") for name in (CSRF, KEY, VERSION)}
    values = {name: value.strip() for name, value in text.items()}
    return Posted(values, csrf=hidden[CSRF], key=hidden[KEY], version=hidden[VERSION])
