"""Refuses what would break a reader or a writer of a released version. `python -m contracts.compatibility`

Inside one version a field may only be added, and only as optional. Both directions count: what lies in the log since the release
must be read by the models of today, and what is written today must be read by a service that still runs the release.
Works on the schemas that pydantic makes of our models, and refuses a keyword it does not know instead of passing over it.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from jsonschema import Draft202012Validator
from pydantic import ValidationError

from contracts import reasons, registry
from contracts.case_state import FOLD_VERSION, CaseState, Record, apply, to_json
from contracts.envelope import Envelope
from contracts.json_schema import Model, Schema, models, schema
from contracts.sample import record

RELEASED = Path(__file__).parent / "released"


class Rule(StrEnum):
    EVENT_REMOVED = "event_removed"
    ROUTE_CHANGED = "route_changed"
    FIELD_REMOVED = "field_removed"
    FIELD_REQUIRED = "field_required"
    FIELD_OPTIONAL = "field_optional"
    TYPE_CHANGED = "type_changed"
    ENUM_NARROWED = "enum_narrowed"
    ENUM_WIDENED = "enum_widened"
    PATTERN_CHANGED = "pattern_changed"
    BOUND_NARROWED = "bound_narrowed"
    BOUND_WIDENED = "bound_widened"
    DEFAULT_CHANGED = "default_changed"
    OBJECT_CLOSED = "object_closed"
    KEYWORD_UNKNOWN = "keyword_unknown"
    SAMPLE_UNREADABLE = "sample_unreadable"
    OLD_READER_BREAKS = "old_reader_breaks"
    REASON_REMOVED = "reason_removed"
    FOLD_CHANGED = "fold_changed"


class Break(NamedTuple):
    code: Rule
    where: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.code}: {self.where} {self.detail}".rstrip()


UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems")
ROUTE = ("x-owner", "x-topics", "x-key")
SILENT = {"$schema", "$id", "$defs", "title", "description", "examples", "x-extensible", *ROUTE}
COMPARED = {
    "type",
    "format",
    "const",
    "enum",
    "pattern",
    "default",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "anyOf",
}
KNOWN = SILENT | COMPARED | {"$ref", *UPPER, *LOWER}


def breaks(old: Schema, new: Schema) -> list[Break]:
    """What of `new` is refused, given that `old` is released. Both are whole schemas with their `$defs`."""
    changed = [Break(Rule.ROUTE_CHANGED, word, f"{old[word]} -> {new.get(word)}") for word in ROUTE if old.get(word) != new.get(word)]
    return changed + list(_compare(_inline(old, old), _inline(new, new), "$"))


def released_breaks(released: Path = RELEASED) -> list[Break]:
    """The models of today against everything frozen below `released`."""
    found: list[Break] = []
    for release in sorted(folder for folder in released.iterdir() if folder.is_dir()):
        found += [
            Break(broken.code, f"{release.name}/{broken.where}", broken.detail) for path in sorted(release.glob("*.json")) for broken in _frozen(path)
        ]
    return found


def _frozen(path: Path) -> Iterator[Break]:
    frozen = json.loads(path.read_text("utf-8"))
    name = path.name.removesuffix(".json")
    if name == "reasons":
        yield from _reasons(frozen)
    elif name == "story":
        yield from _fold(frozen)
    elif (model := models().get(name.removesuffix(".sample"))) is None:
        yield Break(Rule.EVENT_REMOVED, name)
    elif name.endswith(".sample"):
        yield from _readable(name, model, frozen["value"])
    else:
        for broken in breaks(frozen, schema(name, model)):
            yield Break(broken.code, broken.where.replace("$", name, 1), broken.detail)
        for error in Draft202012Validator(frozen).iter_errors(record(model).value):
            yield Break(Rule.OLD_READER_BREAKS, name, error.message)


def _readable(name: str, model: Model, value: object) -> Iterator[Break]:
    try:
        model.model_validate(value)
    except ValidationError as error:
        for wrong in error.errors(include_url=False):
            yield Break(Rule.SAMPLE_UNREADABLE, f"{name}.{'.'.join(map(str, wrong['loc']))}", wrong["msg"])


def _reasons(frozen: dict[str, list[str]]) -> Iterator[Break]:
    for family, codes in frozen.items():
        for code in codes:
            if code not in reasons.families.get(family, {}):
                yield Break(Rule.REASON_REMOVED, f"{family}.{code}")


def _fold(frozen: dict[str, Any]) -> Iterator[Break]:
    """A case of the release, told again: its state may only differ where the fold's version is a higher one, which rebuilds the views."""
    for case_id, state in folded(frozen["records"]).items():
        if state != frozen["folded"].get(case_id) and frozen["fold_version"] >= FOLD_VERSION:
            yield Break(Rule.FOLD_CHANGED, f"case {case_id}", "raise FOLD_VERSION in contracts/case_state/fold.py")


