"""Loads the files of a folder as `entraide feed load` does, at nice 10, and says what it took: `python -m tests.bench.feed_process FOLDER`."""

import asyncio
import json
import os
import resource
import sys
import time
from pathlib import Path

from deploy.commands.feed import NICENESS
from services.kit.db import Database
from services.reference.usecases.feed import KINDS, load_csv


async def main(folder: Path) -> None:
    os.nice(NICENESS)
    db = await Database.connect("reference", os.environ["ENTRAIDE_DATABASE_URL"], size=4)
    began = time.perf_counter()
    reports = [await load_csv(db, kind, folder / f"{kind}.csv") for kind in KINDS]
    took = time.perf_counter() - began
    await db.close()
    counts = {report.kind: {"rows": report.rows, "changed": report.changed, "bad": report.bad} for report in reports}
    print(json.dumps({"seconds": took, "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "reports": counts}))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
