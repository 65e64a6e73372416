"""One pair of engines for the whole run: PostgreSQL and Kafka, real, started once; in containers where a Docker engine answers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from deploy.stack import Stack
from tests import containers


@pytest.fixture(scope="session")
async def stack() -> AsyncIterator[Stack]:
    async with AsyncExitStack() as undo:
        existing = await undo.enter_async_context(containers.engines()) if containers.wanted() else {}
        with pytest.MonkeyPatch.context() as environment:  # only here: suites that stop their engines start their own
            for name, value in existing.items():
                environment.setenv(name, value)
            stack = await Stack.up()
        yield stack
        await stack.down()


async def eventually(check: Callable[[], Any], seconds: float = 15, every: float = 0.05) -> Any:
    """Waits until `check`, a function or coroutine function, returns something true; fails with its last answer."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        answer = check()
        if asyncio.iscoroutine(answer):
            answer = await answer
        if answer:
            return answer
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"not within {seconds} s, last answer: {answer!r}")
        await asyncio.sleep(every)
