"""Breaks a running platform, every few seconds in another way, the same way for the same seed; leaves it whole."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from random import Random
from signal import SIGCONT, SIGKILL, SIGQUIT, SIGSTOP
from typing import Literal

from deploy.running import Running
from deploy.stack import Stack
from deploy.supervisor import Process
from tests.chaos.recovery import caught_up

Kind = Literal["web killed", "worker killed", "worker stopped", "broker killed", "database killed"]

EVERY_S = (5, 15)
AT_ONCE = (0, 1, 1, 1, 2, 2)  # drawn for each turn; none is a turn too
STOPPED_S = (3, 8)
DOWN_S = (0, 3)  # before an engine is started again
ENGINE_REST_S = 60  # from one crash of an engine to its next
DECK: tuple[Kind, ...] = ("web killed", "worker killed", "worker stopped") * 2 + ("broker killed", "database killed")


@dataclass(slots=True)
class Fault:
    """`at`: seconds after the beginning; `lasted`: until what was broken ran again; `caught_up`: from then until nothing was behind."""

    at: float
    kind: Kind
    target: str
    lasted: float = 0.0
    caught_up: float = 0.0


class Nemesis:
    def __init__(self, stack: Stack, processes: list[Process], running: Running, random: Random, tell: Callable[[Fault], None]) -> None:
        self.faults: list[Fault] = []
        self._stack = stack
        self._processes = processes
        self._running = running
        self._random = random
        self._tell = tell
        self._deck: list[Kind] = []
        self._in_hand: set[str] = set()  # processes that are being dealt with
        self._engine_at: dict[Kind, float] = {}
        self._began = time.monotonic()

    async def run(self, seconds: float) -> None:
        """Returns when all is whole again and has caught up. Raises `StartFailed` when an engine does not come back."""
        async with asyncio.TaskGroup() as group:
            while self._now + (wait := self._random.uniform(*EVERY_S)) < seconds:
                await asyncio.sleep(wait)
                for _ in range(self._random.choice(AT_ONCE)):
                    group.create_task(self._make(self._draw()))

    @property
    def _now(self) -> float:
        return time.monotonic() - self._began

    def _draw(self) -> Kind:
        """From a deck, so that each kind has its turn."""
        while True:
            self._deck = self._deck or self._random.sample(DECK, len(DECK))
            kind = self._deck.pop()
            if self._now - self._engine_at.get(kind, -ENGINE_REST_S) >= ENGINE_REST_S:
                return kind

    async def _make(self, kind: Kind) -> None:
        match kind:
            case "web killed":
                await self._process(kind, "web", self._kill)
            case "worker killed":
                await self._process(kind, "worker", self._kill)
            case "worker stopped":
                await self._process(kind, "worker", self._stop)
            case "broker killed":
                await self._engine(kind, self._crash_broker)
            case "database killed":
                await self._engine(kind, self._crash_database)

    async def _process(self, kind: Kind, sort: str, act: Callable[[Process], Awaitable[None]]) -> None:
        target = self._random.choice([one for one in self._processes if f"-{sort}" in one.name and one.name not in self._in_hand])
        self._in_hand.add(target.name)
        fault = self._begin(kind, target.name)
        await act(target)
        self._in_hand.discard(target.name)
        await self._end(fault, [target.name.partition("-")[0]] if sort == "worker" else [])

    async def _engine(self, kind: Kind, act: Callable[[], Awaitable[None]]) -> None:
        self._engine_at[kind] = self._now
        fault = self._begin(kind, "")
        await act()
        await self._end(fault, self._running.databases)

    def _begin(self, kind: Kind, target: str) -> Fault:
        fault = Fault(self._now, kind, target)
        self.faults.append(fault)
        self._tell(fault)
        return fault

    async def _end(self, fault: Fault, services: Collection[str]) -> None:
        fault.lasted = self._now - fault.at
        fault.caught_up = await caught_up(self._running, services)

    async def _kill(self, process: Process) -> None:
        """Its supervisor starts it again."""
        process.send(SIGKILL)

    async def _stop(self, process: Process) -> None:
        """For longer than the lease of a relay, most times."""
        seconds = self._random.uniform(*STOPPED_S)
        if process.send(SIGSTOP):
            try:
                await asyncio.sleep(seconds)
            finally:
                process.send(SIGCONT)

    async def _crash_broker(self) -> None:
        assert self._stack.kafka is not None, "an existing broker is not ours to kill"
        self._stack.kafka.kill9()
        await asyncio.sleep(self._random.uniform(*DOWN_S))
        await self._stack.kafka.restart()

    async def _crash_database(self) -> None:
        """SIGKILL of all its processes, or its own immediate shutdown: neither flushes anything."""
        assert self._stack.postgres is not None, "an existing database is not ours to kill"
        if self._random.random() < 0.5:
            self._stack.postgres.kill9()
        else:
            self._stack.postgres.process.send_signal(SIGQUIT)
        await asyncio.sleep(self._random.uniform(*DOWN_S))
        await self._stack.postgres.restart()
