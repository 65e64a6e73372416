"""The web base: how things are written, what every page carries, and scans over the templates of all services."""

import asyncio
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment, UndefinedError, nodes
from jinja2.ext import babel_extract
from starlette.requests import Request

from contracts import reasons
from services.kit.auth import Caller
from services.kit.web import filters
from services.kit.web.forms import Form, posted
from services.kit.web.nav import LINKS, ROLES, navigation
from services.kit.web.pages import Templates, part, templates
from services.kit.web.problems import SENTENCES, problem
from services.kit.web.static_files import STATIC, Hashed, static
from services.kit.web.vendor import icon_names
from services.kit.web.words import Words, spaced

SERVICES = Path(__file__).parents[2] / "services"
KIT = SERVICES / "kit" / "web"
OWNERS = [KIT, *sorted(folder.parent for folder in SERVICES.glob("*/templates"))]
FILES = [file for owner in OWNERS for file in sorted((owner / "templates").rglob("*.html"))]
NAMES = [str(file.relative_to(SERVICES)) for file in FILES]
NOW = datetime(2026, 11, 24, 8, 42, 18, tzinfo=UTC)
AGENT = Caller("a", frozenset({"agent"}), frozenset(), name="Claire M.")


def request(path: str = "/desk", query: str = "", **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({
        "type": "http", "method": "GET", "path": path, "query_string": query.encode(), "headers": raw,
        "server": ("127.0.0.1", 80), "scheme": "http",
    })  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "templates").mkdir()
    return tmp_path


def page(folder: Path, source: str) -> Templates:
    (folder / "templates" / "page.html").write_text(source)
    return templates(folder)


def shown(folder: Path, source: str, query: str = "", **context: Any) -> str:
    return bytes(page(folder, source).render(request(query=query), "page.html", now=NOW, **context).body).decode()


# How things are written ------------------------------------------------------------------------------------------------


def test_a_case_number_is_grouped_by_three_and_keeps_the_suffix_of_its_need() -> None:
    assert filters.case("482019312") == "482\u202f019\u202f312"
    assert filters.case("482019312-2") == "482\u202f019\u202f312-2"
    assert filters.case(482019312) == filters.case("482019312")


def test_what_is_not_a_case_number_is_shown_as_it_is() -> None:
    assert filters.case("4820") == "4820"


@pytest.mark.parametrize(
    ("amount", "french", "english"),
    [(Decimal("2.500"), "2,5", "2.5"), (2, "2", "2"), (Decimal("1E+3"), "1\u202f000", "1,000"), (0.125, "0,125", "0.125")],
)
def test_a_number_is_written_as_each_language_does(folder: Path, amount: Decimal | float, french: str, english: str) -> None:
    assert shown(folder, "{{ amount|number }}", amount=amount) == french
    assert shown(folder, "{{ amount|number }}", query="lang=en", amount=amount) == english
    in_words = '{{ ngettext("%(n)s restante sur %(all)s", "%(n)s restantes sur %(all)s", amount, n=amount, all=amount) }}'
    assert french in shown(folder, in_words, amount=amount)


@pytest.mark.parametrize("amount", [Decimal("2.5"), 2.5])
def test_a_number_with_decimals_cannot_be_shown_as_python_writes_it(folder: Path, amount: Decimal | float) -> None:
    with pytest.raises(TypeError, match="number"):
        shown(folder, "{{ amount }}", amount=amount)
    assert shown(folder, "{{ amount|string }}", amount=amount) == "2.5"


def test_a_service_is_named_in_both_languages_and_an_unknown_one_shown_by_its_code(folder: Path) -> None:
    source = '{{ "home_help"|service }} {{ "falconry"|service }} {% from "services.html" import service_icon %}{{ service_icon("falconry") }}'
    assert shown(folder, source).startswith("Aide à domicile Falconry <svg")
    assert shown(folder, source, query="lang=en").startswith("Home help Falconry <svg")


