"""Loads one file in a process of its own, to be stopped and killed: `python -m tests.integration.feed_process <kind> <file>`."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from services.kit.db import Database
from services.reference.usecases.feed import load_csv


async def main(kind: Any, file: str) -> None:
    db = await Database.connect("reference", os.environ["ENTRAIDE_DATABASE_URL"])
    await load_csv(db, kind, Path(file))


asyncio.run(main(*sys.argv[1:]))
