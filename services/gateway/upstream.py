"""Connections to a service's web process: HTTP/1.1 in as little work as it takes, since every request of every robot passes here.

Measured against httpx on the same trivial upstream: README.md has the figures.
"""

import asyncio
from collections import deque
from urllib.parse import urlsplit

import httptools

Headers = list[tuple[bytes, bytes]]

CONNECT_S = 2
IDLE_S = 4  # uvicorn closes what was idle for 5 s: never write into a connection that is being closed
IDLE_KEPT = 64
HIGH_WATER = 256 * 1024
REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})


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
        self._head_only = head_only
        self._until_eof = True
        self._reusable = False
        self._chunks: deque[bytes] = deque()
        self._buffered = 0
        self._parser = httptools.HttpResponseParser(self)

    @property
    def reusable(self) -> bool:
        return self.complete and self._reusable and not self.lost

    async def write(self, data: bytes) -> None:
        """Raises `Unreachable` when the service is gone."""
        if self.lost:
            raise Unreachable
        self._transport.write(data)
        if not self._writable.is_set():
            await self._writable.wait()

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

    def close(self) -> None:
        if not self.lost:
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
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
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
        self._reusable = self._parser.should_keep_alive()
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
    """The connections to one service that wait for use. Their number in use has no limit: streams hold theirs for long."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname, parts.port
        self._idle: list[Connection] = []

    async def send(self, method: str, request: bytes, fresh: bool = False) -> Connection:
        """Sends a request, or the head of one whose body follows by `write`, on a waiting or a new connection. Raises `Unreachable`."""
        connection = None if fresh else self._waiting()
        if connection is None:
            connection = await self._connect()
        connection.begin(head_only=method == "HEAD")
        await connection.write(request)
        return connection

    def give_back(self, connection: Connection) -> None:
        if connection.reusable and len(self._idle) < IDLE_KEPT:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _waiting(self) -> Connection | None:
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection = self._idle.pop()
            if not connection.lost and now - connection.idle_since < IDLE_S:
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
