"""Connections to a service's web process: HTTP/1.1 in as little work as it takes, since every request of every robot passes here.

Measured against httpx on the same trivial upstream: README.md has the figures.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httptools

Headers = list[tuple[bytes, bytes]]

CONNECT_S = 2
IDLE_S = 4  # uvicorn closes what was idle for 5 s: never write into a connection that is being closed
IDLE_KEPT = 64
HIGH_WATER = 256 * 1024
WRITE_S = 10


class Unreachable(Exception):
    """The service refused the connection, closed it, or said nothing in time."""


class Connection(asyncio.Protocol):
    """One exchange at a time. What arrives waits here; beyond HIGH_WATER the service is asked to pause."""

    def __init__(self) -> None:
        self.lost = False
        self.idle_since = 0.0
        self._transport: asyncio.Transport
        self._woken: asyncio.Future[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self.begin(head_only=False)

    def begin(self, head_only: bool) -> None:
        """Ready for the next answer; `head_only`: it will have no body whatever its headers say."""
        self.status = 0
        self.headers: Headers = []
        self.complete = False
        self.spoiled = False  # not to be used again
        self._head_only = head_only
        self._until_eof = True
        self._chunks: deque[bytes] = deque()
        self._buffered = 0
        self._parser = httptools.HttpResponseParser(self)

    @property
    def reusable(self) -> bool:
        return self.complete and not self.spoiled and not self.lost

    async def write(self, data: bytes) -> None:
        """Waits while the service reads slower than we write. Raises `Unreachable` when it is gone or reads nothing."""
        if self.lost:
            raise Unreachable
        self._transport.write(data)
        if not self._writable.is_set():
            try:
                async with asyncio.timeout(WRITE_S):
                    await self._writable.wait()
            except TimeoutError:
                raise Unreachable from None

    async def head(self, seconds: float) -> None:
        """Until status and headers are there. Raises `Unreachable`."""
        try:
            async with asyncio.timeout(seconds):
                while not self.status:
                    await self._news()
        except TimeoutError:
            raise Unreachable from None

    async def read(self, seconds: float | None) -> bytes:
        """What has arrived of the body, empty at its end. Raises `Unreachable` when it breaks off or stalls."""
        if not self._chunks and not self.complete:
            try:
                async with asyncio.timeout(seconds):
                    while not self._chunks and not self.complete:
                        await self._news()
            except TimeoutError:
                raise Unreachable from None
        body = self._chunks.popleft() if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        if self._buffered > HIGH_WATER and not self.lost:
            self._transport.resume_reading()
        self._buffered = 0
        return body

    def end(self) -> None:
        """As if the body were at its end, which it need not be."""
        self.complete = self.spoiled = True
        self._wake()

    def close(self) -> None:
        self._transport.abort()

    async def _news(self) -> None:
        if self.lost:
            raise Unreachable
        self._woken = asyncio.get_running_loop().create_future()
        await self._woken

    def _wake(self) -> None:
        if self._woken and not self._woken.done():
            self._woken.set_result(None)

    # asyncio calls these

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's is an asyncio.Transport in all but its bases

    def data_received(self, data: bytes) -> None:
        if self.complete:  # nobody asked
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.abort()
            return
        self._wake()

    def connection_lost(self, _: Exception | None) -> None:
        self.lost = True
        if self.status and self._until_eof:
            self.complete = True
        self._writable.set()
        self._wake()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # the parser calls these

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name in (b"content-length", b"transfer-encoding"):
            self._until_eof = False
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:  # an interim answer: the real one follows
            self.headers = []
            return
        self.status = status
        self.spoiled = not self._parser.should_keep_alive()
        if self._head_only or status in (204, 304):
            self.complete = True

    def on_body(self, body: bytes) -> None:
        self._chunks.append(body)
        self._buffered += len(body)
        if self._buffered > HIGH_WATER:
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if self.status:
            self.complete = True


class Upstream:
    """The connections to one service. Those in use have no limit: streams hold theirs for long, and the service limits itself."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._idle: list[Connection] = []

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """One that waits, or a new one; kept afterwards if its exchange was completed. Raises `Unreachable`."""
        connection = self._waiting() or await self._connect()
        try:
            yield connection
        finally:
            if connection.reusable and len(self._idle) < IDLE_KEPT:
                connection.idle_since = asyncio.get_running_loop().time()
                self._idle.append(connection)
            else:
                connection.close()

    def _waiting(self) -> Connection | None:
        oldest = asyncio.get_running_loop().time() - IDLE_S
        while self._idle:
            connection = self._idle.pop()
            if not connection.lost and connection.idle_since > oldest:
                return connection
            connection.close()
        return None

    async def _connect(self) -> Connection:
        try:
            async with asyncio.timeout(CONNECT_S):
                _, connection = await asyncio.get_running_loop().create_connection(Connection, self._host, self._port)
        except (OSError, TimeoutError):
            raise Unreachable from None
        return connection
