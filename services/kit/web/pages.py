"""Pages of a service: its own templates first, the kit's behind them, one environment a language."""

import hashlib
import json
from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from services.kit.web import filters
from services.kit.web.forms import fresh_key
from services.kit.web.nav import AT_DESK, ROLES, navigation
from services.kit.web.problems import Problem
from services.kit.web.static_files import static
from services.kit.web.vendor import icon_names
from services.kit.web.words import COOKIE, LANGUAGES, Words, asked_language, language, spaced

KIT = Path(__file__).parent
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
PROBLEM_REGION = "#e-problem"
HTMX = {
    "allowEval": False,
    "allowScriptTags": False,
    "includeIndicatorStyles": False,
    "historyCacheSize": 0,  # pages hold personal data: none of it stays in the browser's storage
    "historyRestoreAsHxRequest": False,
    "timeout": 15000,
    "responseHandling": [
        {"code": "204", "swap": False},
        {"code": "[23]..", "swap": True},
        {"code": "409|412|422", "swap": True},
        {"code": "[45]..", "swap": True, "error": True, "target": PROBLEM_REGION, "swapOverride": "innerHTML"},
    ],
}


def part(request: Request) -> bool:
    """Whether only the fragment is wanted, not the page around it."""
    return "part" in request.query_params or request.headers.get("hx-request") == "true"


class Somebody(Protocol):
    """Who asks, as far as a page shows it."""

    @property
    def name(self) -> str: ...

    @property
    def roles(self) -> Collection[str]: ...


def templates(service_folder: Path) -> "Templates":
    return Templates(service_folder)


class Templates:
    def __init__(self, service_folder: Path) -> None:
        self._words = {lang: Words(lang, [service_folder, KIT]) for lang in LANGUAGES}
        self._environments = {lang: environment(service_folder, words) for lang, words in self._words.items()}

    def words(self, request: Request) -> Words:
        """For sentences that are made in code: errors of a field, a subject line."""
        return self._words[language(request)]

    def render(
        self,
        request: Request,
        name: str,
        *,
        now: datetime,
        caller: Somebody | None = None,
        csrf: str = "",
        active: str = "",
        counts: Mapping[str, int] | None = None,
        zone: str = "Europe/Paris",
        status: int = 200,
        **context: Any,
    ) -> HTMLResponse:
        """Render with what every page needs.

        caller: none before sign-in. csrf: the token of the browser's session, which its forms carry back. active: the key of the
        link of the navigation that is shown as current.
        """
        lang, roles = language(request), caller.roles if caller else ()
        page = self._environments[lang].get_template(name)
        body = page.render(
            context,
            request=request,
            now=now,
            lang=lang,
            zone=zone,
            active=active,
            caller=caller,
            desk=not AT_DESK.isdisjoint(roles),
            role=next((word for role, word in ROLES.items() if role in roles), ""),
            nav=navigation(roles, counts or {}),
            csrf=csrf,
            # Another session in the same browser must not listen to this one's stream; the name tells nothing about it.
            stream_name=hashlib.sha256(csrf.encode()).hexdigest()[:16],
            other_language=other_language(request, lang),
        )
        response = HTMLResponse(body, status, headers=HEADERS)
        if (asked := asked_language(request)) and asked != request.cookies.get(COOKIE):
            response.set_cookie(COOKIE, asked, max_age=365 * 86400, samesite="lax", secure=request.url.scheme == "https")
        return response

    def problem(self, request: Request, problem: Problem, *, now: datetime, caller: Somebody | None = None, csrf: str = "") -> HTMLResponse:
        """The page, or for htmx the fragment, that says what happened and what to do."""
        name = "fragment_problem.html" if part(request) else "problem.html"
        return self.render(request, name, now=now, caller=caller, csrf=csrf, status=problem.status, problem=problem)


def other_language(request: Request, lang: str) -> str:
    """The address of this page in the other language, without host: behind the gateway a service does not know it."""
    other = next(one for one in LANGUAGES if one != lang)
    url = request.url.remove_query_params("part").include_query_params(lang=other)
    return f"{url.path}?{url.query}"


def environment(service_folder: Path, words: Words) -> Environment:
    made = Environment(
        loader=ChoiceLoader([FileSystemLoader(folder / "templates") for folder in (service_folder, KIT)]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_written,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Not Jinja's "newstyle": it marks every translated text as safe, so that _(something typed) would not be escaped.
    made.install_gettext_callables(words.gettext, words.ngettext, newstyle=False)  # type: ignore[attr-defined]
    made.policies["ext.i18n.trimmed"] = True
    for make in (filters.service, filters.euro, filters.number, filters.day, filters.long_day, filters.hour, filters.daytime, filters.span):
        made.filters[make.__name__] = partial(make, lang=words.lang)
    made.filters |= {"case": filters.case, "spaced": spaced if words.lang == "fr" else str}
    made.globals |= {"static": static, "icon": icon, "fresh_key": fresh_key, "htmx_config": json.dumps(HTMX)}
    return made


def _written(value: object) -> object:
    """Raises TypeError for a bare number with decimals: each language writes it in its own way, machines in another."""
    if isinstance(value, Decimal | float):
        raise TypeError("write it with |number for people, with |string for a machine")
    return value


def icon(name: str, known: frozenset[str] = frozenset(icon_names())) -> str:
    """The address of an icon of the sprite; raises KeyError for one that icons.txt does not have."""
    if name not in known:
        raise KeyError(f"icon {name!r} is not in services/kit/web/icons.txt")
    return f"{static('vendor/icons.svg')}#{name}"
