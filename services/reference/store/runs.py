"""Files being loaded and those that were: rows by COPY into a staging table, what was refused, what is missing, how each run ended."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Literal

from services.kit.db import Connection

LOCK_S = 3
PATIENCE_S = 600  # of statements that go through a whole file

Rows = list[dict[str, Any]]
Refused = tuple[int, str | None, str | None, str, str]  # line, key, cells as JSON, reason, field


async def lock(conn: Connection, kind: str) -> bool:
    """Until `unlock`, or the connection's end: one file of a kind at a time. Waits a little: the database may not know yet that whoever had
    it was killed."""
    try:
        await conn.execute("select pg_advisory_lock(hashtext('feed'), hashtext($1))", kind, timeout=LOCK_S)
    except TimeoutError:
        await unlock(conn, kind)  # should it have come just then
        return False
    return True


async def unlock(conn: Connection, kind: str) -> None:
    await conn.execute("select pg_advisory_unlock(hashtext('feed'), hashtext($1))", kind)


async def begin(conn: Connection, run_id: str, kind: str, file: str, digest: bytes, mode: str) -> None:
    """Whatever run of this kind has not ended by now never will: under the lock nobody works on it."""
    rows = await conn.fetch(
        "update feed_run set state = case state when 'asks' then 'abandoned' else 'failed' end, reason = case state when 'asks' then null"
        " else 'interrupted' end, ended_at = now() where kind = $1 and state in ('loading', 'asks') returning id",
        kind,
    )
    await clear(conn, [row["id"] for row in rows])
    await conn.execute(
        "insert into feed_run (id, kind, file, digest, mode, state, began_at) values ($1, $2, $3, $4, $5, 'loading', now())",
        *(run_id, kind, file, digest, mode),
    )


async def stage(conn: Connection, run_id: str, rows: Sequence[tuple[int, str, bytes, str]]) -> None:
    """(line, key, hash, content as JSON)."""
    if rows:
        columns = ["feed", "line", "key", "hash", "content"]
        await conn.copy_records_to_table("staged", columns=columns, records=[(run_id, *row) for row in rows], timeout=60)


async def refuse(conn: Connection, run_id: str, kind: str, rows: Sequence[Refused]) -> None:
    await conn.executemany(
        "insert into feed_refused (run_id, kind, line, key, cells, reason, field) values ($1, $2, $3, $4, $5, $6, $7)",
        [(run_id, kind, *row) for row in rows],
    )


async def whole(conn: Connection) -> None:
    """Until the transaction ends, statements go through all that is staged at once: nobody has counted it, and a plan for a few rows would
    take hours."""
    await conn.execute("set local enable_nestloop = off")


async def pieces(conn: Connection) -> None:
    """Until the transaction ends, statements look rows up one by one by their indexes: there were none yet when somebody counted last."""
    await conn.execute("set local enable_seqscan = off; set local enable_hashjoin = off; set local enable_mergejoin = off")


async def take_twins(conn: Connection, run_id: str) -> Rows:
    """Of rows with the same key the first one stays staged; the others, taken out."""
    lines = await conn.fetch(
        "select line from (select line, row_number() over (partition by key order by line) as place from staged where feed = $1) s where place > 1",
        run_id,
        timeout=PATIENCE_S,
    )
    rows = await conn.fetch(
        "delete from staged where feed = $1 and line = any($2::int[]) returning line, key, content", run_id, [row["line"] for row in lines]
    )
    return [dict(row) for row in rows]


async def last_line(conn: Connection, run_id: str) -> int:
    line: int = await conn.fetchval("select coalesce(max(line), 0) from staged where feed = $1", run_id)
    return line


async def missing(conn: Connection, run_id: str, kind: str, principal_ids: Sequence[str], day: date) -> tuple[int, int]:
    """How many of these principals' members or contracts a full file does not name, and how many there are. One whose row was refused is
    named."""
    row = await conn.fetchrow(_MISSING[kind], principal_ids, day, run_id, timeout=PATIENCE_S)
    assert row is not None
    return row["vanished"], row["known"]


async def vanished(conn: Connection, run_id: str, kind: str, principal_ids: Sequence[str], day: date) -> list[str]:
    rows = await conn.fetch(_VANISHED[kind], principal_ids, day, run_id, timeout=PATIENCE_S)
    return [row["id"] for row in rows]


async def nameless(conn: Connection, run_id: str) -> bool:
    """Whether a row was refused of which nobody can say whom it names."""
    found: bool = await conn.fetchval("select exists (select from feed_refused where run_id = $1 and key is null)", run_id)
    return found


async def staged(conn: Connection, run_id: str) -> int:
    count: int = await conn.fetchval("select count(*) from staged where feed = $1", run_id)
    return count


async def note(conn: Connection, run_id: str, **columns: Any) -> None:
    """Sets these columns of a run."""
    names = ", ".join(f"{name} = ${place}" for place, name in enumerate(columns, 2))
    await conn.execute(f"update feed_run set {names} where id = $1", run_id, *columns.values())  # noqa: S608 - our own names


async def count(conn: Connection, run_id: str, column: Literal["changed", "ended"], more: int) -> None:
    await conn.execute(f"update feed_run set {column} = {column} + $2 where id = $1", run_id, more)  # noqa: S608 - our own names


async def finish(conn: Connection, run_id: str, kind: str) -> None:
    """Older refusals of what this file named are settled by it."""
    await conn.execute(
        "update feed_refused r set state = 'superseded', settled_at = now() where r.kind = $2 and r.state = 'open' and r.run_id <> $1::uuid"
        " and r.key in (select key from staged where feed = $1::text"
        " union all select key from feed_refused where run_id = $1::uuid and key is not null)",
        run_id,
        kind,
        timeout=PATIENCE_S,
    )
    await conn.execute(
        "update feed_run set state = 'done', ended_at = now(), refused = (select count(*) from feed_refused where run_id = $1) where id = $1", run_id
    )
    await clear(conn, [run_id])


async def fail(conn: Connection, run_id: str, reason: str) -> None:
    await conn.execute("update feed_run set state = 'failed', reason = $2, ended_at = now() where id = $1", run_id, reason)
    await clear(conn, [run_id])


async def abandon(conn: Connection, run_id: str, by: str) -> None:
    await conn.execute("update feed_run set state = 'abandoned', settled_by = $2, ended_at = now() where id = $1", run_id, by)
    await clear(conn, [run_id])


async def clear(conn: Connection, run_ids: Sequence[str]) -> None:
    await conn.execute("delete from staged where feed = any($1::text[])", run_ids, timeout=PATIENCE_S)


async def run(conn: Connection, run_id: str) -> dict[str, Any] | None:
    row = await conn.fetchrow("select * from feed_run where id = $1", run_id)
    return dict(row) if row else None


async def history(conn: Connection, before: str | None, limit: int) -> Rows:
    """The latest first; `before`: the last run of the page before."""
    rows = await conn.fetch(
        "select * from feed_run where ($1::uuid is null or began_at < (select began_at from feed_run where id = $1)) order by began_at desc limit $2",
        before,
        limit,
    )
    return [dict(row) for row in rows]


async def refused(conn: Connection, *, run_id: str | None = None, after: int = 0, limit: int = 50, only_open: bool = True) -> Rows:
    rows = await conn.fetch(
        "select r.*, f.file, f.began_at from feed_refused r join feed_run f on f.id = r.run_id where ($1::uuid is null or r.run_id = $1)"
        " and r.id > $2 and (r.state = 'open' or not $4) order by r.id limit $3",
        run_id,
        after,
        limit,
        only_open,
    )
    return [dict(row) for row in rows]


async def count_open(conn: Connection) -> int:
    count: int = await conn.fetchval("select count(*) from feed_refused where state = 'open'")
    return count


async def take_refused(conn: Connection, refused_id: int) -> dict[str, Any] | None:
    """Locked, for who settles it."""
    row = await conn.fetchrow("select * from feed_refused where id = $1 for update", refused_id)
    return dict(row) if row else None


async def settle(conn: Connection, refused_id: int, state: str, by: str) -> None:
    await conn.execute("update feed_refused set state = $2, settled_by = $3, settled_at = now() where id = $1", refused_id, state, by)


# Of the principals $1, after the day $2.
_LASTING = {
    "members": "member t where t.principal_id = any($1::uuid[]) and (t.ended_on is null or t.ended_on > $2) and t.feed_key is not null",
    "contracts": "contract t where t.principal_id = any($1::uuid[]) and (t.ends_on is null or t.ends_on > $2)",
    "beneficiaries": "beneficiary t where t.principal_id = any($1::uuid[]) and (t.ended_on is null or t.ended_on > $2)",
    "statements": "statement t where t.principal_id = any($1::uuid[]) and (t.withdrawn_on is null or t.withdrawn_on > $2)",
}
# By the run $3.
_UNNAMED = (
    "not exists (select from staged s where s.feed = $3::uuid::text and s.key = t.feed_key)"
    " and not exists (select from feed_refused r where r.run_id = $3::uuid and r.key = t.feed_key)"
)
_MISSING = {
    kind: f"select count(*) filter (where {_UNNAMED}) as vanished, count(*) as known from {lasting}"  # noqa: S608 - our own text
    for kind, lasting in _LASTING.items()
}
_VANISHED = {
    kind: f"select t.id from {lasting} and {_UNNAMED}"  # noqa: S608 - our own text
    for kind, lasting in _LASTING.items()
}
