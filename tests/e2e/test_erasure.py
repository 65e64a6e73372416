"""A person whose every word is unlike any other goes through the whole platform, is erased, and is then looked for byte by byte.

Exempt are PostgreSQL's write-ahead log and the dead rows that vacuum has not reached yet: they go with the backups.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from aiokafka.partitioner import murmur2
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource  # type: ignore[attr-defined]

from deploy import persons
from deploy.platform import connections
from deploy.running import Running
from deploy.topics import DAY, DELIVERY, PARTITIONS, SERVICES
from services.gateway import usecases as gateway
from services.gateway.domain import NewUser
from services.kit.db import Database
from services.kit.errors import Conflict
from services.reference.usecases import heartbeat, telling
from services.reference.usecases.feed import load_csv
from tests.conftest import eventually
from tests.e2e.stage import SERVICE, Stage

pytestmark = pytest.mark.timeout(900)

NUMBER = "KNR-7700001"
FIRST, LAST, BORN = "Wxelmine", "Kqzanarivo", "1931-12-13"
PHONE, SHOWN_PHONE = "+33639987741", "06 39 98 77 41"
MAIL, STREET, PLATE, NOTE = "wxelmine@kqzmail.example", "77 impasse Jqwzal", "QZ-741-KX", "Ybvoisine garde les clefs"
REPAID, MOVED, PROOF = "Remboursement Fjqzwa", "78 impasse Qxwzal", "Formulaire Zwyqorf"
MARKERS = (REPAID, MOVED, PROOF, FIRST, LAST, BORN, PHONE[3:], SHOWN_PHONE, MAIL, STREET, PLATE, PLATE.replace("-", ""), NOTE)
HELD_BY = {"reference", "intake", "tracking", "dispatch", "gateway"}


@dataclass(frozen=True)
class Found:
    """Where a marker stands: a table of a service, a topic, a file."""

    place: str
    marker: str


async def in_databases(stage: Stage) -> set[Found]:
    """In every row of every table, its text as PostgreSQL writes it, and its bytes."""
    found = set()
    for service in SERVICES:
        conn = await asyncpg.connect(stage.platform.stack.databases[service].owner)
        try:
            tables = await conn.fetch("select schemaname, tablename from pg_tables where schemaname not in ('pg_catalog', 'information_schema')")
            for schema, table in tables:
                rows = await conn.fetch(f'select t::text from "{schema}"."{table}" t')
                whole = "\n".join(row[0] for row in rows)
                found |= {Found(f"{service}: {schema}.{table}", one) for one in MARKERS if one in whole or one.encode().hex() in whole}
        finally:
            await conn.close()
    return found


def in_topics(stage: Stage) -> set[Found]:
    """In every record that a new reader would still get, from the first on."""
    consumer = Consumer(stage.platform.stack.broker.settings() | {"group.id": "canary", "enable.auto.commit": False})
    found: set[Found] = set()
    ends: dict[tuple[str, int], tuple[int, int]] = {}
    try:
        known = consumer.list_topics(timeout=10).topics
        for place in [(name, partition) for name in known if not name.startswith("__") for partition in known[name].partitions]:
            low, high = consumer.get_watermark_offsets(TopicPartition(*place), timeout=10)
            if low < high:
                ends[place] = low, high
        consumer.assign([TopicPartition(*place, low) for place, (low, _) in ends.items()])
        while ends:
            for message in consumer.consume(500, 0.2):
                body = b" ".join([message.key() or b"", message.value() or b"", *(value or b"" for _, value in message.headers() or [])])
                found |= {Found(f"topic {message.topic()}", marker) for marker in MARKERS if marker.encode() in body}
            for one in consumer.position([TopicPartition(*place) for place in ends]):
                if one.offset >= ends[one.topic, one.partition][1]:
                    del ends[one.topic, one.partition]
    finally:
        consumer.close()
    return found


def in_files(stage: Stage) -> set[Found]:
    """In all that the platform writes beside its engines' own data: logs above all, and whatever is exported."""
    folder = stage.platform.stack.folder
    files = [file for file in folder.rglob("*") if file.is_file() and not {"kafka", "secrets"} & set(file.relative_to(folder).parts)]
    own = [file for file in files if "postgres" not in file.relative_to(folder).parts or file.suffix == ".log"]
    assert any(file.suffix == ".log" for file in own)
    return {Found(file.name, marker) for file in own for body in [file.read_bytes()] for marker in MARKERS if marker.encode() in body}


@contextlib.asynccontextmanager
async def database(stage: Stage, service: str) -> AsyncIterator[Database]:
    db = await Database.connect(service, stage.platform.stack.environment(service)["ENTRAIDE_DATABASE_URL"], size=2)
    try:
        yield db
    finally:
        await db.close()


