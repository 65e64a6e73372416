"""Finds what must not travel outside cards: personal data, or a field wide enough to hold some.

An event is made of ids, codes, dates, numbers and labels of organisations. So every text in it has a shape declared in
`contracts.common`, and no field bears the name of a personal thing, whatever its shape.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter

from contracts import common

Schema = dict[str, Any]

PERSONAL_WORDS = frozenset({
    "name", "names", "firstname", "lastname", "surname", "civility", "gender", "birth", "birthday", "phone", "phones",
    "mobile", "tel", "email", "emails", "mail", "address", "addresses", "street", "floor", "access", "plate", "vin",
    "licence", "passport", "nir", "ssn", "iban", "bic", "card_number", "password", "photo", "signature", "comment",
    "comments", "text", "note", "notes", "message", "remark", "description", "subject", "wish", "wishes", "words",
    "body", "content", "free",
})  # fmt: skip
SHAPES = frozenset(
    TypeAdapter(shape).json_schema()["pattern"]
    for shape in (
        common.Id,
        common.Code,
        common.Number,
        common.CaseNumber,
        common.Zone,
        common.Day,
        common.Insee,
        common.Postcode,
        common.Departement,
    )
) | {TypeAdapter(common.Exact).json_schema(mode="serialization")["pattern"]}
LABEL = {word: value for word, value in TypeAdapter(common.Label).json_schema().items() if word != "type"}
REGISTER_NUMBERS = frozenset({"siren", "siret"})  # of organisations, public; digits only


def faults(schema: Schema) -> list[str]:
    """One line per fault, `free_text: path`; none when nothing personal fits in."""
    return list(_walk(schema, schema, "$"))


def _walk(root: Schema, node: Schema, path: str) -> Iterator[str]:
    if "$ref" in node:
        yield from _walk(root, root["$defs"][node["$ref"].rpartition("/")[2]], path)
    elif "anyOf" in node:
        for choice in node["anyOf"]:
            yield from _walk(root, choice, path)
    elif node.get("type") == "object":
        if node.get("additionalProperties"):
            yield f"free_keys: {path}"
        for name, field in node.get("properties", {}).items():
            if PERSONAL_WORDS & {name, *name.split("_")} and not name.endswith(("_id", "_ids")):
                yield f"personal_name: {path}.{name}"
            yield from _walk(root, field, f"{path}.{name}")
    elif node.get("type") == "array":
        yield from _walk(root, node.get("items", {}), f"{path}[]")
    elif node.get("type") == "string":
        if not _shaped(node, path):
            yield f"free_text: {path}"
    elif "type" not in node:
        yield f"untyped: {path}"


def _shaped(node: Schema, path: str) -> bool:
    if "enum" in node or "const" in node or node.get("format") == "date-time":
        return True
    if path.rpartition(".")[2] in REGISTER_NUMBERS:
        return str(node.get("pattern")).startswith("^[0-9]{")
    return node.get("pattern") in SHAPES or LABEL.items() <= node.items()
