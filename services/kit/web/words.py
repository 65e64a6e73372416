"""French is written in the templates and in the code; English comes from the .po files, found again by the French sentence."""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path

from babel.messages.pofile import read_po
from starlette.requests import Request

from services.kit.web.filters import number

LANGUAGES = ("fr", "en")
COOKIE = "lang"
BEFORE = re.compile(r" (?=[:;?!»](?:\s|<|$))|(?<=\d) (?=€|%(?!\()|(?:h|min|km|kg)\b)|(?<=\)s) (?=€|(?:h|min|km|kg)\b)")


def spaced(text: str) -> str:
    """French spacing: no line may break before : ; ? ! » € nor between a number and its unit."""
    return BEFORE.sub("\u00a0", text).replace("« ", "«\u00a0")


def asked_language(request: Request) -> str | None:
    """The language asked for in the address, if it is one of ours."""
    asked = request.query_params.get("lang")
    return asked if asked in LANGUAGES else None


def language(request: Request) -> str:
    kept = request.cookies.get(COOKIE)
    return asked_language(request) or (kept if kept in LANGUAGES else "fr")


class Words:
    """The sentences of one language. What has no translation is said in French."""

    def __init__(self, lang: str, folders: Iterable[Path]) -> None:
        """Earlier folders win: a service may say a sentence of the kit in its own way."""
        self.lang = lang
        self._said: dict[str, tuple[str, ...]] = {}
        for folder in reversed(list(folders)):
            for file in sorted((folder / "locale" / lang / "LC_MESSAGES").glob("*.po")):
                self._said |= read(file, lang)

    def gettext(self, text: str, /, **values: object) -> str:
        return self._fill(self._find(text, 0) or text, values)

    def ngettext(self, one: str, many: str, number: float, /, **values: object) -> str:
        """French counts 0 and 1 as one, English only 1."""
        single = abs(number) < 2 if self.lang == "fr" else number == 1
        return self._fill(self._find(one, 0 if single else 1) or (one if single else many), values)

    def _find(self, text: str, form: int) -> str:
        said = self._said.get(text, ())
        return said[min(form, len(said) - 1)] if said else ""

    def _fill(self, text: str, values: Mapping[str, object]) -> str:
        shown = spaced(text) if self.lang == "fr" else text
        written = {name: number(value, self.lang) if isinstance(value, Decimal | float) else value for name, value in values.items()}
        return shown % written if written else shown


def read(file: Path, lang: str) -> dict[str, tuple[str, ...]]:
    """French sentence → its forms in the language, one or two; untranslated entries are left out."""
    with file.open("rb") as opened:
        catalogue = read_po(opened, locale=lang)
    said = {}
    for message in catalogue:
        key = message.id if isinstance(message.id, str) else message.id[0]
        forms = (message.string,) if isinstance(message.string, str) else tuple(message.string or ())
        if key and forms and all(forms):
            said[key] = forms
    return said
