"""Everything the checker looks at, of one running platform, at one moment of rest."""

import asyncio
import sys
from pathlib import Path

from tests.checker import diary, doors, log, tables
from tests.checker.fold import fold
from tests.checker.inputs import Inputs, Row

PATIENCE_S = 60.0
EVERY_S = 0.3
TIMES = 3


def say(text: str) -> None:
    print(f"checker: {text}", file=sys.stderr, flush=True)


async def collect(config: Row) -> Inputs:
    """`config`: diary, kafka, databases, gateway_url, credentials, and how many cases were meant to be opened.

    What moved while it was read is read again, a few times; then it is taken as it is.
    """
    for left in reversed(range(TIMES)):
        ends = await _rest(config)
        found = await _once(config)
        if found.log.ends == ends == await asyncio.to_thread(log.ends, config["kafka"]) or not left:
            return found
        say("the log moved meanwhile, reading again")
    raise AssertionError("unreachable")


async def _once(config: Row) -> Inputs:
    raw, held = await asyncio.gather(asyncio.to_thread(log.collect, config["kafka"]), tables.collect(config["databases"]))
    say(f"{len(raw.records)} records of the log, {sum(len(some) for queries in held.rows.values() for some in queries.values())} rows")
    seen = await doors.collect(config["gateway_url"], config["credentials"], fold(raw.first))
    say(f"{len(seen.desk)} cases at the desk, {len(seen.principals)} principals, {len(seen.members)} members, {len(seen.providers)} providers")
    entries = diary.read(Path(config["diary"])) if config.get("diary") else []
    return Inputs(entries, raw, held, seen, config.get("cases") or config.get("expects", {}).get("cases"))


async def _rest(config: Row) -> dict[tuple[str, int], int]:
    """Waits until all is sent and applied; the ends of the log then."""
    loop = asyncio.get_running_loop()
    give_up = loop.time() + PATIENCE_S
    while True:
        ends = await asyncio.to_thread(log.ends, config["kafka"])
        left = await tables.unsettled(config["databases"], ends)
        if not left or loop.time() > give_up:
            return ends
        say("; ".join(left))
        await asyncio.sleep(EVERY_S)