@contextlib.asynccontextmanager
async def compacting(stage: Stage) -> AsyncIterator[None]:
    """What takes a day takes seconds meanwhile."""
    admin = stage.platform.stack.broker.admin()
    quick = {"segment.ms": "1000", "min.cleanable.dirty.ratio": "0.01", "max.compaction.lag.ms": "1000"}
    before = (await asyncio.to_thread(_config, admin)) | {}
    await asyncio.to_thread(_configure, admin, quick)
    yield
    await asyncio.to_thread(_configure, admin, {name: before[name] for name in quick})


def _config(admin: AdminClient) -> dict[str, str]:
    [future] = admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, "cards")]).values()
    return {name: str(entry.value) for name, entry in future.result(10).items()}


def _configure(admin: AdminClient, values: dict[str, str]) -> None:
    entries = [ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in values.items()]
    [future] = admin.incremental_alter_configs([ConfigResource(ConfigResource.Type.TOPIC, "cards", incremental_configs=entries)]).values()
    future.result(10)


async def load(stage: Stage, folder: Path, kind: Any, rows: str, bad: int = 0) -> None:
    file = folder / f"{kind}.csv"
    file.write_text(rows, encoding="utf-8")
    async with database(stage, "reference") as db:
        report = await load_csv(db, kind, file)
        assert report.bad == bad, report.problems
        await telling.all_of_it(db)


def member_file(principal: str, number: str = NUMBER) -> str:
    row = f"{principal},{number},Mme,{LAST},{FIRST},{BORN},{SHOWN_PHONE},{MAIL},{STREET}"
    return f"principal,number,civility,last_name,first_name,birth_date,phones,emails,address\n{row}\n"


async def known(stage: Stage, folder: Path) -> dict[str, Any]:
    """Comes by a file, twice: one row of it cannot be taken and waits for somebody."""
    model = stage.members[6]
    product = next(one.product.code for one in model.contracts if SERVICE in replace(model, contracts=(one,)).covered(date.today()))
    refused = member_file(model.principal, "KNR-7700002").replace(BORN, f"{BORN} (environ)").splitlines()[1]
    await load(stage, folder, "members", member_file(model.principal) + refused + "\n", bad=1)
    rows = f"number,product,member,starts_on,plate\nKNR-C-1,{product},{NUMBER},2020-01-01,{PLATE}\n"
    await load(stage, folder, "contracts", rows)
    async with stage.desk() as desk:
        [found] = (await desk.get("/api/reference/v1/members", params={"q": NUMBER})).raise_for_status().json()["members"]
    statement = f"principal,reference,member,issued_on,label,paid_gross_cents\n{model.principal},KNR-S-1,{NUMBER},2026-01-05,{REPAID},1200\n"
    await load(stage, folder, "statements", statement)
    async with stage.desk() as desk:
        sheet = (await desk.get(f"/api/reference/v1/members/{found['id']}")).raise_for_status()
        amended = {"address": MOVED}
        at = f"/api/reference/v1/members/{found['id']}"
        (await desk.patch(at, json=amended, headers={"If-Match": sheet.headers["etag"]})).raise_for_status()
        (await desk.put(f"{at}/consents/newsletter", json={"given": True, "proof": PROOF})).raise_for_status()
        code = {"number": NUMBER, "birth_date": BORN, "channel": "email"}
        (await desk.post("/api/reference/v1/accounts/codes", json=code)).raise_for_status()
    async with database(stage, "gateway") as db, db.transaction() as tx:
        name = f"{FIRST} {LAST}"
        await gateway.create_user(tx, NewUser(login=MAIL, password=stage.password, name=name, roles=("member",), member_id=found["id"]))
    return found | {"principal": model.principal, "town": model.town.insee}


async def helped(stage: Stage, person: dict[str, Any]) -> str:
    """A case with a note, offered, accepted, visited, done. Its id."""
    async with stage.desk() as desk:
        body = {
            "principal_id": person["principal_id"], "member_id": person["id"], "beneficiary": {"name": f"{FIRST} {LAST}", "phone": SHOWN_PHONE},
            "address": STREET, "plate": PLATE, "needs": [_tomorrow() | {"place": person["town"], "service": SERVICE, "words": NOTE}],
        }  # fmt: skip
        case: dict[str, Any] = (await desk.post("/api/intake/v1/cases", json=body)).raise_for_status().json()
        (await desk.post(f"/api/intake/v1/cases/{case['case_id']}/notes", json={"text": NOTE})).raise_for_status()
        draft = {"form": {"name": f"{FIRST} {LAST}", "phone": SHOWN_PHONE}}
        (await desk.put(f"/api/intake/v1/drafts/{case['case_id']}", json=draft)).raise_for_status()
    await stage.told(case["case_id"])
    firm, offer = await stage.offered(case["number"])
    async with stage.firm(firm) as http:
        accepted = (await http.post(f"/api/dispatch/v1/offers/{offer['offer_id']}/accept", json=offer["wanted"])).raise_for_status().json()
        mission = f"/api/tracking/v1/missions/{accepted['mission_id']}"

        async def at_work(what: str, body: dict[str, Any] | None) -> bool:
            return (await http.post(f"{mission}/{what}", json=body)).is_success

        await eventually(lambda: at_work("start", None), seconds=60, every=0.5)
        lines = [{"article": "gardening_hour", "unit": "hour", "quantity": "2"}]
        await eventually(lambda: at_work("complete", {"lines": lines}), seconds=60, every=0.5)
    return str(case["case_id"])


