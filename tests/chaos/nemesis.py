"""Breaks a running platform, every few seconds in another way, the same way for the same seed; leaves it whole."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from signal import SIGCONT, SIGKILL, SIGQUIT, SIGSTOP

from deploy.platform import Platform
from deploy.supervisor import Process
from tests.chaos.recovery import Recovery

EVERY_S = (5, 15)
AT_ONCE = (0, 1, 1, 1, 2, 2)  # drawn for each turn; none is a fault too
STOPPED_S = (3, 8)
DOWN_S = (0, 3)  # before an engine is started again
ENGINE_REST_S = 60  # from one crash of an engine to its next
DECK = ("web killed", "worker killed", "worker stopped") * 3 + ("broker killed", "database killed")


@dataclass(frozen=True, slots=True)
class Fault:
    """`at`: seconds after the beginning; `lasted`: until what was broken was started again."""

    at: float
    kind: str
    target: str
    lasted: float


@dataclass
class Nemesis:
    platform: Platform
    random: Random
    recovery: Recovery
    tell: Callable[[str], None]
    faults: list[Fault] = field(default_factory=list)
    _deck: list[str] = field(default_factory=list)
    _broken: set[str] = field(default_factory=set)
    _engine_again_at: Counter[str] = field(default_factory=Counter)
    _began: float = field(default_factory=time.monotonic)

    async def run(self, seconds: float) -> None:
        """Returns once everything has been started again. Raises `StartFailed` when an engine does not come back."""
        end = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            while True:
                await asyncio.sleep(min(self.random.uniform(*EVERY_S), max(0, end - time.monotonic())))
                if time.monotonic() >= end:
                    return
                for _ in range(self.random.choice(AT_ONCE)):
                    group.create_task(self._fault(self._draw()))

    def _draw(self) -> str:
        """Every kind comes before any comes more often than its share."""
        while True:
            if not self._deck:
                self._deck = self.random.sample(DECK, len(DECK))
            kind = self._deck.pop()
            if time.monotonic() >= self._engine_again_at[kind]:
                return kind

    async def _fault(self, kind: str) -> None:
        match kind:
            case "web killed":
                await self._at(kind, self._one("-web"), self._kill)
            case "worker killed":
                await self._at(kind, self._one("-worker"), self._kill_worker)
            case "worker stopped":
                await self._at(kind, self._one("-worker"), self._stop)
            case "broker killed":
                await self._engine(kind, "kafka", self._kill_broker)
            case _:
                await self._engine(kind, "postgres", self._kill_database)

    async def _engine(self, kind: str, name: str, act: Callable[[], Awaitable[None]]) -> None:
        self._engine_again_at[kind] = int(time.monotonic()) + ENGINE_REST_S
        began = self._begins(kind, name)
        await act()
        self._ended(kind, name, began)

    async def _at(self, kind: str, process: Process, act: Callable[[Process], Awaitable[None]]) -> None:
        self._broken.add(process.name)
        began = self._begins(kind, process.name)
        try:
            await act(process)
        finally:
            self._broken.discard(process.name)
        self._ended(kind, process.name, began)

    async def _kill(self, process: Process) -> None:
        process.send(SIGKILL)

    async def _kill_worker(self, process: Process) -> None:
        async with self.recovery.takeover(process):
            process.send(SIGKILL)

    async def _stop(self, process: Process) -> None:
        seconds = self.random.uniform(*STOPPED_S)
        if process.send(SIGSTOP):
            try:
                await asyncio.sleep(seconds)
            finally:
                process.send(SIGCONT)

    async def _kill_broker(self) -> None:
        kafka = self.platform.stack.kafka
        assert kafka is not None
        kafka.kill9()
        await asyncio.sleep(self.random.uniform(*DOWN_S))
        await kafka.restart()
        await self.recovery.resumed()

    async def _kill_database(self) -> None:
        """SIGKILL of all its processes, or its own immediate shutdown: neither flushes anything."""
        postgres = self.platform.stack.postgres
        assert postgres is not None
        if self.random.random() < 0.5:
            postgres.kill9()
        else:
            postgres.process.send_signal(SIGQUIT)
        await asyncio.sleep(self.random.uniform(*DOWN_S))
        await postgres.restart()

    def _one(self, sort: str) -> Process:
        """Web or worker of any service; none that is being dealt with already."""
        return self.random.choice([one for one in self.platform.processes if sort in one.name and one.name not in self._broken])

    def _begins(self, kind: str, target: str) -> float:
        at = time.monotonic() - self._began
        self.tell(f"{at:6.1f} s  {kind}: {target}")
        return at

    def _ended(self, kind: str, target: str, began: float) -> None:
        self.faults.append(Fault(round(began, 1), kind, target, round(time.monotonic() - self._began - began, 1)))
