"""Loads files by hand: `python -m services.reference.load principals.csv products.csv guarantees.csv members.csv contracts.csv`.

The kind is the file's name up to the first dot or dash; files are loaded in the order given.
"""

import re
import sys
from pathlib import Path
from typing import get_args

import uvloop

from services.kit.db import Database
from services.kit.errors import Invalid
from services.reference.settings import Settings
from services.reference.usecases.feed import Kind, Report, load_csv

KINDS: dict[str, Kind] = {kind: kind for kind in get_args(Kind)}


async def load(settings: Settings, files: list[Path]) -> list[Report]:
    db = await Database.connect("reference", settings.database_url.get_secret_value())
    try:
        return [await load_csv(db, KINDS[re.split(r"[.-]", file.name)[0]], file) for file in files]
    finally:
        await db.close()


def _say(report: Report) -> str:
    lines = [f"{report.kind}: {report.rows} rows, {report.changed} changed, {report.unchanged} unchanged, {report.bad} refused"]
    lines += [f"  line {bad.line}: {bad.reason} {bad.field}".rstrip() for bad in report.problems]
    return "\n".join(lines)


if __name__ == "__main__":
    files = [Path(name) for name in sys.argv[1:]]
    strange = [file.name for file in files if re.split(r"[.-]", file.name)[0] not in KINDS or not file.is_file()]
    if strange or not files:
        sys.exit(f"{', '.join(strange) or 'no file'}: give existing files whose names start with {', '.join(KINDS)}")
    try:
        sys.stdout.write("\n".join(map(_say, uvloop.run(load(Settings.read(), files)))) + "\n")
    except Invalid as wrong:
        sys.exit(str(wrong))