def _tomorrow() -> dict[str, str]:
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=1)
    return {"start": start.isoformat(), "end": (start + timedelta(hours=4)).isoformat()}


async def closed(stage: Stage, case_id: str, member_id: str) -> None:
    async with stage.desk() as desk:

        async def close() -> bool:
            return (await desk.post(f"/api/intake/v1/cases/{case_id}/close", json={"reason": "all_done"})).is_success

        await eventually(close, seconds=60, every=0.5)

        async def seen() -> bool:
            return bool((await desk.get(f"/api/tracking/v1/cases/{case_id}")).json()["closed"])

        await eventually(seen, seconds=60, every=0.5)

    async def nobody_open() -> bool:
        async with database(stage, "reference") as db, db.connection() as conn:
            return bool(await conn.fetchval("select open_cases = 0 from member where id = $1", member_id))

    await eventually(nobody_open, seconds=60, every=0.5)


async def billed(stage: Stage, case_id: str) -> int:
    async with database(stage, "billing") as db, db.connection() as conn:
        return int(
            await conn.fetchval("select (select count(*) from bill where case_id = $1) + (select count(*) from charge where case_id = $1)", case_id)
        )


async def test_of_an_erased_person_nothing_is_left_in_databases_topics_logs_and_files(stage: Stage, tmp_path: Path) -> None:
    person = await known(stage, tmp_path)
    member_id = person["id"]
    linked = connections(stage.platform.stack)
    running = Running(stage.url, stage.platform.stack.folder, linked["databases"], linked["kafka"])  # type: ignore[arg-type]
    case_id = await helped(stage, person)
    await eventually(lambda: billed(stage, case_id), seconds=60, every=0.5)

    with pytest.raises(Conflict, match="close them first"):
        await persons.erase(running, member_id)
    await closed(stage, case_id, member_id)

    before = await in_databases(stage)
    assert {one.place.partition(":")[0] for one in before} == HELD_BY, before
    assert {one.marker for one in before} == set(MARKERS), set(MARKERS) - {one.marker for one in before}
    assert {one.place for one in await asyncio.to_thread(in_topics, stage)} == {"topic cards"}
    exported = json.dumps(await persons.export(running, member_id), default=str, ensure_ascii=False)
    assert [marker for marker in (FIRST, LAST, BORN, MAIL, STREET, NOTE) if marker not in exported] == []

    told = await persons.erase(running, member_id)
    assert told.members == [member_id]
    assert {one.where for one in told.erased} >= HELD_BY
    assert {one.code: one.until is not None for one in told.kept}["accounting_documents"]

    async def gone_from_databases() -> bool:
        return not await in_databases(stage)

    try:
        await eventually(gone_from_databases, seconds=60, every=2)
    except AssertionError:
        pytest.fail(f"still there: {sorted(f'{one.place} {one.marker}' for one in await in_databases(stage))}")

    async def gone_from_topics() -> bool:
        async with database(stage, "reference") as db, db.transaction() as tx:
            await heartbeat.beat(tx)
        return not await asyncio.to_thread(in_topics, stage)

    async with compacting(stage):
        await eventually(gone_from_topics, seconds=240, every=3)
    assert in_files(stage) == set()

    await load(stage, tmp_path, "members", member_file(person["principal"]))
    assert await in_databases(stage) == set(), "a later file does not bring the person back"
    assert (await persons.erase(running, member_id)).members == [member_id]
    after = await persons.export(running, member_id)
    assert [marker for marker in MARKERS if marker in json.dumps(after, default=str, ensure_ascii=False)] == []
    assert after["billing"]["bills"] or after["billing"]["charges"], "what the law keeps is kept, without the person"
    async with httpx.AsyncClient(base_url=stage.url) as browser:
        form = {"login": MAIL, "password": stage.password}
        refused = await browser.post("/sign-in", data=form, headers={"Origin": stage.url, "Accept": "text/html"})
        assert refused.status_code >= 400


def test_heartbeats_reach_every_partition_of_the_cards() -> None:
    assert {(murmur2(f"member:{nobody}".encode()) & 0x7FFFFFFF) % PARTITIONS for nobody in heartbeat.IDS} == set(range(PARTITIONS))


def test_what_was_sent_to_providers_runs_out_within_eight_days() -> None:
    assert int(DELIVERY["retention.ms"]) + int(DELIVERY["segment.ms"]) <= 8 * DAY
