"""Yardstick `bare_lookup`: a GET at a bare FastAPI app that answers with nothing, plus the bare query by the index, asked for by asyncpg."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

PATH = "/empty"


@asynccontextmanager
async def serving() -> AsyncIterator[int]:
    """The port of the app, in a process of its own."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.bench.bare_lookup", stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield int(await asyncio.wait_for(process.stdout.readline(), 60))
    finally:
        process.terminate()
        await process.wait()


def main() -> None:
    api = FastAPI()

    @api.get(PATH)
    async def empty() -> dict[str, str]:
        return {}

    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(api, loop="uvloop", http="httptools", access_log=False, log_level="warning")).run(sockets=[listening])


if __name__ == "__main__":
    main()
