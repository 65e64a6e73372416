"""The acts of a play, for whoever directs one: a loaded platform, the robots on it, the drain, the invoices, the checker."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from deploy.demo import briefing, children, data, drain, seed
from deploy.demo.accounts import People
from deploy.demo.briefing import Briefing, Script
from deploy.demo.drain import Left
from deploy.platform import Platform, connections
from deploy.running import Running


@dataclass(frozen=True, slots=True)
class Stage:
    platform: Platform
    running: Running
    people: People
    told: Briefing

    async def play(self, heard: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Until every case is over; what the robots say of it. Raises `StartFailed` when they break down."""
        played: dict[str, Any] = (await self._child("deploy.demo.robots", "play", str(self.told.robots), heard=heard))["result"]
        return played

    async def invoice(self) -> list[dict[str, Any]]:
        issued: list[dict[str, Any]] = (await self._child("deploy.demo.robots", "invoice", str(self.told.robots)))["result"]
        return issued

    async def drain(self, patience_s: float = 60) -> Left:
        return await drain.drain(self.running, patience_s)

    async def check(self) -> dict[str, Any]:
        """The checker's verdict."""
        verdict: dict[str, Any] = await self._child("tests.checker", str(self.told.checker), codes=(0, 1))
        return verdict

    async def _child(self, module: str, *arguments: str, **how: Any) -> Any:
        log = self.platform.stack.folder / "logs" / f"{module.rpartition('.')[2]}.log"
        return await children.run(module, *arguments, log=log, **how)


@contextlib.asynccontextmanager
async def set_up(script: Script, progress: Callable[[str], None], members: int = data.MEMBERS, folder: Path | None = None) -> AsyncIterator[Stage]:
    """A platform with the demo's world loaded, gone afterwards. Raises `StartFailed`."""
    making = asyncio.create_task(asyncio.to_thread(data.make, script.seed, date.today(), members))
    platform = await Platform.prepare(folder, progress)
    try:
        progress("loading members, contracts, providers and accounts")
        world = await making
        seeded = await seed.seed(platform, world, seed.choose_callers(world, script.seed, script.cases))
        await platform.start(briefing.SETTINGS, progress)
        progress("the platform is up")
        running = Running(platform.url, platform.stack.folder, **connections(platform.stack))  # type: ignore[arg-type]  # as its note holds them
        yield Stage(platform, running, seeded.people, briefing.write(platform, seeded, script))
    finally:
        await platform.down()
