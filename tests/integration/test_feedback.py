"""What goes back to a principal: its file, the acknowledgement, and what both sides have changed."""

import asyncio
import csv
import os
import sys
from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from fastapi import FastAPI

from contracts.common import Actor
from deploy.stack import Stack
from services.kit import app as kit
from services.kit.clock import new_id
from services.kit.db import Tenant
from services.kit.errors import Conflict, Invalid
from services.kit.settings import ServiceSettings
from services.reference.api import feedback
from services.reference.store import conflicts
from services.reference.usecases import amendments, exports, feed, guarding, mapping, repairs
from services.reference.usecases.amendments import By
from services.reference.usecases.mapping import Mapping
from tests.conftest import eventually
from tests.integration.reference_harness import Everyone, Reference, as_, reference

__all__ = ["reference"]

ROOT = Path(__file__).parents[2]
AGENT = By(Actor(kind="agent"), "desk", staff=True)
MAPPING = """
principal = "{code}"

[members]
encoding = "windows-1252"
dates = "%d/%m/%Y"
lists = ","
columns = {{ number = "NUM", last_name = "NOM", birth_date = "NE_LE", phones = "TEL", civility = "CIV", changed_on = "MAJ" }}
values.civility = {{ "MME" = "mme", "MR" = "m" }}
conflicts = {{ {rules} }}

[out]
fields = [{fields}]
"""
OLD, OURS, THIRD = "0639984501", "0639984502", "0639984503"


class Bank:
    """A principal of its own, whose files have its own words."""

    def __init__(self, reference: Reference, code: str, folder: Path) -> None:
        self.reference = reference
        self.code = code
        self.folder = folder

    @classmethod
    async def known(cls, reference: Reference, folder: Path) -> "Bank":
        code = f"banque_{new_id()[-8:]}"
        await reference.load("principals", f"code,label,siren,valid_from\n{code},Banque,732829320,2020-01-01\n")
        return cls(reference, code, folder)

    def means(self, rules: str = "", fields: str = '"civility", "birth_date", "phones"') -> Mapping:
        file = self.folder / f"{new_id()}.toml"
        file.write_text(MAPPING.format(code=self.code, rules=rules, fields=fields), encoding="utf-8")
        return mapping.read(file)

    async def sends(self, number: str, phones: str, name: str = "Noël", rules: str = "", changed: str = "") -> feed.Report:
        rows = f"NUM;NOM;NE_LE;TEL;CIV;MAJ\n{number};{name};15/04/1962;{phones};MME;{changed}\n"
        return await self.reference.load("members", rows.encode("windows-1252"), self.means(rules))

    async def id(self, number: str) -> str:
        return str(await self.reference.value("select id from member where feed_key = $1", f"{self.code}/{number}"))

    async def amend(self, number: str, **wanted: Any) -> None:
        async with self.reference.db.transaction() as tx:
            await amendments.amend(tx, await self.id(number), wanted, AGENT, None)

    async def phones(self, number: str) -> list[str]:
        found: list[str] = await self.reference.value("select phones from member where feed_key = $1", f"{self.code}/{number}")
        return found

    async def export(self, name: str = "out.csv", **means: str) -> tuple[exports.Export, list[dict[str, str]]]:
        file = self.folder / name
        made = await exports.export(self.reference.db, self.code, file, self.means(**means))
        with file.open(encoding="windows-1252", newline="") as lines:
            return made, list(csv.DictReader(lines, delimiter=";"))

    async def acknowledge(self, export_id: str) -> None:
        async with self.reference.db.transaction() as tx:
            await exports.acknowledge(tx, export_id, "operator")

    async def conflicts(self) -> list[dict[str, Any]]:
        return await self.reference.db_rows(
            "select k.* from member_conflict k join principal p on p.id = k.principal_id where p.code = $1 order by k.id", self.code
        )


@pytest.fixture
async def bank(reference: Reference, tmp_path: Path) -> Bank:
    return await Bank.known(reference, tmp_path)


@pytest.fixture
async def http(reference: Reference) -> AsyncIterator[httpx.AsyncClient]:
    app: FastAPI = kit.create("reference", ServiceSettings.model_construct(), [feedback.router])
    app.state.db, app.state.verifier = reference.db, Everyone()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://reference/api/reference/v1") as client:
        yield client


def e164(typed: str) -> str:
    return f"+33{typed[1:]}"


# Out