def test_money_has_two_decimals_and_a_space_that_does_not_break() -> None:
    assert filters.euro(8400) == "84,00\u00a0€"
    assert filters.euro(123456789) == "1\u202f234\u202f567,89\u00a0€"
    assert filters.euro(-5) == "-0,05\u00a0€"
    assert filters.euro(8400, "en") == "€84.00"


def test_instants_are_written_in_the_zone_of_the_place() -> None:
    assert filters.hour(NOW) == "09:42"
    assert filters.hour(NOW, zone="Indian/Reunion") == "12:42"
    assert filters.day(NOW) == "24/11/2026"
    assert filters.day(NOW, "en") == "24 Nov 2026"
    assert filters.daytime(NOW) == "mar. 24/11, 09:42"
    assert filters.long_day(datetime(2026, 11, 23, 23, 30, tzinfo=UTC)) == "mardi 24 novembre"


def test_an_instant_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        filters.hour(datetime(2026, 11, 24, 9, 42))


@pytest.mark.parametrize(("seconds", "words"), [(522, "8:42"), (5340, "1\u00a0h\u00a029"), (187200, "2\u00a0j\u00a04\u00a0h")])
def test_time_left_is_written_as_the_browser_goes_on_counting_it(seconds: float, words: str) -> None:
    assert filters.span(seconds) == words


def test_french_spacing_leaves_addresses_and_placeholders_alone() -> None:
    assert spaced("Bloqué : « oui » ?") == "Bloqué\u00a0: «\u00a0oui\u00a0»\u00a0?"
    assert spaced("reste 84 € sous 2 h") == "reste 84\u00a0€ sous 2\u00a0h"
    assert spaced("/desk?q=1 %(n)s sur %(all)s") == "/desk?q=1 %(n)s sur %(all)s"


# What every page carries ------------------------------------------------------------------------------------------------


def test_typed_text_is_escaped(folder: Path) -> None:
    source = "{{ typed }}{{ _(typed) }}{% trans x=typed %}a {{ x }}{% endtrans %}<i title='{{ typed }}'>"
    out = shown(folder, source, typed="<script>alert(1)</script>'")
    assert "<script" not in out
    assert out.count("&lt;script&gt;") == 4


def test_a_missing_variable_is_an_error_not_an_empty_place(folder: Path) -> None:
    with pytest.raises(UndefinedError):
        shown(folder, "{{ nobody_gave_this }}")


def test_an_unknown_icon_is_an_error(folder: Path) -> None:
    with pytest.raises(KeyError, match=r"icons\.txt"):
        shown(folder, '{% from "macros.html" import i %}{{ i("no-such-icon") }}')


def test_every_page_carries_the_policy_and_is_not_stored(folder: Path) -> None:
    answer = page(folder, "x").render(request(), "page.html", now=NOW)
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy == {
        "default-src": "'self'", "style-src": "'self'", "img-src": "'self' data:", "connect-src": "'self'",
        "frame-ancestors": "'none'", "base-uri": "'none'", "form-action": "'self'",
    }  # fmt: skip
    assert answer.headers["cache-control"] == "no-store"


def test_the_base_page_says_the_servers_time_who_asks_and_where_they_are(folder: Path) -> None:
    out = shown(folder, '{% extends "base.html" %}', caller=AGENT, csrf="of-the-session", active="stuck", counts={"stuck": 15})
    assert f'data-now="{NOW.isoformat()}"' in out
    assert "Claire M." in out and "chargé d’assistance" in out
    assert re.search(r'href="/desk/stuck" aria-current="page">Bloqués<span class="e-count hot">15', out)
    assert out.count("aria-current") == 1
    assert 'name="csrf" value="of-the-session"' in out


def test_before_sign_in_there_is_no_navigation_stream_or_sign_out(folder: Path) -> None:
    out = shown(folder, '{% extends "base.html" %}')
    for absent in ("e-nav", "live.js", "/sign-out", "e-find"):
        assert absent not in out


