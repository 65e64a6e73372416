"""How figures are compared, judged and printed. What each figure of `make bench` must reach stands in BOUNDS."""

import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import TextIO

from rich.console import Console
from rich.table import Table

Run = Callable[[], Awaitable[float]]


@dataclass(frozen=True)
class Line:
    name: str
    value: float
    unit: str
    yardstick: str | None = None
    ratio: float | None = None

    def __str__(self) -> str:
        """For example `hop_drain 7421 events/s vs raw 0.61`; without a yardstick `name value unit` alone."""
        against = "" if self.ratio is None else f" vs {self.yardstick} {three_digits(self.ratio)}"
        return f"{self.name} {three_digits(self.value)} {self.unit}{against}"


@dataclass(frozen=True)
class Bound:
    must: float
    aim: float
    lower_is_better: bool = False

    def met(self, ratio: float, limit: float) -> bool:
        return ratio <= limit if self.lower_is_better else ratio >= limit

    def verdict(self, ratio: float) -> str:
        if self.met(ratio, self.aim):
            return "[green]aim"
        return "[yellow]must" if self.met(ratio, self.must) else "[red]missed"

    def limit(self, value: float) -> str:
        return f"{'≤' if self.lower_is_better else '≥'} {value:g}"


BOUNDS: Mapping[tuple[str, str], Bound] = {
    ("hop_drain", "raw"): Bound(must=0.4, aim=0.8),
    ("hop_drain", "faststream_batch"): Bound(must=1, aim=2),
    ("hop_drain", "faststream_outbox"): Bound(must=30, aim=60),
    ("hop_light", "faststream_outbox"): Bound(must=0.8, aim=0.6, lower_is_better=True),
    ("chain_drain", "commits"): Bound(must=0.003, aim=0.01),
    ("chain_light", "hop_light"): Bound(must=10, aim=5, lower_is_better=True),
    ("api_open_case", "bare_post"): Bound(must=0.3, aim=0.6),
}


@dataclass(frozen=True)
class Compared:
    """Medians of both sides, and the median of the ratios of the runs that stood next to each other."""

    value: float
    yardstick: float
    ratio: float


def three_digits(value: float) -> str:
    """Integers as they are, smaller figures with three digits that count: 7421, 24.5, 0.61, 0.0034."""
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"


async def alternate(versions: Mapping[str, Run], rounds: int = 3, unmeasured: int = 0) -> dict[str, list[float]]:
    """Runs the versions in turn, A B C A B C …, so that a noisy minute falls on all of them.

    `unmeasured`: rounds before those that count, in which engines that have just started compile and fill their caches.
    """
    figures: dict[str, list[float]] = {name: [] for name in versions}
    for _ in range(unmeasured + rounds):
        for name, run in versions.items():
            figures[name].append(await run())
    return {name: found[unmeasured:] for name, found in figures.items()}


def compared(values: list[float], yardsticks: list[float]) -> Compared:
    ratios = [value / yardstick for value, yardstick in zip(values, yardsticks, strict=True)]
    return Compared(median(values), median(yardsticks), median(ratios))


async def compare(a: Run, b: Run, rounds: int = 3) -> Compared:
    """`a` against its yardstick `b`, alternating A B A B …"""
    figures = await alternate({"a": a, "b": b}, rounds)
    return compared(figures["a"], figures["b"])


def missed(lines: Iterable[Line], bounds: Mapping[tuple[str, str], Bound] = BOUNDS) -> list[str]:
    """What is below its must, and what has a must but no line."""
    found = {(line.name, line.yardstick): line.ratio for line in lines}
    wrong = []
    for (name, yardstick), bound in bounds.items():
        ratio = found.get((name, yardstick))
        if ratio is None:
            wrong.append(f"{name} vs {yardstick}: not measured, must be {bound.limit(bound.must)}")
        elif not bound.met(ratio, bound.must):
            wrong.append(f"{name} vs {yardstick}: {three_digits(ratio)}, must be {bound.limit(bound.must)}")
    return wrong


def table(lines: Iterable[Line], bounds: Mapping[tuple[str, str], Bound] = BOUNDS) -> Table:
    shown = Table("figure", "value", "unit", "yardstick", "ratio", "must", "aim", "")
    for line in lines:
        row = [line.name, three_digits(line.value), line.unit]
        bound = bounds.get((line.name, line.yardstick or ""))
        if line.ratio is not None:
            row += [line.yardstick or "", three_digits(line.ratio)]
        if line.ratio is not None and bound:
            row += [bound.limit(bound.must), bound.limit(bound.aim), bound.verdict(line.ratio)]
        shown.add_row(*row)
    return shown


def report(lines: list[Line], out: TextIO | None = None, bounds: Mapping[tuple[str, str], Bound] = BOUNDS) -> int:
    """Prints the table, what missed its must, and last one line per figure and yardstick. Returns the exit status."""
    out = out or sys.stdout
    Console(file=out, width=110).print(table(lines, bounds))
    wrong = missed(lines, bounds)
    for text in wrong:
        print(f"MISSED {text}", file=out)
    for line in lines:
        print(line, file=out)
    return 1 if wrong else 0
