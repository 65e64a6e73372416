"""The sender of webhooks as a process of its own, to be killed half-way."""

import asyncio
import os
import sys

from pydantic import SecretStr

from services.kit.db import Database
from services.reference.usecases import webhooks
from services.reference.usecases.webhooks import Target


async def main(url: str, secret: str) -> None:
    webhooks.targets = {"banque_orvane": Target(url=url, secret=SecretStr(secret))}
    db = await Database.connect("reference", os.environ["ENTRAIDE_DATABASE_URL"], size=2)
    await webhooks.run(db)


asyncio.run(main(*sys.argv[1:]))