def test_a_service_may_have_its_own_template_in_place_of_the_kits(folder: Path) -> None:
    (folder / "templates" / "base.html").write_text("mine")
    assert shown(folder, '{% extends "base.html" %}') == "mine"


def test_a_fragment_is_asked_for_by_address_or_by_htmx() -> None:
    assert part(request(query="part=1")) and part(request(hx_request="true"))
    assert not part(request())


def test_a_slot_is_a_link_that_becomes_the_fragment_of_another_service(folder: Path) -> None:
    out = shown(folder, '{% from "macros.html" import slot %}{{ slot("/x?case=1", "Offres", live="case:1") }}')
    assert 'hx-get="/x?case=1&amp;part=1"' in out or 'hx-get="/x?case=1&part=1"' in out
    assert '<a href="/x?case=1">Offres</a>' in out
    assert '{"timeout": 2000}' in out and 'data-live="case:1"' in out


def test_the_meter_says_in_words_what_it_draws(folder: Path) -> None:
    out = shown(folder, '{% from "macros.html" import meter %}{{ meter(1, 1, 4) }}')
    assert 'aria-label="2 restantes sur 4, 1 réservée"' in out
    assert out.count("<b ") == 4


def test_a_problem_says_what_happened_what_to_do_and_the_trace(folder: Path) -> None:
    made = templates(folder)
    whole = made.problem(request(), problem(404, trace_id="4f1c-9a07"), now=NOW)
    fragment = made.problem(request(hx_request="true"), problem(404, trace_id="4f1c-9a07"), now=NOW)
    assert whole.status_code == fragment.status_code == 404
    for answer in (whole, fragment):
        body = bytes(answer.body).decode()
        assert SENTENCES[404][0] in body and "Vérifiez le numéro" in body and "4f1c-9a07" in body
    assert b"<html" in whole.body and b"<html" not in fragment.body


def test_each_role_goes_where_it_may() -> None:
    assert [link.href for link in navigation(["agent"], {})] == ["/desk", "/desk/cases", "/desk/tasks", "/desk/stuck", "/desk/duplicates"]
    assert [link.href for link in navigation(["provider"], {})] == ["/extranet", "/extranet/missions", "/extranet/bills"]
    assert [link.key for link in navigation(["admin", "agent"], {})].count("cases") == 1


# Languages ----------------------------------------------------------------------------------------------------------------


def test_french_is_the_default_and_english_a_switch_that_is_remembered(folder: Path) -> None:
    made = page(folder, '{{ _("Bloqués") }} {{ 8400|euro }}')
    french, asked = made.render(request(), "page.html", now=NOW), made.render(request(query="lang=en"), "page.html", now=NOW)
    remembered = made.render(request(cookie="lang=en"), "page.html", now=NOW)
    assert bytes(french.body).decode() == "Bloqués 84,00\u00a0€"
    assert bytes(asked.body).decode() == bytes(remembered.body).decode() == "Stuck €84.00"
    assert asked.headers["set-cookie"].startswith("lang=en;")
    assert "set-cookie" not in remembered.headers


def test_an_unknown_language_is_french(folder: Path) -> None:
    assert shown(folder, "{{ lang }}", query="lang=xx") == "fr"


def test_french_counts_nought_as_one_and_english_does_not() -> None:
    forms = ("%(n)s réponse à corriger", "%(n)s réponses à corriger")
    french, english = Words("fr", [KIT]), Words("en", [KIT])
    assert french.ngettext(*forms, 0, n=0) == "0 réponse à corriger"
    assert english.ngettext(*forms, 0, n=0) == "0 answers to correct"
    assert english.ngettext(*forms, 1, n=1) == "1 answer to correct"


