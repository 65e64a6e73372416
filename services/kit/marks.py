"""Effect once: one row per (topic, source, key) with the highest seq applied, raised in the transaction of the effect.

Mark + 1 applies, at or below is a duplicate, beyond is a gap. Any replay, at any age, changes nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from services.kit.arrays import plain, texts

Mark = tuple[str, str]  # source, key


class Overtaken(Exception):
    """The marks or the position do not stand where the batch began: roll back and read them again."""


async def arrive(conn: Any, topic: str, marks: Iterable[Mark]) -> tuple[datetime, dict[Mark, int], bool]:
    """The first statement of a batch: now, the highest seq applied per mark (0 for one never seen), and whether any of these keys is
    parked."""
    wanted = sorted(set(marks))
    found = await conn.fetchrow(_ARRIVE, topic, texts(source for source, _ in wanted), texts(key for _, key in wanted))
    return found["now"], dict(zip(wanted, found["seqs"], strict=True)), found["parked"]


async def read(conn: Any, topic: str, marks: Iterable[Mark]) -> dict[Mark, int]:
    """The highest seq applied per mark, of one at least."""
    _, known, _ = await arrive(conn, topic, marks)
    return known


class Place(NamedTuple):
    """A record on the log, by whom it is from."""

    topic: str
    source: str
    key: str
    seq: int


async def missing(conn: Any, places: Iterable[Place]) -> set[Place]:
    """Those not applied here yet. Neither what this service does not listen to is missing, nor what waits parked for a human."""
    wanted = list(places)
    rows = await conn.fetch(
        _MISSING,
        texts(place.topic for place in wanted),
        texts(place.source for place in wanted),
        texts(place.key for place in wanted),
        plain(place.seq for place in wanted),
    )
    return {Place(*row) for row in rows}


class Rider(NamedTuple):
    """What a service writes in the last statement of a batch: common table expressions, with parameters from a given number on, and their
    arguments."""

    ctes: Callable[[int], str]
    arguments: Sequence[Any]

    async def alone(self, conn: Any) -> None:
        await conn.execute(_alone(self.ctes), *self.arguments)


class Leaving(NamedTuple):
    """What a batch leaves behind: raised marks, from where they stood to where they stand now, and the position of its partition, moved from
    `expected` (None: not there yet).

    `trusting`: the batch has not asked whether one of these keys is parked. A mark that stood at None is not raised, and asked about only.
    """

    topic: str
    raised: dict[Mark, tuple[int | None, int]]
    trusting: bool = False
    partition: int | None = None  # None: no position moves
    expected: int | None = None
    following: int | None = None

    def arguments(self) -> tuple[Any, ...]:
        """Of `leaving`."""
        sources, keys = zip(*self.raised, strict=True) if self.raised else ((), ())
        befores, seqs = zip(*self.raised.values(), strict=True) if self.raised else ((), ())
        before = "{}" if None in befores else plain(befores)  # shorter than the others: the rest is null
        return self.topic, texts(sources), texts(keys), before, plain(seqs), self.trusting, self.partition, self.expected, self.following


def leaving(first: int) -> tuple[str, str]:
    """The common table expressions that leave, with parameters from `$first` on, and the expression that tells whether they could."""
    topic, sources, keys, befores, seqs, trusting, partition, expected, following = (f"${n}" for n in range(first, first + 9))
    ctes = f"""
stood as materialized (
  select * from unnest({sources}::text::text[], {keys}::text::text[], {befores}::text::bigint[], {seqs}::text::bigint[])
    as s (source, key, before, seq)
), raised as (
  update kit.mark m set seq = s.seq from stood s
  where m.topic = {topic} and m.key = s.key and m.source = s.source and m.seq = s.before returning 1
), begun as (
  insert into kit.mark (topic, source, key, seq) select {topic}, source, key, seq from stood where before = 0
  on conflict do nothing returning 1
), moved as (
  update kit.position set next_offset = {following} where topic = {topic} and partition = {partition} and next_offset = {expected} returning 1
), placed as (
  insert into kit.position (topic, partition, next_offset) select {topic}, {partition}, {following}
  where {partition}::int is not null and {expected}::bigint is null
  on conflict do nothing returning 1
)"""  # noqa: S608 - numbers of parameters
    moved_on = f"({partition} is null or (select count(*) from moved) + (select count(*) from placed) = 1)"  # noqa: S608 - numbers of parameters
    all_raised = "(select count(*) from raised) + (select count(*) from begun) = (select count(*) from stood where before is not null)"
    none_parked = f"not exists (select from kit.parked_key where topic = {topic} and key in (select key from stood))"  # noqa: S608 - numbers of parameters
    return ctes, f"{all_raised} and {moved_on} and (not {trusting} or {none_parked})"


async def leave(conn: Any, what: Leaving, *, said: bool = True, rider: Rider | None = None) -> None:
    """The last statement of a batch that has nothing more to say; what has, leaves with its outbox rows.

    Where nothing was said at all, the commit does not wait for the disk: should the server crash, the position is lost with the effects,
    and the log gives them again. Raises `Overtaken` if a mark or the position stood elsewhere, or a key is parked and nobody asked.
    """
    statement, more = (_leave_with(rider.ctes), rider.arguments) if rider else (_LEAVE, ())
    if not await conn.fetchval(statement, *what.arguments(), said, *more):
        raise Overtaken


async def positions(conn: Any, topic: str) -> dict[int, int]:
    """Partition -> next offset to apply."""
    rows = await conn.fetch("select partition, next_offset from kit.position where topic = $1", topic)
    return {row["partition"]: row["next_offset"] for row in rows}


_ARRIVE = """
select now() as now, array_agg(coalesce(m.seq, 0) order by w.place) as seqs, coalesce(bool_or(p.key is not null), false) as parked
from unnest($2::text::text[], $3::text::text[]) with ordinality as w (source, key, place)
left join kit.mark m on m.topic = $1 and m.key = w.key and m.source = w.source
left join kit.parked_key p on p.topic = $1 and p.key = w.key
"""

_MISSING = """
select w.* from unnest($1::text::text[], $2::text::text[], $3::text::text[], $4::text::bigint[]) as w (topic, source, key, seq)
where not exists (select from kit.mark m where m.topic = w.topic and m.key = w.key and m.source = w.source and m.seq >= w.seq)
  and not exists (select from kit.parked_key p where p.topic = w.topic and p.key = w.key)
  and exists (select from kit.position p where p.topic = w.topic)
"""

_CTES, _COULD = leaving(1)
_DONE = f"select {_COULD}, case when not $10 then set_config('synchronous_commit', 'off', true) end"
_LEAVE = f"with {_CTES} {_DONE}"


@cache
def _leave_with(ctes: Callable[[int], str]) -> str:
    return f"with {_CTES}, {ctes(11)} {_DONE}"


@cache
def _alone(ctes: Callable[[int], str]) -> str:
    return f"with {ctes(1)} select"
