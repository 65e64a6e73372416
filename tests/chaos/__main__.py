"""`python -m tests.chaos --seconds 120 --seed 1`: exit status 1 when anything was lost, doubled, disagreed on or left behind."""

import argparse
import asyncio
import json
import random
import time
from pathlib import Path
from random import Random

from rich.console import Console

from deploy import operations
from deploy.demo import show, stage
from deploy.demo.briefing import Script
from deploy.demo.stage import Stage
from deploy.embedded.process import StartFailed
from deploy.platform import SERVICES
from tests.chaos import report
from tests.chaos.nemesis import Fault, Nemesis

MEMBERS = 2_000
PATIENCE_S = 120  # of a robot that is not answered: a process that is killed while the broker is down starts after it


async def chaos(seconds: int, seed: int, cases_per_s: float, folder: Path | None, console: Console) -> int:
    began = time.monotonic()
    script = Script(round(seconds * cases_per_s), seed, cases_per_s, PATIENCE_S)
    with show.progress(console) as progress:
        step = progress.add_task("starting", total=None)
        async with stage.set_up(script, lambda words: progress.update(step, description=words), MEMBERS, folder) as on:
            for service in SERVICES:
                on.platform.add_worker(service)
            progress.update(step, total=1, completed=1)

            def tell(fault: Fault) -> None:
                progress.console.print(f"{fault.at:6.1f} s  {fault.kind} {fault.target}", highlight=False)

            nemesis = Nemesis(on.platform.stack, on.platform.processes, on.running, Random(f"chaos {seed}"), tell)
            async with asyncio.TaskGroup() as group:
                playing = group.create_task(on.play(show.moving(progress, script.cases)))
                await nemesis.run(seconds)
                progress.console.print("no more faults, and all has caught up")
            step = progress.add_task("waiting until nothing is under way", total=4)
            await on.drain()
            progress.update(step, advance=1, description="invoicing the month")
            await on.invoice()
            await on.drain()
            progress.update(step, advance=1, description="checking every case at five doors")
            checked = {"after the faults": await on.check()}
            progress.update(step, advance=1, description="replaying every topic from offset 0")
            changed = await _replay(on)
            checked["after the replay"] = await on.check()
            left = await on.drain()
            progress.update(step, advance=1, description="checked")
            progress.stop()
            report.faults(console, nemesis.faults)
            report.findings(console, checked, left)
            found = report.summary(nemesis.faults, checked, left, changed, on.told.diary, playing.result())
    found |= {"seed": seed, "seconds": seconds, "wall_s": round(time.monotonic() - began, 1)}
    console.out(json.dumps(found), highlight=False)
    return 0 if report.is_good(found) else 1


async def _replay(on: Stage) -> int:
    """Every consumer reads all it subscribes to once more; how many events came of it, which should be none."""
    before = await operations.all_standing(on.running)
    await asyncio.gather(*(operations.replay(on.running, one.service, topic) for one in before for topic in one.lag))
    await on.drain(120)
    after = await operations.all_standing(on.running)
    return sum(now.last_row - then.last_row for now, then in zip(after, before, strict=True))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--seconds", type=int, default=90, help="how long faults are made")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="the same seed draws the same faults")
    parser.add_argument("--cases-per-s", type=float, default=3.0, help="how many cases are opened meanwhile")
    parser.add_argument("--folder", type=Path, help="where the platform lives, kept for its logs; else a temporary one")
    given = parser.parse_args()
    console = Console()
    console.print(f"chaos: {given.seconds} s of faults, seed {given.seed}")
    code = 1
    try:
        code = asyncio.run(chaos(given.seconds, given.seed, given.cases_per_s, given.folder, console))
    except* StartFailed as failures:
        console.print(f"[bold red]It broke down.[/] {failures.exceptions[0]}", highlight=False)
    return code


if __name__ == "__main__":
    raise SystemExit(main())
