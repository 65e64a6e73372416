"""The files of a principal over time: its own columns, who is missing, what is refused and mended, a load that is killed."""

import asyncio
import os
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from deploy.stack import Stack
from services.kit.clock import new_id
from services.kit.errors import Conflict, Invalid
from services.reference.store import runs
from services.reference.usecases import feed, mapping, repairs, telling
from services.reference.usecases.mapping import Mapping
from tests.conftest import eventually
from tests.integration.reference_harness import Reference, reference

__all__ = ["reference"]

ROOT = Path(__file__).parents[2]
MAPPING = """
principal = "{principal}"

[members]
mode = "full"
ends_at_most = 10
encoding = "windows-1252"
dates = "%d/%m/%Y"
lists = ","
columns = {{ number = "NUM_ADH", last_name = "NOM", birth_date = "NE_LE", phones = "TEL" }}
values.civility = {{ "MME" = "mme" }}

[contracts]
dates = "%d/%m/%Y"
columns = {{ number = "POLICE", product = "PRODUIT", member = "NUM_ADH", starts_on = "EFFET" }}
values.product = {{ "M1" = "{product}" }}
ends = {{ column = "MVT", values = ["S"], from = "DATE_MVT" }}
"""


class Insurer:
    """A principal of its own, with one product, that sends files in its own words."""

    def __init__(self, reference: Reference, code: str, means: Mapping) -> None:
        self.reference = reference
        self.code = code
        self.means = means

    @classmethod
    async def known(cls, reference: Reference, folder: Path) -> "Insurer":
        code = f"mutuelle_{new_id()[-8:]}"
        await reference.load("principals", f"code,label,siren,valid_from\n{code},Mutuelle,732829320,2020-01-01\n")
        await reference.load("products", f"code,label,principal\n{code}_home,Maison,{code}\n")
        file = folder / f"{code}.toml"
        file.write_text(MAPPING.format(principal=code, product=f"{code}_home"), encoding="utf-8")
        return cls(reference, code, mapping.read(file))

    async def members(self, *rows: str) -> feed.Report:
        return await self.reference.load("members", "\n".join(["NUM_ADH;NOM;NE_LE;TEL;civility", *rows]).encode("windows-1252"), self.means)

    async def contracts(self, *rows: str) -> feed.Report:
        return await self.reference.load("contracts", "\n".join(["POLICE;PRODUIT;NUM_ADH;EFFET;MVT;DATE_MVT", *rows]), self.means)

    async def ended(self) -> dict[str, date | None]:
        async with self.reference.db.connection() as conn:
            rows = await conn.fetch("select number, ended_on from member where feed_key like $1", f"{self.code}/%")
        return {row["number"]: row["ended_on"] for row in rows}

    async def run(self, report: feed.Report) -> dict[str, Any]:
        async with self.reference.db.connection() as conn:
            run = await runs.run(conn, report.run_id)
        assert run is not None
        return run


@pytest.fixture
async def insurer(reference: Reference, tmp_path: Path) -> Insurer:
    return await Insurer.known(reference, tmp_path)


def many(count: int, *, without: int = 0) -> list[str]:
    return [f"ADH-{number:03d};Nom{number};;;" for number in range(without, count)]


async def test_a_principal_s_own_columns_words_and_dates_become_ours(insurer: Insurer) -> None:
    report = await insurer.members("ADH-1;Noël;15/04/1962;06 39 98 77 01,01 99 00 67 89;MME")
    assert (report.changed, report.bad) == (1, 0)
    row = await insurer.reference.db_row("select * from member where number = 'ADH-1' and feed_key like $1", f"{insurer.code}/%")
    assert (row["last_name"], row["birth_date"], row["civility"]) == ("Noël", date(1962, 4, 15), "mme")
    assert row["phones"] == ["+33639987701", "+33199006789"]


async def test_whoever_a_full_file_does_not_name_has_left_since_the_day_before_and_comes_back_when_named(insurer: Insurer) -> None:
    await insurer.members(*many(20))
    report = await insurer.members(*many(20, without=1))
    yesterday = (await insurer.run(report))["began_at"].date() - timedelta(days=1)
    assert (report.ended, report.changed, report.unchanged) == (1, 0, 19)
    gone = (await insurer.ended())["ADH-000"]
    assert gone is not None and abs(gone - yesterday) <= timedelta(days=1)  # the day is that of Paris
    told = await insurer.reference.told(str(await insurer.reference.value("select id from member where feed_key = $1", f"{insurer.code}/ADH-000")))
    assert told[-1][1] and told[-1][1]["ended_on"] == gone.isoformat()
    again = await insurer.members(*many(20))
    assert (again.changed, (await insurer.ended())["ADH-000"]) == (1, None)
    assert (await insurer.members(*many(20))).changed == 0


