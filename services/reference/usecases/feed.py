"""Loading the files of a principal: every row validated, those that changed written and told in batches, whoever is missing from a full
file ended. The same file twice does nothing; a load that was killed is taken up by loading the file again. One file of a kind at a time.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, get_args

import orjson

from services.kit import failpoints
from services.kit.clock import new_id
from services.kit.db import Database, Transaction
from services.kit.errors import Conflict, Invalid, NotFound
from services.reference.domain.amending import Rule
from services.reference.domain.entitlement import CONTRACT_ZONE
from services.reference.store import feed as store
from services.reference.store import runs
from services.reference.store.runs import Refused
from services.reference.usecases import contents, files, saving
from services.reference.usecases.contents import BadRow, Known
from services.reference.usecases.mapping import ENDS, MODELS, OURS, FileMapping, Kind, Mapping

BATCH = 2_000
STAGED = 10_000
WORKERS = 2
LISTED = 1_000  # refused rows that a report names; all are counted and kept
KINDS: tuple[Kind, ...] = get_args(Kind)  # none refers to one that follows it


Heard = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Problem:
    line: int
    reason: str
    field: str = ""


@dataclass(slots=True)
class Report:
    """`line` counts from 2: line 1 holds the columns. `asks`: nothing was written, since `vanished` of the `known` would end."""

    run_id: str
    kind: Kind
    rows: int = 0
    changed: int = 0
    bad: int = 0
    ended: int = 0
    vanished: int = 0
    known: int = 0
    asks: bool = False
    problems: list[Problem] = field(default_factory=list)

    @property
    def unchanged(self) -> int:
        return 0 if self.asks else self.rows - self.changed - self.bad

    def refuse(self, line: int, reason: str, field: str = "") -> None:
        self.bad += 1
        if len(self.problems) < LISTED:
            self.problems.append(Problem(line, reason, field))


async def load_csv(db: Database, kind: Kind, file: Path, mapping: Mapping = OURS, *, heard: Heard = lambda _: None) -> Report:
    """Raises `Invalid` for a file that is not of this kind, and while another of this kind is being loaded; a bad row stops nothing, is
    reported and kept for whoever mends it.

    `heard` gets how many lines are done, now and then, of twice those of the file: each is read, later written.
    """
    report = Report(new_id(), kind)
    part = mapping.of(kind)
    with file.open("rb") as data:
        digest = hashlib.file_digest(data, lambda: hashlib.blake2b(digest_size=32)).digest()
    async with _alone(db, kind):
        async with db.transaction() as tx:
            await runs.begin(tx.conn, report.run_id, kind, file.name, digest, part.mode)
            await runs.note(tx.conn, report.run_id, conflicts=part.conflicts)
            known = await contents.known(tx)
        async with _failing(db, report.run_id):
            principals = await _stage(db, file, part, known, report, heard)
            if mapping.principal in known.principals:
                principals.add(known.principals[mapping.principal])
            if part.mode == "full" and await _ends_too_many(db, part, principals, known.today, report):
                return report
            await _apply(db, report, sorted(principals) if part.mode == "full" else [], heard)
    return report


async def confirm(db: Database, run_id: str, by: str, *, heard: Heard = lambda _: None) -> Report:
    """Writes what a run that asks has read, and ends whom it does not name. Raises `NotFound`, `Conflict`, `Invalid`."""
    async with db.transaction() as tx:
        run = await _asking(tx.conn, run_id)
    async with _alone(db, run["kind"]):
        async with db.transaction() as tx:
            run = await _asking(tx.conn, run_id)
            if not await runs.staged(tx.conn, run_id):
                raise Conflict("its rows are gone; load the file again")
            await runs.note(tx.conn, run_id, state="loading", settled_by=by)
        report = Report(run_id, run["kind"], rows=run["lines"], bad=run["refused"], vanished=run["vanished"], known=run["known"])
        async with _failing(db, run_id):
            await _apply(db, report, run["principal_ids"], heard)
    return report


async def abandon(db: Database, run_id: str, by: str) -> None:
    """Of a run that asks nothing is written. Raises `NotFound`, `Conflict`."""
    async with db.transaction() as tx:
        await _asking(tx.conn, run_id)
        await runs.abandon(tx.conn, run_id, by)


async def _asking(conn: Any, run_id: str) -> dict[str, Any]:
    run = await runs.run(conn, run_id)
    if run is None:
        raise NotFound("no such file was loaded")
    if run["state"] != "asks":
        raise Conflict(f"this file does not ask anything: it is {run['state']}")
    return run


@asynccontextmanager
async def _alone(db: Database, kind: Kind) -> AsyncIterator[None]:
    async with db.connection() as conn:
        if not await runs.lock(conn, kind):
            raise Conflict(f"another file of {kind} is being loaded; try again when it is done")
        try:
            yield
        finally:
            await runs.unlock(conn, kind)


@asynccontextmanager
async def _failing(db: Database, run_id: str) -> AsyncIterator[None]:
    """What breaks a run off stands in its history."""
    try:
        yield
    except Exception as wrong:
        async with db.transaction() as tx:
            await runs.fail(tx.conn, run_id, wrong.code if isinstance(wrong, Invalid) else type(wrong).__name__)
        raise


async def _stage(db: Database, file: Path, part: FileMapping, known: Known, report: Report, heard: Heard) -> set[str]:
    """Reads and validates all of it, and notes what must be noted of the run. Returns whose rows there are."""
    principals: set[str] = set()
    rows: list[tuple[int, str, bytes, str]] = []
    refused: list[Refused] = []

    async def flush() -> None:
        async with db.transaction() as tx:
            await runs.stage(tx.conn, report.run_id, rows)
            await runs.refuse(tx.conn, report.run_id, report.kind, refused)
        rows.clear()
        refused.clear()

    def refuse(line: int, wrong: BadRow, key: str | None, cells: dict[str, str] | None) -> None:
        report.refuse(line, wrong.reason, wrong.field)
        refused.append((line, key, orjson.dumps(cells).decode() if cells else None, wrong.reason, wrong.field))

    with files.opened(file, part.encoding) as table:
        if missing := part.missing(report.kind, table.columns):
            raise Invalid(f"{report.kind}: the columns {', '.join(missing)} are missing", code="missing_columns")
        read = part.reader(report.kind, table.columns, known.today)
        for line, cells, trouble in table.rows:
            report.rows += 1
            if trouble:
                refuse(line, BadRow(trouble), None, None)
            else:
                named = read(cells)
                try:
                    key, content = contents.taken(report.kind, named, known)
                except BadRow as wrong:
                    refuse(line, wrong, MODELS[report.kind].key_of(named), named)
                else:
                    body = orjson.dumps(content)
                    rows.append((line, key, hashlib.blake2b(body, digest_size=16).digest(), body.decode()))
                    if report.kind in ENDS:
                        principals.add(content["principal_id"])
            if len(rows) + len(refused) >= STAGED:
                await flush()
                heard(line)
    async with db.transaction() as tx:
        await runs.stage(tx.conn, report.run_id, rows)
        await runs.whole(tx.conn)
        for twin in await runs.take_twins(tx.conn, report.run_id):
            refuse(twin["line"], BadRow("duplicate_key"), twin["key"], contents.fields(report.kind, twin["key"], orjson.loads(twin["content"])))
        await runs.refuse(tx.conn, report.run_id, report.kind, refused)
        await runs.note(tx.conn, report.run_id, lines=report.rows, refused=report.bad)
    return principals


async def _ends_too_many(db: Database, part: FileMapping, principals: set[str], today: date, report: Report) -> bool:
    """Whether a person must say so first: there are more than the mapping allows, or a row of which nobody knows whom it names."""
    async with db.transaction() as tx:
        await runs.whole(tx.conn)
        report.vanished, report.known = await runs.missing(tx.conn, report.run_id, report.kind, sorted(principals), _eve(today))
        many = report.vanished > report.known * part.ends_at_most / 100
        report.asks = report.vanished > 0 and (many or await runs.nameless(tx.conn, report.run_id))
        state = {"state": "asks"} if report.asks else {}
        await runs.note(tx.conn, report.run_id, **state, vanished=report.vanished, known=report.known, principal_ids=sorted(principals))
    return report.asks


async def _apply(db: Database, report: Report, principals: list[str], heard: Heard) -> None:
    """`principals`: of which whoever was not named ends."""
    await _write(db, report, heard)
    if principals:
        await _end(db, report, principals)
    async with db.transaction() as tx:
        await runs.whole(tx.conn)
        await runs.finish(tx.conn, report.run_id, report.kind)


async def _write(db: Database, report: Report, heard: Heard) -> None:
    """Window by window; the database works on one while we work on another."""
    async with db.transaction() as tx:
        last = await runs.last_line(tx.conn, report.run_id)
        run = await runs.run(tx.conn, report.run_id)
    rules: dict[str, Rule] = run["conflicts"] if run else {}
    windows = iter(range(1, last, STAGED))

    async def work() -> None:
        for first in windows:
            line = first
            while line < first + STAGED:
                async with db.transaction() as tx:
                    await runs.pieces(tx.conn)
                    rows = await store.changed(tx.conn, report.kind, report.run_id, line, first + STAGED, BATCH)
                    unknown = await _save(tx, report, rows, rules) if rows else []
                failpoints.hit("feed.after_batch")
                for line_refused, _, _, reason, about in unknown:
                    report.refuse(line_refused, reason, about)
                line = rows[-1]["line"] if len(rows) == BATCH else first + STAGED
            heard(report.rows + line)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(work())
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None


async def _save(tx: Transaction, report: Report, rows: list[dict[str, Any]], rules: dict[str, Rule]) -> list[Refused]:
    """Returns the rows whose member, or contract, nobody knows."""
    saved = await saving.save(tx, report.kind, [(row["key"], row["hash"], row["content"]) for row in rows], rules)
    unknown = [await _unknown(tx, report.kind, row) for row in rows if row["key"] not in saved]
    await runs.refuse(tx.conn, report.run_id, report.kind, unknown)
    await tx.flush()
    await runs.count(tx.conn, report.run_id, "changed", len(saved))  # last, since everybody counts there
    report.changed += len(saved)
    return unknown


async def _unknown(tx: Transaction, kind: Kind, row: dict[str, Any]) -> Refused:
    content = orjson.loads(row["content"])
    lacking = await saving.lacking(tx, kind, content)
    return row["line"], row["key"], orjson.dumps(contents.fields(kind, row["key"], content)).decode(), f"unknown_{lacking}", lacking


async def _end(db: Database, report: Report, principals: list[str]) -> None:
    async with db.transaction() as tx:
        await runs.whole(tx.conn)
        last_day = _eve(tx.now.astimezone(CONTRACT_ZONE).date())
        ids = await runs.vanished(tx.conn, report.run_id, report.kind, principals, last_day)
    for place in range(0, len(ids), BATCH):
        async with db.transaction() as tx:
            batch = ids[place : place + BATCH]
            await saving.end(tx, report.kind, batch, last_day)
            await runs.count(tx.conn, report.run_id, "ended", len(batch))
        report.ended += len(batch)


def _eve(day: date) -> date:
    """The last day of whoever is not in that day's file."""
    return day - timedelta(days=1)
