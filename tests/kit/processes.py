"""Processes of a service that a test stops and kills."""

import asyncio
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.kit.harness import ROOT, Service, numbers


@dataclass
class Process:
    """A process of a service, armed or not with a failpoint."""

    process: asyncio.subprocess.Process
    marker: Path
    failpoint: str

    @classmethod
    async def start(cls, service: Service, role: str, folder: Path, failpoint: str = "", skip: int = 0) -> "Process":
        marker = folder / f"{role}-{failpoint or 'plain'}-{next(numbers)}"
        armed = {"ENTRAIDE_FAILPOINT": failpoint, "ENTRAIDE_FAILPOINT_FILE": str(marker), "ENTRAIDE_FAILPOINT_SKIP": str(skip)} if failpoint else {}
        process = await asyncio.create_subprocess_exec(*_program(role, service), cwd=ROOT, env=os.environ | service.environment | armed)
        return cls(process, marker, failpoint)

    @staticmethod
    async def told(service: Service, role: str) -> tuple[int, str]:
        """The return code and last words of a process that ends by itself."""
        process = await asyncio.create_subprocess_exec(
            *_program(role, service), cwd=ROOT, env=os.environ | service.environment, stderr=asyncio.subprocess.PIPE
        )
        _, said = await asyncio.wait_for(process.communicate(), 60)
        return await process.wait(), said.decode()

    def reached(self) -> bool:
        """True when it has written its marker, which it does as the last thing before it stops itself."""
        return self.marker.exists() and self.marker.read_text() == self.failpoint

    def stopped(self) -> bool:
        return psutil.Process(self.process.pid).status() == psutil.STATUS_STOPPED

    async def kill9(self) -> int:
        """Its return code, -9 when this signal ended it."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
        return await self.process.wait()


def _program(role: str, service: Service) -> list[str]:
    return [sys.executable, "-m", "tests.kit.process", role, service.name]
