"""Writes what is made from the models: schemas, AsyncAPI document, events page, examples.

python -m contracts.generate                 write
python -m contracts.generate --check         write nothing; fail where a committed file differs
python -m contracts.generate --release v1    freeze today's schemas, samples and reason codes in contracts/released/v1
"""

import argparse
import difflib
import json
import sys
from pathlib import Path
from typing import Any

import yaml

from contracts import asyncapi, events_page, personal, reasons
from contracts.case_state import FOLD_VERSION
from contracts.compatibility import RELEASED, folded
from contracts.json_schema import models, schema
from contracts.readers import EXAMPLES, reads
from contracts.registry import Event
from contracts.sample import record, records

HERE = Path(__file__).parent
SCHEMAS = HERE / "schemas"
PAGE = HERE.parent / "docs" / "events.md"
ASYNCAPI_VERSION = "1.0.0"  # of the set of events; a new major when a released event version is withdrawn


class Unshared(yaml.SafeDumper):
    """Writes a node that stands in two places twice, instead of an anchor and an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


class PersonalField(ValueError):
    """An event could carry personal data; the text names its fields."""


def generated() -> dict[Path, str]:
    """Every generated file and its text. Raises PersonalField."""
    refuse_personal_fields()
    files = {SCHEMAS / f"{name}.json": _json(schema(name, model)) for name, model in models().items()}
    files[HERE / "asyncapi.yaml"] = _yaml(asyncapi.document(ASYNCAPI_VERSION))
    files[PAGE] = events_page.page()
    for consumer, names in reads().items():
        for name in names:
            files[EXAMPLES / consumer / f"{name}.json"] = _json(record(models()[name]).as_json())
    return files


def refuse_personal_fields() -> None:
    events = {name: model for name, model in models().items() if issubclass(model, Event)}
    if found := [f"{name} {fault}" for name, model in events.items() for fault in personal.faults(schema(name, model))]:
        raise PersonalField("\n".join(found))


def differences() -> list[str]:
    """A diff per committed file that is not what the models make, and a line per schema of an event that is gone."""
    found = []
    for path, wanted in generated().items():
        present = path.read_text("utf-8") if path.exists() else ""
        if present != wanted:
            lines = difflib.unified_diff(present.splitlines(), wanted.splitlines(), str(path), "generated", lineterm="")
            found.append("\n".join(lines))
    return found + [f"{path}: of no event" for path in _orphans()]


def write() -> None:
    for path, text in generated().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    for path in _orphans():
        path.unlink()


def freeze(release: str, released: Path = RELEASED) -> Path:
    """Raises FileExistsError when that release is frozen already: what is released does not change."""
    folder = released / release
    folder.mkdir()
    for name, model in models().items():
        (folder / f"{name}.json").write_text(_json(schema(name, model)), "utf-8")
        (folder / f"{name}.sample.json").write_text(_json(record(model).as_json()), "utf-8")
    told = [one.as_json() for one in records() if one.topic == "cases"]
    story = {"fold_version": FOLD_VERSION, "records": told, "folded": folded(told)}
    (folder / "story.json").write_text(_json(story), "utf-8")
    codes = {family: list(texts) for family, texts in reasons.families.items()}
    (folder / "reasons.json").write_text(_json(codes), "utf-8")
    return folder


def _orphans() -> list[Path]:
    return sorted(path for path in SCHEMAS.glob("*.json") if path.stem not in models())


def _json(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def _yaml(content: Any) -> str:
    return yaml.dump(content, Dumper=Unshared, sort_keys=False, allow_unicode=True, width=130)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="write nothing; fail where a committed file differs")
    what.add_argument("--release", metavar="NAME", help="freeze today's schemas, samples and reason codes under this name")
    chosen = parser.parse_args(arguments)
    if chosen.check:
        found = differences()
        sys.stdout.write("\n".join(found or ["generated files are up to date"]) + "\n")
        return 1 if found else 0
    write()
    if chosen.release:
        try:
            sys.stdout.write(f"frozen in {freeze(chosen.release)}\n")
        except FileExistsError:
            parser.error(f"{chosen.release} is frozen already; what is released does not change")
    return 0


if __name__ == "__main__":
    sys.exit(main())