async def test_what_was_changed_goes_out_in_the_principal_s_words_and_comes_in_again(bank: Bank) -> None:
    await bank.sends("N-1", OLD)
    await bank.sends("N-2", OLD)
    await bank.amend("N-1", phones=[OURS, "0199006789"], civility="m")
    made, rows = await bank.export()
    assert (made.rows, made.changes) == (1, 2)
    assert rows == [{"NUM": "N-1", "CIV": "MR", "NE_LE": "15/04/1962", "TEL": f"{e164(OURS)},+33199006789"}]
    report = await bank.reference.load(
        "members", f"NUM;NOM;NE_LE;TEL;CIV;MAJ\nN-1;Noël;15/04/1962;{rows[0]['TEL']};{rows[0]['CIV']};\n".encode("windows-1252"), bank.means()
    )
    assert (report.changed, report.bad) == (1, 0)
    assert (await bank.export())[1] == [], "what comes back is acknowledged"
    assert await bank.conflicts() == []


async def test_the_same_rows_go_out_until_they_are_acknowledged(bank: Bank) -> None:
    await bank.sends("N-1", OLD)
    await bank.amend("N-1", phones=[OURS])
    first, rows = await bank.export()
    content = (bank.folder / "out.csv").read_bytes()
    again, same = await bank.export()
    assert rows == same and first.id != again.id and (bank.folder / "out.csv").read_bytes() == content
    await bank.amend("N-1", civility="m")
    await bank.acknowledge(first.id)
    await bank.acknowledge(first.id)
    rest, rows = await bank.export()
    assert (rest.rows, rest.changes, rows[0]["TEL"], rows[0]["CIV"]) == (1, 1, e164(OURS), "MR")
    await bank.acknowledge(rest.id)
    assert (await bank.export())[0].rows == 0


async def test_only_fields_that_go_out_make_a_row_and_provisional_members_have_none(bank: Bank) -> None:
    await bank.sends("N-1", OLD)
    await bank.amend("N-1", language="en")
    assert (await bank.export())[0].rows == 0
    assert (await bank.export(fields='"language"'))[1] == [{"NUM": "N-1", "language": "en"}]


async def test_what_the_encoding_lacks_is_written_without_its_accents(bank: Bank) -> None:
    await bank.sends("N-1", OLD)
    await bank.amend("N-1", address="3 rue Dvořák ✓ œuvre")
    assert (await bank.export(fields='"address"'))[1][0]["address"] == "3 rue Dvorák ? œuvre"


@pytest.mark.parametrize("point", ["export.half", "export.written"])
async def test_an_export_that_is_killed_loses_nothing_and_leaves_no_half_file(bank: Bank, stack: Stack, point: str) -> None:
    await bank.sends("N-1", OLD)
    await bank.amend("N-1", phones=[OURS])
    file, marker, means = bank.folder / "killed.csv", bank.folder / "reached", bank.folder / "means.toml"
    means.write_text(MAPPING.format(code=bank.code, rules="", fields='"phones"'), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.export_process", bank.code, str(file), str(means)),
        cwd=ROOT,
        env=os.environ | stack.environment("reference") | {"ENTRAIDE_FAILPOINT": point, "ENTRAIDE_FAILPOINT_FILE": str(marker)},
    )
    await eventually(lambda: marker.exists() and psutil.Process(process.pid).status() == psutil.STATUS_STOPPED, seconds=60)
    process.kill()
    assert await process.wait() == -9
    assert file.exists() is (point == "export.written")
    noted = "select count(*) from feed_export e join principal p on p.id = e.principal_id where p.code = $1"
    assert await bank.reference.value(noted, bank.code) == 0
    made, rows = await bank.export("killed.csv", fields='"phones"')
    assert (made.rows, rows) == (1, [{"NUM": "N-1", "TEL": e164(OURS)}])


# In again


async def test_a_file_that_still_has_the_old_value_does_not_undo_ours(bank: Bank) -> None:
    await bank.sends("N-1", OLD)
    await bank.amend("N-1", phones=[OURS], emails=["odile@example.com"])
    await bank.sends("N-1", OLD, name="Noëlle")
    row = await bank.reference.db_row("select * from member where feed_key = $1", f"{bank.code}/N-1")
    assert (row["phones"], row["emails"], row["last_name"]) == ([e164(OURS)], ["odile@example.com"], "Noëlle")
    assert await bank.conflicts() == []
    made, _ = await bank.export()
    await bank.acknowledge(made.id)
    await bank.sends("N-1", OLD, name="Noël")
    assert await bank.phones("N-1") == [e164(OURS)], "acknowledged, and not in its file yet"
    await bank.sends("N-1", THIRD, name="Noël")
    assert (await bank.phones("N-1"), await bank.conflicts()) == ([e164(THIRD)], []), "changed there since"


