"""Effect once: one row per (topic, source, key) with the highest seq applied, raised in the transaction of the effect.

Mark + 1 applies, at or below is a duplicate, beyond is a gap. Any replay, at any age, changes nothing.
"""

from collections.abc import Iterable
from typing import Any

from services.kit.arrays import plain, texts

Mark = tuple[str, str]  # source, key


class Overtaken(Exception):
    """Another process applied one of these records meanwhile: roll back and read the positions again."""


async def read(conn: Any, topic: str, marks: Iterable[Mark]) -> dict[Mark, int]:
    """The highest seq applied per mark; 0 for one never seen."""
    wanted = sorted(set(marks))
    found = await conn.fetch(
        "select m.source, m.key, m.seq from unnest($2::text::text[], $3::text::text[]) as w (source, key)"
        " join kit.mark m on m.topic = $1 and m.key = w.key and m.source = w.source",
        topic,
        texts(source for source, _ in wanted),
        texts(key for _, key in wanted),
    )
    known = dict.fromkeys(wanted, 0)
    known.update({(row["source"], row["key"]): row["seq"] for row in found})
    return known


async def write(conn: Any, topic: str, raised: dict[Mark, int]) -> None:
    """One row per mark, in key order, which is also the lock order. Raises `Overtaken` if any was raised by somebody else."""
    if not raised:
        return
    marks = sorted(raised, key=lambda mark: (mark[1], mark[0]))
    done = await conn.fetchval(
        "with w as (insert into kit.mark as m (topic, source, key, seq)"
        " select $1, * from unnest($2::text::text[], $3::text::text[], $4::text::bigint[])"
        " on conflict (topic, key, source) do update set seq = excluded.seq where excluded.seq > m.seq returning 1)"
        " select count(*) from w",
        topic,
        texts(source for source, _ in marks),
        texts(key for _, key in marks),
        plain(raised[mark] for mark in marks),
    )
    if done != len(marks):
        raise Overtaken


async def advance(conn: Any, topic: str, partition: int, expected: int | None, following: int) -> None:
    """Moves the position of a partition. Raises `Overtaken` unless it stood at `expected` (None: not there yet)."""
    if expected is None:
        status = await conn.execute(
            "insert into kit.position (topic, partition, next_offset) values ($1, $2, $3) on conflict do nothing", topic, partition, following
        )
    else:
        status = await conn.execute(
            "update kit.position set next_offset = $4 where topic = $1 and partition = $2 and next_offset = $3", topic, partition, expected, following
        )
    if not status.endswith(" 1"):
        raise Overtaken


async def positions(conn: Any, topic: str) -> dict[int, int]:
    """Partition -> next offset to apply."""
    rows = await conn.fetch("select partition, next_offset from kit.position where topic = $1", topic)
    return {row["partition"]: row["next_offset"] for row in rows}
