"""What a chaos run found: tables for people, one line of JSON for machines."""

from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from deploy.demo import show
from deploy.demo.drain import Left
from tests.chaos.nemesis import Fault
from tests.checker import diary

MUST_BE_ZERO = ("lost", "duplicated", "doors_disagree", "anomalies", "ledger_sum_cents", "stuck", "behind", "replay_changed", "server_errors")
RECOVERY_S = 60  # after the last fault all must have caught up


def faults(console: Console, made: list[Fault]) -> None:
    table = Table("at s", "fault", "of", "lasted s", "caught up after s", title=f"{len(made)} faults")
    for fault in made:
        table.add_row(f"{fault.at:.1f}", fault.kind, fault.target, f"{fault.lasted:.1f}", f"{fault.caught_up:.1f}")
    console.print(table)


def findings(console: Console, checked: dict[str, dict[str, Any]], left: Left) -> None:
    for when, verdict in checked.items():
        console.print(f"{when}: {len(verdict['findings'])} findings in {verdict['cases']} cases, {verdict['events']} events")
        show.findings(console, verdict["findings"])
    if left.stuck or not left.nothing:
        console.print(f"[red]left:[/] {left}")


def summary(
    made: list[Fault], checked: dict[str, dict[str, Any]], left: Left, replay_changed: int, written: Path, robots: dict[str, Any]
) -> dict[str, Any]:
    """The worse of both checks."""
    worst = {name: max((verdict[name] for verdict in checked.values()), key=abs) for name in MUST_BE_ZERO[:6]}
    entries = diary.read(written)
    outcomes = Counter(command.outcome for command in diary.commands(entries))
    last = list(checked.values())[-1]
    return {
        "commands": {outcome: outcomes[outcome] for outcome in ("ok", "fail", "info")},
        "unanswered_tries": sum(entry.outcome == "info" for entry in entries),
        "faults": dict(Counter(fault.kind for fault in made)),
        "cases": last["cases"],
        "events": last["events"],
        **worst,
        "stuck": max(worst["stuck"], left.stuck, len(robots["not_final"])),
        "behind": left.unpublished + left.lag + left.open_cases,
        "replay_changed": replay_changed,
        "server_errors": sum(entry.status == 500 for entry in entries),
        "takeover_s": _longest(made, "worker killed"),
        "resume_s": _longest(made, "broker killed"),
        "recovered_s": round(_recovered(made), 1),
    }


def is_good(found: dict[str, Any]) -> bool:
    return not any(found[name] for name in MUST_BE_ZERO) and found["recovered_s"] <= RECOVERY_S


def _longest(made: list[Fault], kind: str) -> float:
    return round(max((fault.caught_up for fault in made if fault.kind == kind), default=0.0), 1)


def _recovered(made: list[Fault]) -> float:
    """From the end of the last fault until all had caught up."""
    ends = [fault.at + fault.lasted for fault in made]
    return max((end + fault.caught_up for end, fault in zip(ends, made, strict=True)), default=0.0) - max(ends, default=0.0)