@pytest.mark.parametrize("ours_first", [True, False], ids=["ours, then theirs", "theirs, then ours"])
@pytest.mark.parametrize("rule", ["ours", "theirs", "newest", "ask"])
async def test_what_both_sides_have_changed_follows_the_rule(bank: Bank, rule: str, ours_first: bool) -> None:
    await bank.sends("N-1", OLD)
    await bank.amend("N-1", phones=[OURS])
    day = date.today() + timedelta(days=2 if ours_first else -2)
    report = await bank.sends("N-1", THIRD, rules=f'phones = "{rule}"', changed=f"{day:%d/%m/%Y}")
    assert (report.changed, report.bad) == (1, 0)
    theirs = rule == "theirs" or (rule == "newest" and ours_first)
    [conflict] = await bank.conflicts()
    assert (conflict["ours"], conflict["theirs"], conflict["rule"]) == ([e164(OURS)], [e164(THIRD)], rule)
    assert conflict["decided"] == (None if rule == "ask" else "theirs" if theirs else "ours")
    assert await bank.phones("N-1") == [e164(THIRD if theirs else OURS)]
    rows = (await bank.export())[1]
    assert [row["TEL"] for row in rows] == ([e164(OURS)] if rule in ("ours", "newest") and not theirs else [])
    await bank.sends("N-1", THIRD, name="Autre", rules=f'phones = "{rule}"', changed=f"{day:%d/%m/%Y}")
    assert len(await bank.conflicts()) == 1, "the same third value is no news"
    assert await bank.phones("N-1") == [e164(THIRD if theirs else OURS)]


@pytest.mark.parametrize("side", ["ours", "theirs"])
async def test_a_person_settles_what_is_asked(bank: Bank, http: httpx.AsyncClient, side: str) -> None:
    await bank.sends("N-1", OLD)
    await bank.amend("N-1", phones=[OURS], civility="m")
    await bank.sends("N-1", THIRD)
    open_ones = (await http.get("/conflicts", headers=as_("supervisor"))).json()["conflicts"]
    conflict = next(one for one in open_ones if one["principal"] == bank.code)
    assert (conflict["field"], conflict["ours"], conflict["theirs"], conflict["decided"]) == ("phones", [e164(OURS)], [e164(THIRD)], None)
    [row] = (await bank.export())[1]
    assert (row["TEL"], row["CIV"]) == (e164(THIRD), "MR"), "what is disputed goes out as it is there"
    at = f"/conflicts/{conflict['id']}/settle"
    assert (await http.post(at, json={"keep": side}, headers=as_("agent"))).status_code == 403
    assert (await http.post(at, json={"keep": side}, headers=as_("supervisor"))).status_code == 204
    refused = await http.post(at, json={"keep": side}, headers=as_("supervisor"))
    assert refused.status_code == 409
    assert await bank.phones("N-1") == [e164(OURS if side == "ours" else THIRD)]
    [row] = (await bank.export())[1]
    assert row["TEL"] == e164(OURS if side == "ours" else THIRD)
    told = (await bank.reference.told(await bank.id("N-1")))[-1][1]
    assert told and told["version"] == await bank.reference.value("select version from member where feed_key = $1", f"{bank.code}/N-1")
    assert (await http.post("/conflicts/999999/settle", json={"keep": side}, headers=as_("supervisor"))).status_code == 404


async def test_another_third_value_while_a_person_is_asked_is_the_one_that_counts(bank: Bank) -> None:
    await bank.sends("N-1", OLD)
    await bank.amend("N-1", phones=[OURS])
    await bank.sends("N-1", THIRD)
    await bank.sends("N-1", "0639984507")
    [conflict] = await bank.conflicts()
    assert (conflict["theirs"], conflict["decided"]) == (["+33639984507"], None)
    await bank.sends("N-1", OURS)
    [conflict] = await bank.conflicts()
    assert (conflict["decided"], conflict["decided_by"]) == ("ours", "file"), "they have come round"
    async with bank.reference.db.transaction() as tx:
        with pytest.raises(Conflict):
            await guarding.settle(tx, conflict["id"], "theirs", AGENT)


