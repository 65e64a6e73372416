"""Loads the files of a folder as `entraide feed load` does, at nice 10, then tells of what they changed as the worker does, and says what
each took: `python -m tests.bench.feed_process FOLDER`.
"""

import asyncio
import json
import os
import resource
import sys
import time
from pathlib import Path

from deploy.commands.feed import NICENESS
from services.kit.db import Database
from services.reference.usecases import telling
from services.reference.usecases.feed import KINDS, load_csv


async def main(folder: Path) -> None:
    os.nice(NICENESS)
    db = await Database.connect("reference", os.environ["ENTRAIDE_DATABASE_URL"], size=4)
    began = time.perf_counter()
    reports = [await load_csv(db, kind, folder / f"{kind}.csv") for kind in KINDS if (folder / f"{kind}.csv").exists()]
    stored = time.perf_counter()
    mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    await telling.all_of_it(db)
    told = time.perf_counter()
    await db.close()
    counts = {report.kind: {"rows": report.rows, "changed": report.changed, "bad": report.bad} for report in reports}
    print(json.dumps({"seconds": stored - began, "telling": told - stored, "mb": mb, "reports": counts}))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
