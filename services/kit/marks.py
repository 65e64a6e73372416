"""Effect once: one row per (topic, source, key) with the highest seq applied, raised in the transaction of the effect.

Mark + 1 applies, at or below is a duplicate, beyond is a gap. Any replay, at any age, changes nothing.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from services.kit.arrays import plain, texts

Mark = tuple[str, str]  # source, key


class Overtaken(Exception):
    """Another process applied one of these records meanwhile: roll back and read the positions again."""


async def arrive(conn: Any, topic: str, marks: Iterable[Mark]) -> tuple[datetime, dict[Mark, int], bool]:
    """The first statement of a batch: now, the highest seq applied per mark (0 for one never seen), and whether any of these keys is
    parked. `marks`: one at least."""
    wanted = sorted(set(marks))
    found = await conn.fetch(_ARRIVE, topic, texts(source for source, _ in wanted), texts(key for _, key in wanted))
    return found[0]["now"], {(row["source"], row["key"]): row["seq"] for row in found}, any(row["parked"] for row in found)


async def read(conn: Any, topic: str, marks: Iterable[Mark]) -> dict[Mark, int]:
    """The highest seq applied per mark, of one at least."""
    _, known, _ = await arrive(conn, topic, marks)
    return known


async def write(conn: Any, topic: str, raised: dict[Mark, int]) -> None:
    """Raises marks without moving a position. Raises `Overtaken` if any was raised by somebody else."""
    if raised:
        await _leave(conn, topic, raised, None, None, None)


async def leave(conn: Any, topic: str, partition: int, expected: int | None, following: int, raised: dict[Mark, int], *, said: bool = True) -> None:
    """The last statement of a batch: raises marks and moves the position of the partition.

    Where nothing was said, the commit does not wait for the disk: should the server crash, the position is lost with the effects, and
    the log gives them again. Raises `Overtaken` if a mark was raised by somebody else, or unless the position stood at `expected`
    (None: not there yet).
    """
    await _leave(conn, topic, raised, partition, expected, following, said)


async def _leave(
    conn: Any, topic: str, raised: dict[Mark, int], partition: int | None, expected: int | None, following: int | None, durable: bool = True
) -> None:
    marks = sorted(raised, key=_by_key)  # which is also the lock order
    sources, keys, seqs = texts(source for source, _ in marks), texts(key for _, key in marks), plain(raised[mark] for mark in marks)
    if not await conn.fetchval(_LEAVE, topic, sources, keys, seqs, partition, expected, following, durable):
        raise Overtaken


async def positions(conn: Any, topic: str) -> dict[int, int]:
    """Partition -> next offset to apply."""
    rows = await conn.fetch("select partition, next_offset from kit.position where topic = $1", topic)
    return {row["partition"]: row["next_offset"] for row in rows}


def _by_key(mark: Mark) -> tuple[str, str]:
    source, key = mark
    return key, source


_ARRIVE = """
select now() as now, w.source, w.key, coalesce(m.seq, 0) as seq, p.key is not null as parked
from unnest($2::text::text[], $3::text::text[]) as w (source, key)
left join kit.mark m on m.topic = $1 and m.key = w.key and m.source = w.source
left join kit.parked_key p on p.topic = $1 and p.key = w.key
"""

_LEAVE = """
with raised as (
  insert into kit.mark as m (topic, source, key, seq)
  select $1, * from unnest($2::text::text[], $3::text::text[], $4::text::bigint[])
  on conflict (topic, key, source) do update set seq = excluded.seq where excluded.seq > m.seq returning 1
), moved as (
  update kit.position set next_offset = $7 where topic = $1 and partition = $5 and next_offset = $6 returning 1
), placed as (
  insert into kit.position (topic, partition, next_offset) select $1, $5, $7 where $5::int is not null and $6::bigint is null
  on conflict do nothing returning 1
)
select (select count(*) from raised) = cardinality($2::text::text[])
   and ($5 is null or (select count(*) from moved) + (select count(*) from placed) = 1),
  case when not $8 then set_config('synchronous_commit', 'off', true) end
"""
