"""`entraide demo`: brings the platform up, lets robots play cases through every door, and checks what came of them."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, TaskID

from deploy.demo import briefing, children, data, seed, show, tally
from deploy.demo.drain import Left, drain
from deploy.demo.seed import Seeded
from deploy.demo.tally import Tally
from deploy.platform import Platform, connections
from deploy.running import Running

SEED = 1
MUST_BE_ZERO = ("anomalies", "stuck", "lost", "duplicated", "doors_disagree", "ledger_sum_cents")


@dataclass(slots=True)
class Played:
    """`checked` is the checker's last line; `invoices` those issued."""

    robots: dict[str, Any]
    invoices: list[dict[str, Any]]
    checked: dict[str, Any]
    left: Left
    tally: Tally
    setup_s: float
    wall_s: float = 0.0
    samples: dict[str, list[float]] = field(default_factory=dict)


async def play(cases: int, once: bool, console: Console, folder: Path | None = None) -> int:
    """The exit code: 1 when something is wrong or a need has not come to its end. Raises `StartFailed`."""
    began = time.monotonic()
    with show.progress(console) as progress:
        step = progress.add_task("starting", total=None)
        world = asyncio.create_task(asyncio.to_thread(data.make, SEED, date.today()))
        platform = await Platform.prepare(folder, lambda words: progress.update(step, description=words))
        try:
            progress.update(step, description="loading members, contracts, providers and accounts")
            seeded = await seed.seed(platform, await world, seed.choose_callers(await world, SEED, cases))
            await platform.start(briefing.SETTINGS, lambda words: progress.update(step, description=words))
            progress.update(step, description="the platform is up", total=1, completed=1)
            played = await _act(platform, seeded, cases, progress, time.monotonic() - began)
            played.wall_s = time.monotonic() - began
            progress.stop()
            _tell(console, played)
            summary = _summary(played)
            if not once:
                show.sign_ins(console, platform.url, seeded.people)
                await asyncio.Event().wait()
        finally:
            progress.stop()
            await platform.down()
    console.out(json.dumps(summary), highlight=False)
    return 0 if _is_good(summary) else 1


async def _act(platform: Platform, seeded: Seeded, cases: int, progress: Progress, setup_s: float) -> Played:
    told = briefing.write(platform, seeded, SEED, cases)
    running = Running(platform.url, platform.stack.folder, **connections(platform.stack))  # type: ignore[arg-type]  # as its note holds them
    log = platform.stack.folder / "logs" / "robots.log"
    opened = progress.add_task("cases opened", total=cases)
    final = progress.add_task("cases at their end", total=cases)
    robots = await children.run("deploy.demo.robots", "play", str(told.robots), log=log, heard=_moving(progress, opened, final))
    step = progress.add_task("waiting until nothing is under way", total=3)
    await drain(running)
    progress.update(step, advance=1, description="invoicing the month")
    invoices = await children.run("deploy.demo.robots", "invoice", str(told.robots), log=log)
    left = await drain(running)
    progress.update(step, advance=1, description="checking every case at five doors")
    checked = await children.run("tests.checker", str(told.checker), log=platform.stack.folder / "logs" / "checker.log", codes=(0, 1))
    folded = await asyncio.to_thread(tally.take, platform.stack.broker)
    progress.update(step, advance=1, description="checked")
    return Played(robots["result"], invoices["result"], checked, left, folded, setup_s, samples=robots["result"]["delays_ms"])


def _moving(progress: Progress, opened: TaskID, final: TaskID) -> Any:
    def heard(line: dict[str, Any]) -> None:
        if "opened" in line:
            progress.update(opened, completed=line["opened"], description=f"cases opened, {line['in_flight']} under way")
            progress.update(final, completed=line["final"])

    return heard


def _tell(console: Console, played: Played) -> None:
    show.outcomes(console, played.tally)
    show.delays(console, played.samples, played.tally.crossings)
    show.findings(console, [*played.checked.get("findings", []), *played.tally.anomalies])
    if played.left.stuck or not played.left.nothing:
        console.print(f"[red]left:[/] {played.left}")
    if played.robots["not_final"]:
        console.print(f"[red]not at their end:[/] {', '.join(played.robots['not_final'][:20])}", highlight=False)


def _summary(played: Played) -> dict[str, Any]:
    """Outcomes count needs and add up to `needs` when every need is final."""
    folded, checked = played.tally, played.checked
    samples = [delay for of in played.samples.values() for delay in of]
    return {
        "cases": folded.cases,
        "needs": folded.needs,
        **{outcome: count for outcome, count in folded.outcomes.items() if outcome != "open"},
        "declined_then_accepted": folded.declined_then_accepted,
        "in_flight_max": played.robots["in_flight_max"],
        "crossings": sum(folded.crossings.values()),
        "billed": folded.billed,
        "invoiced": folded.invoiced,
        "invoiced_cents": sum(invoice["gross_cents"] for invoice in played.invoices),
        "payable_cents": folded.payable_cents,
        "ledger_sum_cents": checked["ledger_sum_cents"],
        "events": folded.events,
        "anomalies": max(checked["anomalies"], len(folded.anomalies)),
        "stuck": played.left.stuck,
        "lost": checked["lost"],
        "duplicated": checked["duplicated"],
        "doors_disagree": checked["doors_disagree"],
        "p50_ms": round(show.percentile(samples, 50), 1),
        "p99_ms": round(show.percentile(samples, 99), 1),
        "setup_s": round(played.setup_s, 1),
        "wall_s": round(played.wall_s, 1),
    }


def _is_good(summary: dict[str, Any]) -> bool:
    final = sum(summary[outcome] for outcome in tally.OUTCOMES if outcome != "open")
    return final == summary["needs"] and not any(summary[name] for name in MUST_BE_ZERO)
