"""Deadlines: rows with `due_at`, taken by any worker, fired once. A handler acts on state, so a deadline that lost its point does nothing.

Whoever fires holds an advisory lock and deletes the row last: who holds an aggregate may put or drop its deadline meanwhile, and
neither waits for the other.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

import structlog

from services.kit import metrics
from services.kit.consumer import infrastructure
from services.kit.db import Database, Transaction

Fire = Callable[[Transaction, str], Awaitable[None]]

log = structlog.get_logger()


async def put(conn: Any, kind: str, key: str, due_at: datetime) -> None:
    """One deadline per kind and key: a second call moves it."""
    await conn.execute(
        "insert into kit.deadline (kind, key, due_at) values ($1, $2, $3) on conflict (kind, key) do update set due_at = excluded.due_at, tries = 0",
        kind,
        key,
        due_at,
    )


async def follow(conn: Any, kind: str, key: str, before: datetime | None, after: datetime | None) -> None:
    """A deadline that is a function of state: what it says of the state before a change and of the one after; None: none is due."""
    if after is None and before is not None:
        await drop(conn, kind, key)
    elif after is not None and after != before:
        await put(conn, kind, key, after)


def following(first: int) -> str:
    """The same of many, as common table expressions with parameters from `$first` on: those of `moves`."""
    kind, put, due, dropped = (f"${n}" for n in range(first, first + 4))
    return f"""
deadline_put as (
  insert into kit.deadline (kind, key, due_at) select {kind}, * from unnest({put}::text[], {due}::timestamptz[])
  on conflict (kind, key) do update set due_at = excluded.due_at, tries = 0
), deadline_dropped as (
  delete from kit.deadline where kind = {kind} and key = any({dropped}::text[])
)"""  # noqa: S608 - numbers of parameters


def moves(kind: str, due: Mapping[str, tuple[datetime | None, datetime | None]]) -> tuple[str, list[str], list[datetime], list[str]]:
    """Of `following`: what state says before and after a change, of each key."""
    put = {key: after for key, (before, after) in due.items() if after is not None and after != before}
    return kind, list(put), list(put.values()), [key for key, (before, after) in due.items() if after is None and before is not None]


async def put_new(conn: Any, kind: str, due: Mapping[str, datetime]) -> None:
    """Many at once, of keys that never had one."""
    await conn.execute(
        "insert into kit.deadline (kind, key, due_at) select $1, * from unnest($2::text[], $3::timestamptz[])", kind, list(due), list(due.values())
    )


async def drop(conn: Any, kind: str, key: str) -> None:
    await conn.execute("delete from kit.deadline where kind = $1 and key = $2", kind, key)


_CHOOSE = """
select id from (select id from kit.deadline where due_at <= now() and kind = any($1::text[]) order by due_at limit 20) due
where pg_try_advisory_xact_lock(7263557, (id % 2147483647)::int) limit 1
"""
_STILL_DUE = "select id, kind, key, due_at from kit.deadline where id = $1 and due_at <= now()"  # another may have fired it before we locked


class Deadlines:
    def __init__(self, db: Database, handlers: Mapping[str, Fire]) -> None:
        self._db = db
        self._handlers = handlers
        self._kinds = list(handlers)

    async def run(self) -> None:
        while True:
            if not await self.step():
                await asyncio.sleep(0.5)

    async def step(self) -> bool:
        """Fires one due deadline; False when none is due."""
        taken = None
        try:
            async with self._db.connection() as conn:
                if not await conn.fetchval("select exists (select from kit.deadline where due_at <= now() and kind = any($1::text[]))", self._kinds):
                    return False
            async with asyncio.timeout(30), self._db.transaction() as tx:
                chosen = await tx.conn.fetchval(_CHOOSE, self._kinds)
                taken = chosen and await tx.conn.fetchrow(_STILL_DUE, chosen)
                if taken is None:
                    return False
                await self._handlers[taken["kind"]](tx, taken["key"])
                await tx.flush()
                await tx.conn.execute("delete from kit.deadline where id = $1 and due_at = $2", taken["id"], taken["due_at"])
            metrics.deadlines.labels(self._db.service, taken["kind"]).inc()
        except Exception as failure:  # noqa: BLE001 - a deadline that fails is tried again later, the others go on
            log.warning("deadline failed", kind=taken and taken["kind"], failure=f"{type(failure).__name__}")
            if taken is None or infrastructure(failure):
                await asyncio.sleep(0.5)
                return True
            async with self._db.transaction() as tx:
                await tx.conn.execute(
                    "update kit.deadline set tries = tries + 1, due_at = now() + make_interval(secs => least(3600, 2 ^ least(tries, 11)))"
                    " where id = $1",
                    taken["id"],
                )
        return True
