"""Keeps the platform's processes running: starts them, writes their output to files, starts one again when it ends."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from deploy.embedded.process import privileges

PATIENCE_S = 8
ROOT = Path(__file__).parent.parent


def listening_socket() -> socket.socket:
    """On a free port of 127.0.0.1, kept open by us: a process that is started again listens at the same address."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", 0))
    made.listen(256)
    return made


@dataclass
class Process:
    """`python -m <module>` with these settings, until `stop`."""

    name: str
    module: str
    environment: Mapping[str, str]
    log: Path
    listens: socket.socket | None = None
    restarts: int = 0
    pid: int | None = None
    _process: asyncio.subprocess.Process | None = field(default=None, repr=False)
    _stopping: bool = False

    async def run(self) -> None:
        """Until `stop`; a process that ends by itself is started again, later each time."""
        wait = 0.3
        while not self._stopping:
            started = asyncio.get_running_loop().time()
            await self._start()
            assert self._process is not None
            await self._process.wait()
            if self._stopping:
                return
            self.restarts += 1
            if asyncio.get_running_loop().time() - started > 30:
                wait = 0.3
            await asyncio.sleep(wait)
            wait = min(wait * 2, 10)

    async def _start(self) -> None:
        environment = {**os.environ, **self.environment, "PYTHONPATH": str(ROOT)}
        descriptors: tuple[int, ...] = ()
        if self.listens:
            descriptors = (self.listens.fileno(),)
            environment["ENTRAIDE_HTTP_FD"] = str(self.listens.fileno())
        with self.log.open("ab") as out:
            self._process = await asyncio.create_subprocess_exec(
                *privileges(die_with_parent=signal.SIGKILL),
                sys.executable,
                "-m",
                self.module,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=environment,
                cwd=ROOT,
                pass_fds=descriptors,
                start_new_session=True,
            )
        self.pid = self._process.pid

    def send(self, number: signal.Signals) -> bool:
        """False when it is not running just now."""
        if self._process is None or self._process.returncode is not None:
            return False
        self._process.send_signal(number)
        return True

    async def stop(self) -> None:
        self._stopping = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