async def test_a_row_mended_by_hand_follows_the_rule_of_its_file(bank: Bank) -> None:
    await bank.sends("N-1", OLD)
    await bank.amend("N-1", phones=[OURS])
    await bank.reference.load("members", "NUM;NOM;NE_LE;TEL;CIV;MAJ\nN-1;X;31/02/1962;0639984503;MME;\n", bank.means('phones = "theirs"'))
    refused = await bank.reference.value("select id from feed_refused where key = $1 and state = 'open'", f"{bank.code}/N-1")
    async with bank.reference.db.transaction() as tx:
        await repairs.mend(tx, refused, {"birth_date": "1962-02-28"}, "anna")
    assert await bank.phones("N-1") == [e164(THIRD)]


async def test_a_change_made_while_a_file_is_being_written_is_not_lost(bank: Bank) -> None:
    """The file's batch waits for whoever holds the member's row, and then finds what was changed."""
    await bank.sends("N-1", OLD)
    async with bank.reference.db.transaction() as tx:
        await amendments.amend(tx, await bank.id("N-1"), {"phones": [OURS]}, AGENT, None)
        loading = asyncio.create_task(bank.sends("N-1", OLD, name="Noëlle"))

        async def waits() -> bool:
            blocked = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like 'with saved%'"
            return bool(await bank.reference.value(blocked))

        await eventually(waits, seconds=20)
    assert (await loading).changed == 1
    assert await bank.phones("N-1") == [e164(OURS)]


async def test_a_mapping_cannot_mean_conflicts_or_fields_that_are_none(bank: Bank) -> None:
    for text, said in (
        ('[members]\nconflicts = { ended_on = "ours" }', "conflicts are about these fields"),
        ('[contracts]\nconflicts = { phones = "ours" }', "conflicts are about these fields"),
        ('[members]\nconflicts = { phones = "mine" }', "members.conflicts.phones"),
        ('[out]\nfields = ["ended_on"]', "the fields that go out"),
        ('[out]\nfields = ["phones", "phones"]', "a field twice"),
    ):
        file = bank.folder / "wrong.toml"
        file.write_text(text)
        with pytest.raises(Invalid, match=said):
            mapping.read(file)


async def test_a_principal_acknowledges_its_own_exports_and_sees_no_other(bank: Bank, http: httpx.AsyncClient, tmp_path: Path) -> None:
    await bank.sends("N-1", OLD)
    await bank.amend("N-1", phones=[OURS])
    made, _ = await bank.export()
    mine = str(await bank.reference.value("select id from principal where code = $1", bank.code))
    other = str(await bank.reference.value("select id from principal where code = 'assur_lys'"))
    assert (await http.post(f"/exports/{made.id}/ack", headers=as_("principal", principal_ids=(other,)))).status_code == 404
    listed = (await http.get("/exports", headers=as_("principal", principal_ids=(other,)))).json()["exports"]
    assert made.id not in {one["id"] for one in listed}
    assert (await http.get("/conflicts", headers=as_("principal", principal_ids=(mine,)))).status_code == 403
    taken = await http.post(f"/exports/{made.id}/ack", headers=as_("principal", principal_ids=(mine,)))
    assert (taken.status_code, taken.json()["rows"]) == (200, 1), taken.text
    [export] = (await http.get("/exports", headers=as_("principal", principal_ids=(mine,)))).json()["exports"]
    assert export["acknowledged_at"] and (await bank.export())[0].rows == 0
    async with bank.reference.db.transaction(Tenant(principal_ids=(other,))) as tx:
        for table in ("feed_export", "feed_export_change"):
            assert await tx.conn.fetchval(f"select count(*) from {table}") == 0


async def test_a_batch_without_waiting_changes_costs_one_indexed_look(bank: Bank) -> None:
    async with bank.reference.db.connection() as conn:
        await conn.execute("set enable_seqscan = off")
        plan = await conn.fetch(
            "explain select id from member_change where settled_at is null and feed_key = any($1::text[]) order by feed_key, field, id", ["x"]
        )
        await conn.execute("reset enable_seqscan")
        assert await conflicts.unsettled(conn, ["nobody/0"]) == []
    assert any("member_change_unsettled" in row[0] for row in plan)