def test_a_service_says_its_own_sentences_before_the_kits(folder: Path) -> None:
    (folder / "locale" / "en" / "LC_MESSAGES").mkdir(parents=True)
    (folder / "locale" / "en" / "LC_MESSAGES" / "it.po").write_text('msgid "Bloqués"\nmsgstr "Parked"\n')
    assert shown(folder, '{{ _("Bloqués") }} {{ _("Appel") }}', query="lang=en") == "Parked Call"


def sentences(owner: Path) -> Iterator[tuple[str, str]]:
    for file in sorted((owner / "templates").rglob("*.html")):
        with file.open("rb") as opened:
            options = {"trimmed": "true", "trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}
            for line, _, found, _ in babel_extract(opened, ["_", "gettext", "ngettext"], [], options):
                first = found[0] if isinstance(found, tuple) else found
                if first:  # none where the sentence is a variable
                    yield first, f"{file.relative_to(SERVICES)}:{line}"


@pytest.mark.parametrize("owner", OWNERS, ids=lambda owner: str(owner.relative_to(SERVICES)))
def test_every_sentence_of_the_templates_has_its_english(owner: Path) -> None:
    english = Words("en", [owner, KIT])
    assert [where for sentence, where in sentences(owner) if not english._find(sentence, 0)] == []


def test_every_sentence_of_the_kits_code_has_its_english() -> None:
    english = Words("en", [KIT])
    said = {link.label for links in LINKS.values() for link in links} | set(ROLES.values())
    said |= {sentence for pair in SENTENCES.values() for sentence in pair}
    assert [sentence for sentence in said if not english._find(sentence, 0)] == []


# Forms --------------------------------------------------------------------------------------------------------------------


def test_a_form_carries_its_hidden_fields_with_a_new_key_each_time(folder: Path) -> None:
    source = '{% from "forms.html" import hidden %}{{ hidden(csrf, "11") }}'
    first, second = (shown(folder, source, caller=AGENT, csrf="of-the-session") for _ in range(2))
    assert 'name="version" value="11"' in first and 'name="csrf" value="of-the-session"' in first
    keys = {re.findall(r'name="idempotency_key" value="([0-9a-f-]{36})"', out)[0] for out in (first, second)}
    assert len(keys) == 2 and all(key[14] == "7" for key in keys)


def test_an_error_stands_beside_its_field_and_what_was_typed_is_kept(folder: Path) -> None:
    form = Form(values={"phone": "06 39"}, errors={"phone": "Ce numéro est incomplet."})
    source = '{% from "forms.html" import field, errors %}{{ errors(form) }}{{ field(form, "phone", "Téléphone", type="tel") }}'
    out = shown(folder, source, form=form)
    assert 'value="06 39"' in out and 'aria-invalid="true"' in out
    assert re.search(r'aria-describedby=" ?error-phone"', out) and 'id="error-phone"' in out
    assert '<a href="#f-phone">Ce numéro est incomplet.</a>' in out


def test_a_password_is_never_written_back(folder: Path) -> None:
    form = Form(values={"password": "typed"})
    source = '{% from "forms.html" import field %}{{ field(form, "password", "Mot de passe", type="password") }}'
    out = shown(folder, source, form=form)
    assert "typed" not in out


def test_hidden_fields_are_told_from_typed_ones() -> None:
    sent = posted({"csrf": "t", "idempotency_key": "k", "need": " Tailler la haie "})
    assert (sent.values, sent.csrf, sent.key, sent.version) == ({"need": "Tailler la haie"}, "t", "k", "")


# Static files ----------------------------------------------------------------------------------------------------------------


def cache_control(query: str) -> str:
    scope = {"type": "http", "method": "GET", "path": "/entraide.css", "query_string": query.encode(), "headers": []}
    return asyncio.run(Hashed(STATIC).get_response("entraide.css", scope)).headers["cache-control"]


def test_a_static_file_is_kept_for_ever_only_under_the_hash_of_its_content() -> None:
    current = static("entraide.css").partition("?")[2]
    assert re.fullmatch(r"v=[0-9a-f]{8}", current)
    assert "immutable" in cache_control(current)
    assert cache_control("v=00000000") == "no-cache"
    assert cache_control("") == "no-cache"


def test_a_static_file_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        static("entraide.scss")


# Scans over the templates of all services ---------------------------------------------------------------------------------

ICON_ARGUMENT = {"i": 0, "icon": 0, "note": 1, "empty": 1, "tag": 2}  # macro → which argument names an icon
REFUSED = {
    "inline script": re.compile(r"<script(?![^>]*\b(?:src=|type=\"application/json\"))", re.I),
    "inline style": re.compile(r"<style\b|\sstyle\s*=", re.I),
    "handler attribute": re.compile(r"\s(?:on[a-z]+|hx-on[:\w.-]*)\s*=", re.I),
    "javascript address": re.compile(r"javascript:|[\"']js:", re.I),
    "trigger filter, which needs eval": re.compile(r"hx-trigger=\"[^\"]*\["),
    "text marked as safe": re.compile(r"\|\s*safe\b|autoescape\s+false", re.I),
    "address of another site": re.compile(r"(?:src|href)=[\"'](?:https?:)?//", re.I),
}


def literals(node: nodes.Node) -> Iterator[str]:
    if isinstance(node, nodes.CondExpr):
        yield from (name for branch in (node.expr1, node.expr2) if branch for name in literals(branch))
    elif isinstance(node, nodes.Const) and isinstance(node.value, str):
        yield node.value


def icons_in(source: str) -> set[str]:
    found: set[str] = set()
    for call in Environment(extensions=["jinja2.ext.i18n"]).parse(source).find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and (place := ICON_ARGUMENT.get(call.node.name)) is not None:
            named = [pair.value for pair in call.kwargs if pair.key == "name"]
            found |= {name for argument in call.args[place : place + 1] + named for name in literals(argument)}
    return found


def refused(source: str) -> list[str]:
    return [what for what, pattern in REFUSED.items() if pattern.search(source)]


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_no_template_has_what_the_policy_refuses(file: Path) -> None:
    assert refused(file.read_text()) == []


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_every_icon_of_the_templates_is_in_the_sprite(file: Path) -> None:
    assert icons_in(file.read_text()) - set(icon_names()) == set()


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("<script>x()</script>", "inline script"),
        ('<b style="color:red">', "inline style"),
        ('<b onclick="x()">', "handler attribute"),
        ('<b hx-on:click="x()">', "handler attribute"),
        ('<a href="javascript:x()">', "javascript address"),
        ('<b hx-trigger="keyup[ctrlKey]">', "trigger filter, which needs eval"),
        ("{{ typed|safe }}", "text marked as safe"),
        ('<script src="//elsewhere.example/x.js">', "address of another site"),
    ],
)
def test_the_scan_finds_what_it_looks_for(source: str, what: str) -> None:
    assert what in refused(source)


def test_the_icon_scan_reads_every_way_of_naming_an_icon() -> None:
    source = '{{ i("a") }}{{ i("b" if x == "no" else "c") }}{% call note("warn", "d") %}{% endcall %}{{ tag(_("t"), name="e") }}'
    assert icons_in(source) == set("abcde")


def test_every_service_has_its_icon() -> None:
    table = dict(re.findall(r'"([a-z_]+)": "([a-z0-9-]+)"', (KIT / "templates" / "services.html").read_text()))
    assert table.keys() == reasons.SERVICES.keys() and set(table.values()) <= set(icon_names())


def test_the_icons_of_states_and_channels_are_in_the_sprite() -> None:
    table = (KIT / "templates" / "macros.html").read_text()
    used = set(re.findall(r'\(_\("[^"]+"\), "([a-z0-9-]+)"\)', table))
    assert len(used) >= 20 and used - set(icon_names()) == set()
