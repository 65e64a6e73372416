"""`make bench`: every figure of the platform against its yardstick, in one run of twelve minutes on two quiet cores.

Two sets of engines. On the first, the hop and the API, each beside its yardsticks; it stays up, idle, for `hop_light` to stand next to
`chain_light`. On the second the whole platform, for what a whole case costs; `commits` is measured in its own PostgreSQL.
Ends with a non-zero status when a figure misses its must.
"""

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

import uvloop
from rich.console import Console

from deploy.platform import Platform
from deploy.stack import Stack
from tests.bench import api, bare_post, chain, commits, faststream_batch, faststream_outbox, hop_product, raw
from tests.bench.chain import Chain
from tests.bench.engines import PARTITIONS, Engines
from tests.bench.frame import Line, Run, alternate, compared, report
from tests.bench.load import load
from tests.bench.yardsticks import engines_of

LIGHT_RATE = 5  # cases/s of chain_light
CPU_RATES = (3, 10)
LASTING = "-XX:+UseSerialGC"  # a broker that has been up for days is compiled to the end; the embedded one's own options are for minutes

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Sizes:
    """`short_rounds`: of what takes seconds, and scatters more. `slow_drain`: of a yardstick slower than 1,000/s. `cpu_s`: seconds at each rate."""

    rounds: int = 3
    short_rounds: int = 7
    drain: int = 20_000
    slow_drain: int = 2_000
    light: int = 100
    cases: int = 1_000
    light_cases: int = 60
    cpu_s: int = 12

    @property
    def members(self) -> int:
        """Enough for each to call once: about one in six has nothing covered there."""
        cases = chain.WARM_UP + self.rounds * self.cases + self.short_rounds * self.light_cases + self.cpu_s * sum(CPU_RATES)
        return cases * 3 // 2


QUICK = Sizes(rounds=1, short_rounds=1, drain=2_000, slow_drain=200, light=60, cases=200, light_cases=30, cpu_s=5)


async def hop_lines(stack: Stack, engines: Engines, sizes: Sizes, tell: Tell) -> list[Line]:
    drained = await alternate(
        {
            "hop_drain": told(tell, "hop_drain", lambda: hop_product.drain(stack, sizes.drain)),
            "raw": told(tell, "raw", lambda: raw.drain(engines, sizes.drain)),
            "faststream_batch": told(tell, "faststream_batch", lambda: faststream_batch.drain(engines, sizes.drain)),
            "faststream_outbox": told(tell, "faststream_outbox", lambda: faststream_outbox.drain(engines, sizes.slow_drain)),
        },
        sizes.short_rounds,
        unmeasured=1,
    )

    async def light() -> float:
        return (await hop_product.light(stack, n=sizes.light)).p50_ms

    async def light_faststream() -> float:
        return (await faststream_outbox.light(engines, n=sizes.light)).p50_ms

    lights = {"hop_light": told(tell, "hop_light", light), "faststream_outbox": told(tell, "faststream_outbox, light", light_faststream)}
    waited = await alternate(lights, sizes.short_rounds, unmeasured=1)
    drains = [line("hop_drain", "events/s", yardstick, drained) for yardstick in ("raw", "faststream_batch", "faststream_outbox")]
    return [*drains, line("hop_light", "ms", "faststream_outbox", waited)]


async def api_line(stack: Stack, engines: Engines, sizes: Sizes, tell: Tell) -> Line:
    async with api.web(stack) as asked:

        async def ours() -> float:
            return (await load(asked)).per_s

        async def bare() -> float:
            return (await bare_post.rate(engines)).per_s

        posts = {"api_open_case": told(tell, "api_open_case", ours), "bare_post": told(tell, "bare_post", bare)}
        return line("api_open_case", "requests/s", "bare_post", await alternate(posts, sizes.short_rounds))


async def chain_lines(cases: Chain, beside: Stack, sizes: Sizes, tell: Tell) -> list[Line]:
    engines = await engines_of(cases.platform.stack)
    drains = {
        "chain_drain": told(tell, "chain_drain", lambda: cases.drain(sizes.cases)),
        "commits": told(tell, "commits", lambda: commits.rate(engines)),
    }
    drained = await alternate(drains, sizes.rounds)

    async def hop_light() -> float:
        return (await hop_product.light(beside, n=sizes.light)).p50_ms

    lights = {
        "chain_light": told(tell, "chain_light", lambda: cases.light(LIGHT_RATE, sizes.light_cases)),
        "hop_light": told(tell, "hop_light", hop_light),
    }
    waited = await alternate(lights, sizes.short_rounds)
    return [line("chain_drain", "cases/s", "commits", drained), line("chain_light", "ms", "hop_light", waited)]


async def cpu_lines(cases: Chain, sizes: Sizes, tell: Tell) -> list[Line]:
    lines = []
    for rate in CPU_RATES:
        tell(f"cpu_per_case at {rate} cases/s")
        lines.append(Line("cpu_per_case", await cases.cpu(rate, rate * sizes.cpu_s), f"ms_at_{rate}_cases/s"))
    return lines


def line(name: str, unit: str, yardstick: str, figures: dict[str, list[float]]) -> Line:
    found = compared(figures[name], figures[yardstick])
    return Line(name, found.value, unit, yardstick, found.ratio)


def told(tell: Tell, what: str, run: Run) -> Run:
    async def telling() -> float:
        tell(what)
        return await run()

    return telling


async def measure(sizes: Sizes, console: Console) -> int:
    with Console(stderr=True).status("starting PostgreSQL and Kafka") as status:
        first = await Stack.up(services=("intake", hop_product.EMITTER, hop_product.CONSUMER), partitions=PARTITIONS)
        try:
            engines = await engines_of(first)
            lines = await hop_lines(first, engines, sizes, status.update)
            posts = await api_line(first, engines, sizes, status.update)
            platform = await Platform.prepare(progress=status.update)
            try:
                status.update("loading members, contracts, providers and tariffs")
                async with chain.up(platform, sizes.members) as cases:
                    lines += [*await chain_lines(cases, first, sizes, status.update), posts, *await cpu_lines(cases, sizes, status.update)]
                    explanation = chain.explained(cases.passages)
            finally:
                await platform.down()
        finally:
            await first.down()
    console.print(explanation, highlight=False)
    return report(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Every figure of the platform against its yardstick.")
    parser.add_argument("--quick", action="store_true", help="one small round of each: for development, the figures mean little")
    sizes = QUICK if parser.parse_args().quick else Sizes()
    os.environ.setdefault("KAFKA_JVM_PERFORMANCE_OPTS", LASTING)
    sys.exit(uvloop.run(measure(sizes, Console())))


if __name__ == "__main__":
    main()
