"""What the feeds of reference are measured against: the bare COPY of the same rows, and an upsert of every row.

The upsert reads and validates the files with the same code, has the same tables with the same indexes, and writes every row in batches of
the same size, without looking what has changed and without telling anybody.
"""

import asyncio
import csv
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import orjson

from services.kit.clock import new_id
from services.reference.usecases import contents, files
from services.reference.usecases.contents import Content, Known
from services.reference.usecases.feed import BATCH
from services.reference.usecases.mapping import OURS, Kind

KINDS: tuple[Kind, ...] = ("members", "contracts")
CLONES = """
drop schema if exists upsert cascade;
create schema upsert;
create table upsert.member (like public.member including all);
create table upsert.contract (like public.contract including all);
insert into upsert.member select * from public.member;
insert into upsert.contract select * from public.contract;
analyze upsert.member, upsert.contract;
"""
MEMBERS = """
insert into upsert.member as m (id, principal_id, number, civility, last_name, first_name, name_key, birth_date, phones, emails, address, insee,
  postcode, language, ended_on, version, card_version, open_cases, feed_key, feed_hash)
select id, principal_id, number, civility, last_name, first_name, name_key, birth_date, phones, emails, address, insee,
  postcode, language, ended_on, 1, 0, 0, feed_key, '' from jsonb_populate_recordset(null::upsert.member, $1)
on conflict (feed_key) do update set civility = excluded.civility, last_name = excluded.last_name, first_name = excluded.first_name,
  name_key = excluded.name_key, birth_date = excluded.birth_date, phones = excluded.phones, emails = excluded.emails,
  address = excluded.address, insee = excluded.insee, postcode = excluded.postcode, language = excluded.language,
  ended_on = excluded.ended_on, version = m.version + 1
"""
CONTRACTS = """
insert into upsert.contract as c (id, number, principal_id, member_id, product, starts_on, ends_on, state, plate, vin, version, feed_key, feed_hash)
select r.id, r.number, r.principal_id, m.id, r.product, r.starts_on, r.ends_on, r.state, r.plate, r.vin, 1, r.feed_key, ''
from jsonb_to_recordset($1) as r (id uuid, number text, principal_id uuid, member_key text, product text, starts_on date, ends_on date,
  state text, plate text, vin text, feed_key text) join upsert.member m on m.feed_key = r.member_key
on conflict (feed_key) do update set member_id = excluded.member_id, starts_on = excluded.starts_on, ends_on = excluded.ends_on,
  state = excluded.state, plate = excluded.plate, vin = excluded.vin, version = c.version + 1
"""
STATEMENTS = {"members": MEMBERS, "contracts": CONTRACTS}


async def copy(conn: asyncpg.Connection, folder: Path) -> float:
    """Seconds that COPY takes for the two files, into tables of text without an index."""
    took = 0.0
    for kind in KINDS:
        file = folder / f"{kind}.csv"
        with file.open(encoding="utf-8", newline="") as head:
            columns = next(csv.reader(head, delimiter=";"))
        await conn.execute(f"drop table if exists bare_{kind}; create table bare_{kind} ({', '.join(f'{name} text' for name in columns)})")
        began = time.perf_counter()
        await conn.copy_to_table(f"bare_{kind}", source=file, format="csv", delimiter=";", header=True, timeout=600)
        took += time.perf_counter() - began
        await conn.execute(f"drop table bare_{kind}")
    return took


async def clone(conn: asyncpg.Connection) -> None:
    """Tables for the upsert, with what is in ours by now."""
    await conn.execute(CLONES, timeout=600)


async def upsert(conn: asyncpg.Connection, folder: Path, known: Known) -> float:
    """Seconds for the two files. The database writes one batch while the next one is read."""
    began = time.perf_counter()
    for kind in KINDS:
        writing: asyncio.Task[str] | None = None
        for batch in _batches(folder / f"{kind}.csv", kind, known):
            if writing:
                await writing
            writing = asyncio.create_task(conn.execute(STATEMENTS[kind], orjson.dumps(batch).decode()))
            await asyncio.sleep(0)  # it is sent
        if writing:
            await writing
    return time.perf_counter() - began


def _batches(file: Path, kind: Kind, known: Known) -> Iterator[list[Content]]:
    part = OURS.of(kind)
    batch: list[Content] = []
    with files.opened(file) as table:
        read = part.reader(kind, table.columns, known.today)
        for _, cells, trouble in table.rows:
            if trouble:
                continue
            try:
                key, content = contents.taken(kind, read(cells), known)
            except contents.BadRow:
                continue
            batch.append(content | {"feed_key": key, "id": new_id()})
            if len(batch) == BATCH:
                yield batch
                batch = []
    yield batch