async def test_a_full_file_that_would_end_too_many_writes_nothing_and_asks(insurer: Insurer) -> None:
    await insurer.members(*many(20))
    held = await insurer.members(*many(20, without=3), "ADH-900;Nouveau;;;")
    assert (held.asks, held.vanished, held.known, held.changed) == (True, 3, 20, 0)
    assert set((await insurer.ended()).values()) == {None} and "ADH-900" not in await insurer.ended()
    report = await feed.confirm(insurer.reference.db, held.run_id, "operator")
    assert (report.changed, report.ended) == (1, 3)
    assert sum(day is not None for day in (await insurer.ended()).values()) == 3
    run = await insurer.run(report)
    assert (run["state"], run["settled_by"], run["changed"], run["ended"]) == ("done", "operator", 1, 3)
    with pytest.raises(Conflict):
        await feed.confirm(insurer.reference.db, held.run_id, "operator")


async def test_a_file_that_asks_may_be_left_and_gives_way_to_the_next(insurer: Insurer) -> None:
    await insurer.members(*many(20))
    first, second = await insurer.members(*many(5)), await insurer.members(*many(6))
    assert (await insurer.run(first))["state"] == "abandoned" and second.asks
    await feed.abandon(insurer.reference.db, second.run_id, "operator")
    assert (await insurer.run(second))["state"] == "abandoned"
    with pytest.raises(Conflict):
        await feed.confirm(insurer.reference.db, second.run_id, "operator")
    assert await insurer.reference.value("select count(*) from staged") == 0


async def test_a_refused_row_ends_nobody_and_one_that_names_nobody_makes_the_file_ask(insurer: Insurer) -> None:
    await insurer.members(*many(20))
    refused = await insurer.members(*many(20, without=1), "ADH-000;Nom;no date;;")
    assert (refused.bad, refused.ended, refused.asks) == (1, 0, False)
    nameless = await insurer.members(*many(20, without=1), "ADH-000;Nom")
    assert (nameless.bad, nameless.asks, nameless.vanished) == (1, True, 1)
    await feed.abandon(insurer.reference.db, nameless.run_id, "operator")


async def test_a_delta_file_says_itself_who_leaves_and_changes_nobody_else(insurer: Insurer) -> None:
    await insurer.members(*many(2))
    await insurer.contracts("P-1;M1;ADH-000;01/02/2020;C;", "P-2;M1;ADH-001;01/02/2020;C;")
    report = await insurer.contracts("P-1;M1;ADH-000;01/02/2020;S;31/10/2026")
    assert (report.changed, report.ended) == (1, 0)
    ends = await insurer.reference.db_rows("select number, ends_on from contract where product = $1 order by number", f"{insurer.code}_home")
    assert [(row["number"], row["ends_on"]) for row in ends] == [("P-1", date(2026, 10, 31)), ("P-2", None)]


async def test_a_refused_row_is_kept_as_the_file_had_it_mended_and_taken(insurer: Insurer) -> None:
    await insurer.members("ADH-1;Dupont;31/02/1970;;")
    [row] = await open_rows(insurer)
    assert (row["line"], row["reason"], row["field"]) == (2, "date_from_datetime_parsing", "birth_date")
    async with insurer.reference.db.transaction() as tx:
        with pytest.raises(Invalid) as wrong:
            await repairs.mend(tx, row["id"], {"birth_date": "1970-02-30"}, "anna")
    assert wrong.value.code == "date_from_datetime_parsing"
    async with insurer.reference.db.transaction() as tx:
        await repairs.mend(tx, row["id"], {"birth_date": "1970-02-28"}, "anna")
    assert await insurer.reference.value("select birth_date from member where feed_key = $1", f"{insurer.code}/ADH-1") == date(1970, 2, 28)
    assert await open_rows(insurer) == []
    async with insurer.reference.db.transaction() as tx:
        with pytest.raises(Conflict):
            await repairs.mend(tx, row["id"], {}, "anna")


async def test_a_contract_of_nobody_waits_until_its_member_is_there(insurer: Insurer) -> None:
    report = await insurer.contracts("P-1;M1;ADH-7;01/02/2020;C;")
    assert [(bad.reason, bad.field) for bad in report.problems] == [("unknown_member", "member")]
    [row] = await open_rows(insurer)
    await insurer.members("ADH-7;Dupont;;;")
    async with insurer.reference.db.transaction() as tx:
        await repairs.mend(tx, row["id"], {}, "anna")
    assert await insurer.reference.value("select count(*) from contract where feed_key = $1", f"{insurer.code}_home/P-1") == 1


async def test_a_later_file_settles_what_it_names_again_and_a_row_may_be_dropped(insurer: Insurer) -> None:
    await insurer.members("ADH-1;Dupont;no date;;", "ADH-2;Durand;no date;;")
    one, other = await open_rows(insurer)
    await insurer.members("ADH-1;Dupont;15/04/1962;;", "ADH-2;Durand;still none;;")
    [again] = await open_rows(insurer)
    assert again["key"] == other["key"] and again["id"] != other["id"]
    async with insurer.reference.db.transaction() as tx:
        await repairs.drop(tx, again["id"], "anna")
    ids = [one["id"], other["id"], again["id"]]
    states = await insurer.reference.db_rows("select state from feed_refused where id = any($1::bigint[]) order by id", ids)
    assert [row["state"] for row in states] == ["superseded", "superseded", "dropped"]


