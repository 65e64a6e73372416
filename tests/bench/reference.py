"""`make bench-reference`: reference at full size, 630,000 members and 900,000 contracts, each figure against its yardstick in one run of
a quarter of an hour.

The first load happens once, COPY beside it three times; the daily file with 2 % changed rows, told of to the last event, and the upsert of
every row take turns. Then the web process answers one client at a time; at last it goes on answering while a file is loaded beside it at
nice 10, and a file is loaded of which much is wrong. Ends with a non-zero status when a figure misses its must.
"""

import argparse
import asyncio
import csv
import json
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from random import Random
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import uvloop
from rich.console import Console

from deploy.platform import migrate_service
from deploy.stack import Stack
from services.kit.db import Database
from services.reference.domain.names import fold
from services.reference.usecases import contents
from services.reference.usecases.contents import Known
from tests.bench import api, bare_lookup, feed_yardsticks, population
from tests.bench.asks import Asker, Took, asking, timed
from tests.bench.frame import Bound, Line, report

SERVICE = "reference"
MEMORY_MB = 300
CHANGED = 0.02  # of the rows of a daily file
PREVIEWS_PER_S = 50
WRONG_ROWS = 1_000_000  # at full size
API = f"/api/{SERVICE}/v1"

BOUNDS = {
    ("feed_first", "copy"): Bound(must=40, aim=20, lower_is_better=True),
    ("feed_daily", "upsert"): Bound(must=0.6, aim=0.4, lower_is_better=True),
    ("lookup_number", "bare_lookup"): Bound(must=3, aim=1.5, lower_is_better=True),
    ("lookup_phone", "bare_lookup"): Bound(must=3, aim=1.5, lower_is_better=True),
    ("lookup_email", "bare_lookup"): Bound(must=3, aim=1.5, lower_is_better=True),
    ("lookup_plate", "bare_lookup"): Bound(must=3, aim=1.5, lower_is_better=True),
    ("misspelt_born", "lookup_number"): Bound(must=8, aim=4, lower_is_better=True),
    ("misspelt_town_p99", "lookup_number_p99"): Bound(must=150, aim=30, lower_is_better=True),
    ("preview_p99", "lookup_number_p99"): Bound(must=5, aim=2, lower_is_better=True),
    ("preview_feeding_p99", "preview_p99"): Bound(must=5, aim=2, lower_is_better=True),
    ("feed_memory", "limit"): Bound(must=1, aim=0.5, lower_is_better=True),
}
QUERIES = {  # what the API is asked for, by the bare index
    "number": "select * from member where number = $1",
    "phone": "select * from member where phones && array[$1]",
    "email": "select * from member where emails && array[$1]",
    "plate": "select m.* from contract c join member m on m.id = c.member_id where c.plate = $1",
}
SAMPLES = """
select number, phones[1] as phone, emails[1] as email, c.plate, m.id, m.insee
from member m join lateral (select plate from contract where member_id = m.id and plate is not null limit 1) c on true
where m.phones <> '{}' and m.emails <> '{}' and m.insee is not null order by m.feed_key limit 2000
"""

Tell = Callable[[str], None]
People = Sequence[asyncpg.Record]


@dataclass(frozen=True)
class Sizes:
    """`asked`: requests of a figure in a round. `previews_s`: seconds of previews, quiet and beside a feed."""

    members: int = population.MEMBERS
    rounds: int = 3
    asked: int = 300
    previews_s: int = 30


@dataclass(frozen=True)
class Fed:
    """`seconds`: to the last commit of the rows; `telling`: from then to the last event."""

    seconds: float
    telling: float
    mb: float
    reports: dict[str, dict[str, int]]


