"""One client that asks in turn over one connection, and how long each answer took. For latencies, where `load` is for throughput."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import quantiles
from typing import Any
from urllib.parse import quote

from tests.bench.load import Connection


@dataclass(frozen=True)
class Took:
    """In ms."""

    p50: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Took":
        cuts = quantiles([one * 1000 for one in seconds], n=100, method="inclusive")
        return cls(cuts[49], cuts[98])


@dataclass(frozen=True)
class Asker:
    """Requests of one caller to one port."""

    connection: Connection
    host: str
    token: str = ""

    async def get(self, path: str, **query: str) -> Any:
        return await self._answer(
            self._head("GET", path + ("?" if query else "") + "&".join(f"{name}={quote(value)}" for name, value in query.items()))
        )

    async def post(self, path: str, body: Any) -> Any:
        data = json.dumps(body).encode()
        return await self._answer(self._head("POST", path, f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n") + data)

    def _head(self, method: str, target: str, more: str = "") -> bytes:
        token = f"Authorization: Bearer {self.token}\r\n" if self.token else ""
        return f"{method} {target} HTTP/1.1\r\nHost: {self.host}\r\n{token}{more}\r\n".encode()

    async def _answer(self, asked: bytes) -> Any:
        """Raises RuntimeError with the answer's text when it is not 2xx."""
        reader, writer = self.connection
        writer.write(asked)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        _, found, length = head.partition(b"content-length:")
        text = await reader.readexactly(int(length.split(b"\r\n", 1)[0])) if found else b""
        if head[9:10] != b"2":
            raise RuntimeError((head + text).decode())
        return json.loads(text) if text else None


@asynccontextmanager
async def asking(port: int, token: str = "") -> AsyncIterator[Asker]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Asker((reader, writer), f"127.0.0.1:{port}", token)
    finally:
        writer.close()


async def timed(calls: Iterable[Any], rate: float | None = None) -> list[float]:
    """Seconds of each call (a function that gives an awaitable), one after the other; at `rate` a second, from when it was due."""
    took = []
    began = time.perf_counter()
    for number, call in enumerate(calls):
        due = time.perf_counter()
        if rate:
            due = began + number / rate
            await asyncio.sleep(due - time.perf_counter())
        await call()
        took.append(time.perf_counter() - due)
    return took
