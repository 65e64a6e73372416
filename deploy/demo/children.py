"""Processes of the demo beside the platform's own: robots and checker. Each says what it has to say in lines of JSON."""

import asyncio
import json
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from deploy.embedded.process import StartFailed, privileges, tail
from deploy.supervisor import ROOT


async def run(
    module: str, *arguments: str, log: Path, heard: Callable[[dict[str, Any]], None] = lambda _: None, codes: tuple[int, ...] = (0,)
) -> Any:
    """`python -m module`; returns its last line. Raises `StartFailed` with its last words when it ends in another way than by `codes`."""
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *privileges(die_with_parent=signal.SIGKILL),
            *(sys.executable, "-m", module, *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            cwd=ROOT,
            start_new_session=True,
            limit=64 * 1024 * 1024,  # of one line
        )
    last: Any = None
    try:
        assert process.stdout is not None
        async for line in process.stdout:
            last = _json(line) or last
            if isinstance(last, dict):
                heard(last)
        code = await process.wait()
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    if code not in codes or last is None:
        raise StartFailed(f"{module} ended with {code}. Its last words:\n{tail(log)}")
    return last


def _json(line: bytes) -> Any:
    """None for a line that is not JSON."""
    try:
        return json.loads(line)
    except ValueError:
        return None
