"""The folded cases made again beside those in use."""

from services.kit.db import Connection

_LOCK = 7_263_557


async def claim(conn: Connection) -> bool:
    """For as long as this connection lives: one process rebuilds."""
    taken: bool = await conn.fetchval("select pg_try_advisory_lock($1)", _LOCK)
    return taken


async def give_up(conn: Connection) -> None:
    await conn.execute("select pg_advisory_unlock($1)", _LOCK)


async def begin(conn: Connection) -> None:
    """Empty tables beside; what an earlier attempt left is thrown away."""
    await conn.execute("select view_make('view_next')")


async def stop_the_fold(conn: Connection) -> None:
    """Until this transaction ends, the live fold waits before its first read; what it had begun is done."""
    await conn.execute("set local lock_timeout = '30s'")
    await conn.execute("set local statement_timeout = '60s'")
    await conn.execute("lock table view.case_view in access exclusive mode")


async def swap(conn: Connection) -> None:
    await conn.execute("select view_swap()")


async def oldest_fold(conn: Connection) -> int:
    """The lowest version among the stored cases; very high when there are none."""
    version: int = await conn.fetchval("select coalesce(min(fold_version), 2147483647) from view.case_view")
    return version