def folded(records: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The state of each case, as JSON, from records of `cases` as `sample.Record.as_json` gives them."""
    states: dict[str, CaseState] = {}
    for one in records:
        envelope = Envelope.from_headers([(name, value.encode()) for name, value in one["headers"].items()])
        model = registry.load().get(envelope.type)
        event = model.model_validate(one["value"]) if model else None
        states[envelope.key] = apply(states.get(envelope.key) or CaseState.empty(envelope.key), Record(envelope, event))
    return {case_id: json.loads(to_json(state)) for case_id, state in states.items()}


def _inline(root: Schema, node: Schema) -> Schema:
    """The schema without references; a reference's own words (a default) win."""
    if "$ref" in node:
        target = root["$defs"][node["$ref"].rpartition("/")[2]]
        node = target | {word: value for word, value in node.items() if word != "$ref"}
    plain = {word: value for word, value in node.items() if word != "$defs"}
    for word in ("items", "additionalProperties"):
        if isinstance(plain.get(word), dict):
            plain[word] = _inline(root, plain[word])
    if "properties" in plain:
        plain["properties"] = {name: _inline(root, field) for name, field in plain["properties"].items()}
    if "anyOf" in plain:
        plain["anyOf"] = [_inline(root, choice) for choice in plain["anyOf"]]
    return plain


def _compare(old: Schema, new: Schema, path: str) -> Iterator[Break]:
    for word in sorted((old.keys() | new.keys()) - KNOWN):
        yield Break(Rule.KEYWORD_UNKNOWN, path, word)
    if any(old.get(word) != new.get(word) for word in ("type", "format")) or len(old.get("anyOf", ())) != len(new.get("anyOf", ())):
        yield Break(Rule.TYPE_CHANGED, path, f"{_kind(old)} -> {_kind(new)}")
        return
    for before, after in zip(old.get("anyOf", ()), new.get("anyOf", ()), strict=True):
        yield from _compare(before, after, path)
    if old.get("pattern") != new.get("pattern"):
        yield Break(Rule.PATTERN_CHANGED, path, f"{old.get('pattern')} -> {new.get('pattern')}")
    if "default" in old and "default" in new and old["default"] != new["default"]:
        yield Break(Rule.DEFAULT_CHANGED, path, f"{old['default']} -> {new['default']}")
    yield from _compare_choices(old, new, path)
    yield from _compare_bounds(old, new, path)
    yield from _compare_fields(old, new, path)
    yield from _compare_inside(old, new, path)


def _kind(node: Schema) -> str:
    kinds = [str(choice.get("type")) for choice in node["anyOf"]] if "anyOf" in node else [str(node.get("type"))]
    return " or ".join(kinds) + (f" ({node['format']})" if "format" in node else "")


def _choices(node: Schema) -> set[object] | None:
    return set(node["enum"]) if "enum" in node else {node["const"]} if "const" in node else None


def _compare_choices(old: Schema, new: Schema, path: str) -> Iterator[Break]:
    before, after = _choices(old), _choices(new)
    if after is not None and (before is None or before - after):
        yield Break(Rule.ENUM_NARROWED, path, f"without {sorted(map(str, before - after)) if before else 'the rest'}")
    if before is not None and not old.get("x-extensible") and (after is None or after - before):
        yield Break(Rule.ENUM_WIDENED, path, f"with {sorted(map(str, after - before)) if after else 'anything'}")


def _compare_bounds(old: Schema, new: Schema, path: str) -> Iterator[Break]:
    for words, endless, sign in ((UPPER, float("inf"), 1), (LOWER, float("-inf"), -1)):
        for word in words:
            change = sign * (new.get(word, endless) - old.get(word, endless)) if old.get(word) != new.get(word) else 0
            if change:
                code = Rule.BOUND_NARROWED if change < 0 else Rule.BOUND_WIDENED
                yield Break(code, path, f"{word} {old.get(word)} -> {new.get(word)}")


def _compare_fields(old: Schema, new: Schema, path: str) -> Iterator[Break]:
    before, after = old.get("properties", {}), new.get("properties", {})
    for name in sorted(before.keys() - after.keys()):
        yield Break(Rule.FIELD_REMOVED, f"{path}.{name}")
    for name in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
        yield Break(Rule.FIELD_REQUIRED, f"{path}.{name}")
    for name in sorted(after.keys() & set(old.get("required", ())) - set(new.get("required", ()))):
        yield Break(Rule.FIELD_OPTIONAL, f"{path}.{name}")
    for name in sorted(before.keys() & after.keys()):
        yield from _compare(before[name], after[name], f"{path}.{name}")


def _compare_inside(old: Schema, new: Schema, path: str) -> Iterator[Break]:
    """Of a list its items, of a table its values."""
    if new.get("additionalProperties") is False:
        yield Break(Rule.OBJECT_CLOSED, path)
    for word, mark in (("items", "[]"), ("additionalProperties", "{}")):
        before, after = ((side[word] if isinstance(side.get(word), dict) else {}) for side in (old, new))
        if before or after:
            yield from _compare(before, after, f"{path}{mark}")


def main() -> int:
    found = released_breaks()
    sys.stdout.writelines(f"{broken}\n" for broken in found)
    sys.stdout.write(f"{len(found)} breaks against what is released\n" if found else "compatible with every released version\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