async def test_a_mapping_that_cannot_be_meant_says_why(tmp_path: Path, insurer: Insurer) -> None:
    file = tmp_path / "wrong.toml"
    for text, said in (
        ("[members]\ncolumns = { surname = 'NOM' }", "surname is no field of ours"),
        ("[products]\nmode = 'full'", "only members, contracts, beneficiaries and statements end by a file"),
        ("[members]\nmode = 'some'", "members.mode"),
        ("[members", "is no TOML file"),
    ):
        file.write_text(text)
        with pytest.raises(Invalid, match=said):
            mapping.read(file)
    with pytest.raises(Invalid, match="NE_LE, NOM, NUM_ADH, TEL"):
        await insurer.reference.load("members", "number;last_name\nA-1;Dupont\n", insurer.means)
    async with insurer.reference.db.connection() as conn:
        [run] = await runs.history(conn, None, 1)
    assert (run["state"], run["reason"]) == ("failed", "missing_columns")


async def test_one_file_of_a_kind_at_a_time(insurer: Insurer) -> None:
    async with insurer.reference.db.connection() as conn:
        assert await runs.lock(conn, "members")
        with pytest.raises(Conflict):
            await insurer.members("ADH-1;Dupont;;;")
        await runs.unlock(conn, "members")
    assert (await insurer.members("ADH-1;Dupont;;;")).changed == 1


async def test_a_load_killed_half_way_is_taken_up_by_loading_the_file_again(insurer: Insurer, stack: Stack, tmp_path: Path) -> None:
    count = 2 * feed.BATCH + 500
    file = tmp_path / "members.csv"
    file.write_text("\n".join(["principal,number,last_name", *(f"{insurer.code},K-{number:05d},Nom" for number in range(count))]))
    assert await killed_after_a_batch(stack, tmp_path, "members", file) == -9
    mine = f"{insurer.code}/K-%"
    assert await insurer.reference.value("select count(*) from member where feed_key like $1", mine) == feed.BATCH
    report = await feed.load_csv(insurer.reference.db, "members", file)
    assert (report.changed, report.unchanged, report.bad) == (feed.BATCH + 500, feed.BATCH, 0)
    assert await telling.all_of_it(insurer.reference.db) == count
    told = "select count(*) from kit.outbox o join member m on o.aggregateid = m.id::text where m.feed_key like $1"
    assert await insurer.reference.value(told, mine) == count
    async with insurer.reference.db.connection() as conn:
        latest, killed = await runs.history(conn, None, 2)
    assert (latest["state"], killed["state"], killed["reason"], killed["changed"]) == ("done", "failed", "interrupted", feed.BATCH)
    assert await insurer.reference.value("select count(*) from staged") == 0


async def test_contracts_hear_of_a_changed_guarantee_though_the_load_was_killed_before_it_told_them(
    insurer: Insurer, stack: Stack, tmp_path: Path
) -> None:
    reference = insurer.reference
    await insurer.members("ADH-1;Dupont;;;")
    await insurer.contracts("P-1;M1;ADH-1;01/02/2020;C;")
    file = tmp_path / "guarantees.csv"
    file.write_text(f"product,code,services,units_per_year\n{insurer.code}_home,home,gardening,6\n")
    assert await killed_after_a_batch(stack, tmp_path, "guarantees", file) == -9
    assert (await feed.load_csv(reference.db, "guarantees", file)).changed == 0
    await telling.all_of_it(reference.db)
    contract_id = str(await reference.value("select id from contract where feed_key = $1", f"{insurer.code}_home/P-1"))
    told = (await reference.told(contract_id))[-1][1]
    assert told and [one["units_per_year"] for one in told["guarantees"]] == ["6"]
    assert not await reference.value("select exists (select from product where restating)")


async def killed_after_a_batch(stack: Stack, folder: Path, kind: str, file: Path) -> int:
    """The return code of a process that loads this file and is killed when it has written its first batch."""
    marker = folder / "reached"
    armed = {"ENTRAIDE_FAILPOINT": "feed.after_batch", "ENTRAIDE_FAILPOINT_FILE": str(marker)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.feed_process", kind, str(file)),
        cwd=ROOT,
        env=os.environ | stack.environment("reference") | armed,
    )
    await eventually(lambda: marker.exists() and psutil.Process(process.pid).status() == psutil.STATUS_STOPPED, seconds=60)
    process.kill()
    return await process.wait()


async def open_rows(insurer: Insurer) -> list[dict[str, Any]]:
    async with insurer.reference.db.connection() as conn:
        rows = await runs.refused(conn, limit=200)
    return [row for row in rows if row["key"] and row["key"].startswith(insurer.code)]
