"""An export as a process of its own, to be killed half-way."""

import asyncio
import os
import sys
from pathlib import Path

from services.kit.db import Database
from services.reference.usecases import exports, mapping


async def main() -> None:
    db = await Database.connect("reference", os.environ["ENTRAIDE_DATABASE_URL"], size=2)
    await exports.export(db, sys.argv[1], Path(sys.argv[2]), mapping.read(Path(sys.argv[3])))
    await db.close()


asyncio.run(main())
