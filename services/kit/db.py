"""The database: two pools, one transaction type, and the only commit of the platform.

State, outbox rows, marks, positions and deadlines commit together, before any answer is sent. `Transaction.now` is the
database's clock, read once.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self, TypeVar

import asyncpg

from contracts.cards import Card
from contracts.common import CardKind
from contracts.registry import Event
from services.kit import outbox
from services.kit.answers import Answer
from services.kit.marks import Leaving, Rider
from services.kit.outbox import Cause, Lane, Outbox, Position

request_cause: ContextVar[Cause] = ContextVar("request_cause")

Connection = asyncpg.pool.PoolConnectionProxy | asyncpg.Connection
Enter = Callable[[Connection, tuple[str, ...]], Awaitable[datetime]]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Tenant:
    """Whose rows an outside caller may see: set for the transaction, read by the row-level security policies."""

    principal_ids: tuple[str, ...] = ()
    provider_id: str | None = None
    member_id: str | None = None


@dataclass(slots=True)
class Transaction:
    """Open until the `async with` ends. Use cases read and write through `conn` and emit through `outbox`."""

    conn: Connection
    now: datetime
    outbox: Outbox
    cause: Cause
    positions: list[Position] = field(default_factory=list)
    _rider: Rider | None = None
    _last: dict[Callable[["Transaction", list[Any]], Awaitable[None]], list[Any]] = field(default_factory=dict)

    def emit(self, *events: Event, cause: Cause | None = None, lane: Lane = Lane.LIVE) -> None:
        """Told to the others when, and only if, this transaction commits. Save and lock the aggregate first."""
        for event in events:
            self.outbox.add(event, cause or self.cause, lane)

    def card(self, card: Card) -> None:
        """Personal data, and only as a card; its version must be higher than the last."""
        self.outbox.add_card(card, self.cause)

    def tombstone(self, kind: CardKind, card_id: str, version: int) -> None:
        self.outbox.add_tombstone(kind, card_id, version, self.cause)

    def at_end(self, write: Callable[["Transaction", list[T]], Awaitable[None]], item: T) -> None:
        """`write` gets all items handed to it at once, when the transaction ends: rows that many want are locked late, and in one order."""
        self._last.setdefault(write, []).append(item)

    def ride(self, ctes: Callable[[int], str], arguments: Sequence[Any]) -> None:
        """What is to be written last of all, once in a transaction: in the statement that ends a batch, which spares a round trip."""
        assert self._rider is None, "something rides already"
        self._rider = Rider(ctes, arguments)

    async def flush(self, end: Leaving | Answer | None = None) -> list[Position]:
        """Writes what was emitted so far; called by the commit, or before it where the answer needs the seq numbers.

        `end`: what a batch of records leaves behind, or the answer to a command; then it is the last statement. Raises `Overtaken` for
        the former.
        """
        while self._last:
            write, items = self._last.popitem()
            await write(self, items)
        rider, self._rider = self._rider, None
        self.positions += await self.outbox.write(self.conn, self.now, end, rider)
        return self.positions


class Database:
    def __init__(self, service: str, staff: asyncpg.Pool, outside: asyncpg.Pool | None, woken: Callable[[], None]) -> None:
        self.service = service
        self._staff = staff
        self._outside = outside
        self._woken = woken

    @classmethod
    async def connect(
        cls, service: str, url: str, url_outside: str | None = None, *, size: int = 8, woken: Callable[[], None] = lambda: None
    ) -> Self:
        """`woken` is called after each commit that left rows in the outbox."""
        async with asyncio.timeout(30):
            staff = await _pool(url, size, f"{service}")
            outside = await _pool(url_outside, size, f"{service}-outside") if url_outside else None
        return cls(service, staff, outside, woken)

    async def close(self) -> None:
        await self._staff.close()
        if self._outside:
            await self._outside.close()

    @asynccontextmanager
    async def transaction(self, tenant: Tenant | None = None, cause: Cause | None = None, enter: Enter | None = None) -> AsyncIterator[Transaction]:
        """Commits at the end of the block, rolls back on any exception. With a tenant, the outside role and its policies apply.

        `enter`: a first statement of the caller's own, which reads the clock besides: one round trip instead of two. It assumes the tenant
        too, given the arguments of `assuming`; should it not, no policy lets anything be seen.
        """
        async with self.connection(tenant is not None) as conn:
            async with conn.transaction():
                now = await (enter or _clock)(conn, _settings(tenant))
                tx = Transaction(conn, now, Outbox(self.service), cause or request_cause.get(None) or Cause.fresh())
                yield tx
                await tx.flush()
            if tx.outbox.written:
                self._woken()

    @asynccontextmanager
    async def connection(self, outside: bool = False) -> AsyncIterator[Connection]:
        """A connection without a transaction, for single reads and for listening."""
        pool = self._staff
        if outside:
            if self._outside is None:
                raise RuntimeError(f"{self.service} has no pool for outside callers")
            pool = self._outside
        async with asyncio.timeout(5):  # one of its own would make a task
            conn = await pool.acquire()
        try:
            yield conn
        finally:
            await pool.release(conn)


def assuming(first: int) -> str:
    """The expressions by which a statement assumes the tenant until the transaction ends, with parameters from `$first` on."""
    return ", ".join(f"set_config('app.{name}', ${n}, true)" for n, name in enumerate(("principal_ids", "provider_id", "member_id"), first))


def _settings(tenant: Tenant | None) -> tuple[str, ...]:
    """Of `assuming`. Staff are no tenant's."""
    if tenant is None:
        return "{}", "", ""
    return "{" + ",".join(tenant.principal_ids) + "}", tenant.provider_id or "", tenant.member_id or ""


_CLOCK = f"select now(), {assuming(1)}"


async def _clock(conn: Connection, settings: tuple[str, ...]) -> datetime:
    now: datetime = await conn.fetchval(_CLOCK, *settings)
    return now


async def _pool(url: str, size: int, name: str) -> asyncpg.Pool:
    pool: asyncpg.Pool = await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=size,
        command_timeout=15,
        init=_codecs,
        reset=_nothing,  # every setting of ours is local to a transaction; the default reset costs a round trip per use
        server_settings={"application_name": name, "timezone": "UTC"},
    )
    return pool


async def _codecs(conn: Connection) -> None:
    for name in ("json", "jsonb"):
        await conn.set_type_codec(name, encoder=outbox.dumps, decoder=outbox.loads, schema="pg_catalog")
    await conn.set_type_codec("uuid", encoder=str, decoder=str, schema="pg_catalog")


async def _nothing(_: Connection) -> None:
    pass


def affected(status: str) -> int:
    """How many rows a statement wrote, of what `execute` answers."""
    return int(status.rpartition(" ")[2])


def row(record: Any) -> dict[str, Any]:
    """A record as keyword arguments for a dataclass."""
    return dict(record.items())
