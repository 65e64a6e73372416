"""`entraide demo`: brings the platform up, lets robots play cases through every door, and checks what came of them."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from deploy.demo import show, stage, tally
from deploy.demo.briefing import Script
from deploy.demo.drain import Left
from deploy.demo.stage import Stage
from deploy.demo.tally import Tally

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
        async with stage.set_up(Script(cases), lambda words: progress.update(step, description=words), folder=folder) as on:
            progress.update(step, total=1, completed=1)
            played = await _act(on, cases, progress, time.monotonic() - began)
            played.wall_s = time.monotonic() - began
            progress.stop()
            _tell(console, played)
            summary = _summary(played)
            if not once:
                show.sign_ins(console, on.platform.url, on.people)
                await asyncio.Event().wait()
    console.out(json.dumps(summary), highlight=False)
    return 0 if _is_good(summary) else 1


async def _act(on: Stage, cases: int, progress: Progress, setup_s: float) -> Played:
    robots = await on.play(show.moving(progress, cases))
    step = progress.add_task("waiting until nothing is under way", total=3)
    await on.drain()
    progress.update(step, advance=1, description="invoicing the month")
    invoices = await on.invoice()
    left = await on.drain()
    progress.update(step, advance=1, description="checking every case at five doors")
    checked = await on.check()
    folded = await asyncio.to_thread(tally.take, on.platform.stack.broker)
    progress.update(step, advance=1, description="checked")
    return Played(robots, invoices, checked, left, folded, setup_s, samples=robots["delays_ms"])


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