async def feed(stack: Stack, folder: Path) -> Fed:
    """Loads the files of a folder in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.feed_process", str(folder)),
        env=os.environ | stack.environment(SERVICE),
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"the feed ended with {process.returncode}")
    return Fed(**json.loads(said))


def another_day(folder: Path, day: Path, share: float, seed: int) -> None:
    """The same files, with another address or state in that share of the rows."""
    day.mkdir()
    random = Random(f"day {seed}")
    for file in folder.glob("*.csv"):
        with file.open(encoding="utf-8", newline="") as before, (day / file.name).open("w", encoding="utf-8", newline="") as after:
            rows = csv.DictReader(before, delimiter=";" if file.stem in ("members", "contracts") else ",")
            writer = csv.DictWriter(after, list(rows.fieldnames or ()), delimiter=";")
            writer.writeheader()
            for row in rows:
                if file.stem == "members" and random.random() < share:
                    row["address"] = f"{random.randint(1, 999)} {row['address'].partition(' ')[2]}"
                elif file.stem == "contracts" and random.random() < share:
                    row["state"] = "active" if row["state"] == "suspended" else "suspended"
                writer.writerow(row)


def much_of_it_wrong(folder: Path, wrong: Path, rows: int) -> int:
    """A file of that many members, each known one and as many strangers as it takes; three in ten were born on no day. Returns how many."""
    wrong.mkdir()
    bad = 0
    with (
        (folder / "members.csv").open(encoding="utf-8", newline="") as before,
        (wrong / "members.csv").open("w", encoding="utf-8", newline="") as after,
    ):
        known = csv.DictReader(before, delimiter=";")
        writer = csv.DictWriter(after, list(known.fieldnames or ()), delimiter=";")
        writer.writeheader()
        people = list(islice(known, rows))
        for n in range(rows):
            row = people[n % len(people)]
            if n % 10 < 3:
                bad += 1
                row = row | {"birth_date": "1958-02-31"}
            writer.writerow(row if n < len(people) else row | {"number": f"{row['number']}-{n // len(people)}"})
    return bad


async def feed_lines(stack: Stack, folder: Path, sizes: Sizes, tell: Tell) -> tuple[list[Line], float, str]:
    database = urlsplit(stack.environment(SERVICE)["ENTRAIDE_DATABASE_URL"]).path
    conn = await asyncpg.connect(urlsplit(stack.postgres_url)._replace(path=database).geturl())
    try:
        tell("copy")
        copied = [await feed_yardsticks.copy(conn, folder)]
        tell("feed_first")
        first = await feed(stack, folder)
        tell("copy")
        copied += [await feed_yardsticks.copy(conn, folder) for _ in range(2)]
        await conn.execute("vacuum analyze", timeout=900)
        known = await _known(stack)
        await feed_yardsticks.clone(conn)
        daily, upserts, memory = [], [], [first.mb]
        for day in range(1, sizes.rounds + 1):
            another_day(folder, changed := folder.with_name(f"day-{day}"), CHANGED, day)
            tell(f"feed_daily, day {day}")
            fed = await feed(stack, changed)
            daily.append(fed.seconds + fed.telling)
            memory.append(fed.mb)
            tell(f"upsert, day {day}")
            upserts.append(await feed_yardsticks.upsert(conn, changed, known))
        await conn.execute("drop schema upsert cascade")
        await conn.execute("vacuum analyze", timeout=900)
    finally:
        await conn.close()
    ratio = median(ours / theirs for ours, theirs in zip(daily, upserts, strict=True))
    lines = [
        Line("feed_first", first.seconds, "s", "copy", first.seconds / median(copied)),
        Line("feed_daily", median(daily), "s", "upsert", ratio),
    ]
    return lines, max(memory), f"the first load was told of in {first.telling:.0f} s more"


async def lookup_lines(agent: Asker, empty: Asker, conn: asyncpg.Connection, people: People, sizes: Sizes, tell: Tell) -> list[Line]:
    """p50 of each kind of lookup against the bare query and an empty request of the same round."""
    ours: dict[str, list[float]] = {by: [] for by in QUERIES}
    ratios: dict[str, list[float]] = {by: [] for by in QUERIES}
    for turn in range(sizes.rounds + 1):  # the first one warms everything up
        chosen = [people[(turn * sizes.asked + n) % len(people)] for n in range(sizes.asked)]
        for by, query in QUERIES.items():
            tell(f"lookup_{by}")
            prepared = await conn.prepare(query)
            looked = Took.of(await timed([_get(agent, person[by]) for person in chosen]))
            bare = Took.of(await timed([lambda: empty.get(bare_lookup.PATH)] * sizes.asked))
            asked = Took.of(await timed([_fetch(prepared, person[by]) for person in chosen]))
            if turn:
                ours[by].append(looked.p50)
                ratios[by].append(looked.p50 / (bare.p50 + asked.p50))
    return [Line(f"lookup_{by}", median(ours[by]), "ms", "bare_lookup", median(ratios[by])) for by in QUERIES]


async def search_lines(agent: Asker, people: People, sizes: Sizes, tell: Tell) -> tuple[list[Line], str]:
    """The misspelt queries against a lookup by number; and how many of them have who was meant among the first five."""
    with population.QUERIES.open(encoding="utf-8", newline="") as file:
        asked = list(csv.DictReader(file, delimiter=";"))
    dated = [row for row in asked if any(map(str.isdigit, row["typed"])) and "/" in row["typed"]]
    placed = [row for row in asked if row not in dated]
    found = 0
    for row in asked:  # which warms up, too
        tell("recall")
        members = (await agent.get(f"{API}/members", q=row["typed"]))["members"][:5]
        found += any(_is(member, row) for member in members)
    born, towns, numbers = [], [], []
    for _ in range(sizes.rounds):
        tell("misspelt")
        numbers.append(Took.of(await timed([_get(agent, person["number"]) for person in people[: sizes.asked]])))
        born.append(Took.of(await timed([_get(agent, row["typed"]) for row in dated])))
        towns.append(Took.of(await timed([_get(agent, row["typed"]) for row in placed])))
    lines = [
        Line("misspelt_born", median(one.p50 for one in born), "ms", "lookup_number", _ratio(born, numbers, "p50")),
        Line("misspelt_town_p99", median(one.p99 for one in towns), "ms", "lookup_number_p99", _ratio(towns, numbers, "p99")),
    ]
    return lines, f"recall@5: {found} of {len(asked)} misspelt queries ({len(dated)} with a birth date, {len(placed)} with a town)"


async def preview_lines(stack: Stack, agent: Asker, people: People, changed: Path, sizes: Sizes, tell: Tell) -> list[Line]:
    """Coverage at a rate, quiet and while `changed` is loaded beside it."""
    start = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    count = sizes.previews_s * PREVIEWS_PER_S

    def preview(n: int) -> Callable[[], Awaitable[Any]]:
        person = people[n % len(people)]
        body = {"member_id": str(person["id"]), "service": "towing", "place": person["insee"], "start": start}
        return lambda: agent.post(f"{API}/coverage/preview", body)

    tell("lookup_number at a rate")
    numbers = Took.of(await timed([_get(agent, people[n % len(people)]["number"]) for n in range(count)], PREVIEWS_PER_S))
    tell("preview")
    quiet = Took.of(await timed(map(preview, range(count)), PREVIEWS_PER_S))
    tell("preview beside a feed")
    feeding = asyncio.create_task(feed(stack, changed))
    beside = Took.of(await timed(map(preview, range(count)), PREVIEWS_PER_S))
    assert not feeding.done(), "the feed was over before the previews: take more members or fewer seconds"
    await feeding
    return [
        Line("preview_p99", quiet.p99, "ms", "lookup_number_p99", quiet.p99 / numbers.p99),
        Line("preview_feeding_p99", beside.p99, "ms", "preview_p99", beside.p99 / quiet.p99),
    ]


def _get(agent: Asker, typed: str) -> Callable[[], Awaitable[Any]]:
    return lambda: agent.get(f"{API}/members", q=typed)


def _fetch(prepared: Any, value: str) -> Callable[[], Awaitable[Any]]:
    return lambda: prepared.fetch(value)


def _is(member: dict[str, Any], row: dict[str, str]) -> bool:
    return (fold(member["last_name"]), fold(member["first_name"]), member["birth_date"]) == (
        fold(row["last_name"]), fold(row["first_name"]), row["birth_date"],
    )  # fmt: skip


def _ratio(ours: Sequence[Took], theirs: Sequence[Took], of: str) -> float:
    return median(getattr(one, of) / getattr(other, of) for one, other in zip(ours, theirs, strict=True))


async def _known(stack: Stack) -> Known:
    db = await Database.connect(SERVICE, stack.environment(SERVICE)["ENTRAIDE_DATABASE_URL"], size=1)
    try:
        async with db.transaction() as tx:
            return await contents.known(tx)
    finally:
        await db.close()


async def measure(sizes: Sizes, console: Console) -> int:
    with tempfile.TemporaryDirectory() as place, Console(stderr=True).status("starting PostgreSQL and Kafka") as status:
        stack = await Stack.up(services=(SERVICE,))
        try:
            await migrate_service(stack, SERVICE)
            status.update("writing the files")
            folder = Path(place) / "population"
            written = population.write(folder, datetime.now(UTC).date(), sizes.members)
            lines, mb, told = await feed_lines(stack, folder, sizes, status.update)
            another_day(folder, changed := folder.with_name("half"), 0.5, 0)
            conn = await asyncpg.connect(stack.environment(SERVICE)["ENTRAIDE_DATABASE_URL"])
            people = await conn.fetch(SAMPLES)
            async with api.serving(stack, SERVICE) as (port, token):
                async with bare_lookup.serving() as bare_port, asking(port, token) as agent, asking(bare_port) as empty:
                    lines += await lookup_lines(agent, empty, conn, people, sizes, status.update)
                async with asking(port, token) as agent:
                    searched, recall = await search_lines(agent, people, sizes, status.update)
                    lines += [*searched, *await preview_lines(stack, agent, people, changed, sizes, status.update)]
            await conn.close()
            status.update("feed_memory, three rows in ten wrong")
            bad = much_of_it_wrong(folder, wrong := folder.with_name("wrong"), sizes.members * WRONG_ROWS // population.MEMBERS)
            fed = await feed(stack, wrong)
            assert fed.reports["members"]["bad"] >= bad
            lines.append(Line("feed_memory", max(mb, fed.mb), "MB", "limit", max(mb, fed.mb) / MEMORY_MB))
        finally:
            await stack.down()
    console.print(f"{written.members} members, {written.bad} of them wrong, and {written.contracts} contracts", highlight=False)
    console.print(told, recall, sep="\n", highlight=False)
    return report(lines, bounds=BOUNDS)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.reference", description="Reference at full size, each figure against its yardstick.")
    parser.add_argument("--members", type=int, default=population.MEMBERS, help="fewer for development: the figures mean less then")
    chosen = parser.parse_args()
    sizes = Sizes(chosen.members, previews_s=max(1, Sizes.previews_s * chosen.members // population.MEMBERS))
    sys.exit(uvloop.run(measure(sizes, Console())))


if __name__ == "__main__":
    main()
