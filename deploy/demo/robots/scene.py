"""What the robots know of the play: the cases under way, the story of each need, and how long things took to be seen."""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import datetime

from deploy.demo.robots.client import Client
from deploy.demo.robots.config import Caller
from deploy.demo.robots.stories import Story


@dataclass(slots=True, eq=False)
class Need:
    """`number` is what providers know it by: 482019312-1."""

    id: str
    number: str
    service: str
    quantity: str
    start: datetime
    end: datetime
    story: Story
    case: "Case"
    offers: int = 0
    visits: int = 0
    in_hand: bool = False  # a person has taken it up: from here everybody accepts


@dataclass(slots=True, eq=False)
class Case:
    """`opener` may cancel and amend; `principal` sees it at its own door. `position`: of its opening in the log."""

    id: str
    number: str
    caller: Caller
    opener: Client
    principal: Client
    opened_at: float
    position: str | None
    needs: list[Need] = field(default_factory=list)
    final: bool = False
    place_given_back: bool = False


class Scene:
    def __init__(self, at_once: int, per_s: float = 0) -> None:
        """So many cases under way at once, and opened per second; 0: no limit."""
        self.cases: dict[str, Case] = {}
        self.needs: dict[str, Need] = {}  # by id
        self.in_flight_max = 0
        self.final = 0
        self.acts: dict[str, int] = {}  # what was done, and how often
        self.delays: dict[str, list[float]] = {}
        self._by_number: dict[str, Need] = {}
        self._known = asyncio.Event()
        self._room = asyncio.Semaphore(at_once)
        self._every_s = 1 / per_s if per_s else 0.0
        self._next_at = 0.0

    async def room(self) -> None:
        """Waits until one more case may be opened. `end` gives the place back, or `no_case` when none was made of it."""
        await self._room.acquire()
        now = time.monotonic()
        self._next_at = max(now, self._next_at + self._every_s)
        await asyncio.sleep(self._next_at - now)

    def no_case(self) -> None:
        self._room.release()

    def opened(self, case: Case) -> None:
        self.cases[case.id] = case
        self.needs |= {need.id: need for need in case.needs}
        self._by_number |= {need.number: need for need in case.needs}
        self.in_flight_max = max(self.in_flight_max, self.in_flight)
        self._known.set()
        self._known = asyncio.Event()

    def end(self, case: Case) -> None:
        case.final = True
        self.final += 1
        if not case.place_given_back:
            case.place_given_back = True
            self._room.release()

    def revive(self, case: Case) -> None:
        self.final -= case.final
        case.final = False

    @property
    def in_flight(self) -> int:
        return len(self.cases) - self.final

    def under_way(self) -> list[Case]:
        return [case for case in self.cases.values() if not case.final]

    async def need(self, number: str, patience: float = 10) -> Need | None:
        """An offer may be faster than the answer to the command that led to it."""
        try:
            async with asyncio.timeout(patience):
                while number not in self._by_number:
                    await self._known.wait()
        except TimeoutError:
            return None
        return self._by_number[number]

    def did(self, act: str) -> None:
        self.acts[act] = self.acts.get(act, 0) + 1

    def seen(self, what: str, since: float) -> None:
        """A sample: from the moment a command was sent until it was seen at another door."""
        self.delays.setdefault(what, []).append(time.monotonic() - since)
