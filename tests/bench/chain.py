"""A whole case through all services: intake → reference → dispatch → (a provider accepts) → tracking → (the visit) → billing, and
the charge in tracking's view of the case. Every process of the platform runs as `make demo` runs it; robots answer at once.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from statistics import median, quantiles

import asyncpg
import psutil

from deploy import operations
from deploy.platform import Platform, connections
from deploy.running import Running
from tests.bench import robots, world
from tests.bench.robots import Robots

WARM_UP = 50
QUIET_DEADLINE_S = 60

# From the start of the transaction that emits to the start of the one that answers; the last to its commit, when every door shows it.
HOPS = (
    ("intake → reference", "need_added", "coverage_granted"),
    ("reference → dispatch", "coverage_granted", "mission_offered"),
    ("dispatch → tracking", "mission_accepted", "visit_scheduled"),
    ("tracking → billing", "prestation_completed", "charge_recorded"),
    ("billing → the case view", "charge_recorded", "shown"),
)
TIMES = """
select max(at) filter (where type = 'intake.need_added.v1') as need_added,
       max(at) filter (where type = 'reference.coverage_granted.v1') as coverage_granted,
       max(at) filter (where type = 'dispatch.mission_offered.v1') as mission_offered,
       max(at) filter (where type = 'dispatch.mission_accepted.v1') as mission_accepted,
       max(at) filter (where type = 'tracking.visit_scheduled.v1') as visit_scheduled,
       max(at) filter (where type = 'tracking.prestation_completed.v1') as prestation_completed,
       max(at) filter (where type = 'billing.charge_recorded.v1') as charge_recorded,
       max(pg_xact_commit_timestamp(xmin)) filter (where type = 'billing.charge_recorded.v1') as shown
from view.timeline where case_id = any($1::uuid[]) group by case_id
"""


@dataclass(frozen=True)
class Passage:
    """One case's delay in each hop, in ms."""

    hops: tuple[float, ...]

    @property
    def total(self) -> float:
        return sum(self.hops)


@dataclass
class Chain:
    """`passages`: of all the light runs so far."""

    platform: Platform
    robots: Robots
    calls: Iterator[bytes]
    passages: list[Passage] = field(default_factory=list)

    async def drain(self, n: int) -> float:
        """Cases per second, from the first opening to the last charge; all are opened as fast as intake takes them."""
        bodies = self._take(n)
        began = time.perf_counter()
        cases = await asyncio.gather(*map(self.robots.open_case, bodies))
        await self.robots.until_charged(cases)
        took = time.perf_counter() - began
        await self.until_quiet()
        return n / took

    async def light(self, rate: float, n: int) -> float:
        """p50 in ms of the sum of a case's five hops, the robots' own time left out, at `rate` cases per second."""
        cases = await self._flow(rate, n)
        await self.until_quiet()
        passages = await self._passages(cases)
        self.passages += passages
        return median(passage.total for passage in passages)

    async def cpu(self, rate: float, n: int) -> float:
        """CPU ms per case of all the platform's processes, its PostgreSQL and its broker; not of the robots."""
        before = cpu_s(self.platform)
        await self._flow(rate, n)
        used = cpu_s(self.platform) - before
        await self.until_quiet()
        return used / n * 1000

    async def until_quiet(self) -> None:
        """Everything is sent and read: the next figure starts alone."""
        stack = self.platform.stack
        running = Running(self.platform.url, stack.folder, **connections(stack))  # type: ignore[arg-type]  # as its note holds them
        async with asyncio.timeout(QUIET_DEADLINE_S):
            while any(one.unpublished or any(one.lag.values()) for one in await operations.all_standing(running)):  # noqa: ASYNC110  # other processes do it
                await asyncio.sleep(0.2)

    async def _flow(self, rate: float, n: int) -> list[str]:
        began = time.perf_counter()
        opening = []
        for i, body in enumerate(self._take(n)):
            await asyncio.sleep(began + i / rate - time.perf_counter())
            opening.append(asyncio.create_task(self.robots.open_case(body)))
        cases = await asyncio.gather(*opening)
        await self.robots.until_charged(cases)
        return cases

    async def _passages(self, cases: Sequence[str]) -> list[Passage]:
        db = await asyncpg.connect(self.platform.stack.environment("tracking")["ENTRAIDE_DATABASE_URL"])
        rows = await db.fetch(TIMES, cases)
        await db.close()
        assert len(rows) == len(cases), "a case is not in the view"
        return [Passage(tuple((row[end] - row[start]).total_seconds() * 1000 for _, start, end in HOPS)) for row in rows]

    def _take(self, n: int) -> list[bytes]:
        bodies = list(islice(self.calls, n))
        assert len(bodies) == n, "more cases than members: load more members"
        return bodies


@asynccontextmanager
async def up(platform: Platform, members: int) -> AsyncIterator[Chain]:
    """On engines that are up; everything has been used once when it is entered."""
    calls = await world.seeded(platform, members)
    await platform.start()
    async with robots.at_work(platform) as working:
        chain = Chain(platform, working, calls)
        await chain.until_quiet()
        await chain.drain(WARM_UP)
        yield chain


def cpu_s(platform: Platform) -> float:
    """Of whole process trees, those that have ended included."""
    engines = (engine.process.pid for engine in (platform.stack.postgres, platform.stack.kafka) if engine)
    total = 0.0
    for pid in (*(process.pid for process in platform.processes), *engines):
        root = psutil.Process(pid)
        for member in (root, *root.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                total += sum(member.cpu_times()[:4])  # user, system, and both of its children that have ended
    return total


def explained(passages: Sequence[Passage]) -> str:
    """Where the slowest cases lost their time, in a sentence."""
    totals = [passage.total for passage in passages]
    usual = [median(passage.hops[i] for passage in passages) for i in range(len(HOPS))]
    slowest = sorted(passages, key=lambda passage: passage.total)[-max(3, math.ceil(len(passages) / 50)) :]
    lost = Counter[str]()
    alone = 0
    for passage in slowest:
        over = [hop - common for hop, common in zip(passage.hops, usual, strict=True)]
        worst = max(range(len(HOPS)), key=over.__getitem__)
        lost[HOPS[worst][0]] += 1
        alone += over[worst] > 0.7 * sum(over)
    p99 = quantiles(totals, n=100)[98]
    places = ", ".join(f"{hop} ({times})" for hop, times in lost.most_common())
    hops = ", ".join(f"{name} {common:.1f}" for (name, *_), common in zip(HOPS, usual, strict=True))
    return (
        f"chain_light p99 is {p99:.0f} ms against a p50 of {median(totals):.0f} ms (usual hops in ms: {hops}): of the {len(slowest)} slowest of "
        f"{len(passages)} cases, {alone} lost nearly all of the difference in a single hop, most of it in {places}."
    )
