"""What an operator types at a running platform: feeds, providers, status. Databases and broker are real, the services are not needed."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from subprocess import CompletedProcess
from urllib.parse import urlsplit

import pytest
from confluent_kafka import Consumer, Producer

from contracts.common import Actor
from deploy import operations, providers
from deploy.demo.catalogue import siren, siret
from deploy.platform import connections, migrate_service
from deploy.running import Running
from deploy.stack import Stack
from deploy.topics import SERVICES, Broker
from services.gateway import store as accounts
from services.gateway import usecases as gateway
from services.gateway.domain import NewClient
from services.kit.clock import new_id
from services.kit.db import Database
from services.kit.errors import Conflict
from services.reference.usecases import amendments
from services.reference.usecases.amendments import By
from tests.conftest import eventually

Entraide = Callable[..., CompletedProcess[str]]

ROOT = Path(__file__).parents[2]
FEEDS = {
    "contracts-1": "number,product,member,starts_on\nC-7001,ops_home,O-7001,2024-01-01\nC-7002,ops_home,O-7002,2024-01-01\n",
    "members-1": "principal,number,last_name\nops_alma,O-7001,Montvert\n",
    "guarantees": "product,code,services,units_per_year\nops_home,garden,gardening,10\n",
    "products": "code,label,principal\nops_home,Maison,ops_alma\n",
    "principals": f"code,label,siren,valid_from\nops_alma,Alma,{siren(430_001)},2024-01-01\n",
}
VERT_FIL = ("--label", "Vert-Fil", "--siret", siret(430_001), "--insee", "69123", "--capacity", "5")


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """One of its own: the suites of the services count what is in theirs."""
    made = await Stack.up(tmp_path_factory.mktemp("stack"), partitions=2)
    yield made
    await made.down()


@pytest.fixture(scope="module")
async def running(stack: Stack) -> Running:
    for service in SERVICES:
        await migrate_service(stack, service)
    return Running("http://127.0.0.1:1", stack.folder, **connections(stack))  # type: ignore[arg-type]


@pytest.fixture
def entraide(running: Running, tmp_path: Path) -> Entraide:
    """The command, beside a platform whose note it finds."""
    notes = tmp_path / "state" / "entraide"
    notes.mkdir(parents=True)
    note = {"url": running.url, "folder": str(running.folder), "databases": running.databases, "kafka": running.kafka}
    (notes / f"{os.getpid()}.json").write_text(json.dumps(note))
    environment = os.environ | {"XDG_STATE_HOME": str(tmp_path / "state"), "COLUMNS": "200"}

    def run(*words: str | Path, **more: str) -> CompletedProcess[str]:
        command = [sys.executable, "-m", "deploy", *map(str, words)]
        return subprocess.run(command, cwd=ROOT, env=environment | more, capture_output=True, text=True, timeout=60, check=False)

    return run


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    for name, rows in FEEDS.items():
        (tmp_path / f"{name}.csv").write_text(rows)
    return [tmp_path / f"{name}.csv" for name in FEEDS]


def rows(said: CompletedProcess[str]) -> dict[str, list[str]]:
    """The table of a command: first cell → the others."""
    lines = [[cell.strip() for cell in line.strip("│").split("│")] for line in said.stdout.splitlines() if line.startswith("│")]
    return {first: rest for first, *rest in lines}


def test_files_are_loaded_whatever_their_order_and_a_refused_row_is_told_with_its_line(entraide: Entraide, files: list[Path]) -> None:
    said = entraide("feed", "load", *files)
    assert rows(said) == {
        "principals.csv": ["1", "1", "0", "0", "0"],
        "products.csv": ["1", "1", "0", "0", "0"],
        "guarantees.csv": ["1", "1", "0", "0", "0"],
        "members-1.csv": ["1", "1", "0", "0", "0"],
        "contracts-1.csv": ["2", "1", "0", "1", "0"],
    }
    assert "contracts-1.csv line 3: unknown_member member" in said.stdout
    assert said.returncode == 1

    again = entraide("feed", "load", *files[1:])
    assert [counts[1:] for counts in rows(again).values()] == [["0", "1", "0", "0"]] * 4
    assert again.returncode == 0


def test_a_refused_row_is_listed_mended_and_taken(entraide: Entraide, files: list[Path], tmp_path: Path) -> None:
    assert entraide("feed", "load", *files[1:]).returncode == 0
    wrong = tmp_path / "members-2.csv"
    wrong.write_text("principal,number,last_name,birth_date\nops_alma,O-7010,Riou,31/02/1961\nops_alma,O-7011,Riou,nobody knows\n")
    assert entraide("feed", "load", wrong).returncode == 1
    listed = entraide("feed", "repair").stdout
    one, other = (line.split()[0] for line in listed.splitlines() if "members-2.csv line" in line)
    assert "birth_date" in listed and '"number":"O-7010"' in listed
    still = entraide("feed", "repair", one, "birth_date=1961-02-30")
    assert (still.returncode, "the row still cannot be taken" in still.stderr) == (1, True)
    assert entraide("feed", "repair", one, "birth_date=1961-02-28").stdout == "taken\n"
    assert entraide("feed", "repair", other, "--drop").stdout == "dropped\n"
    assert "members-2.csv" not in entraide("feed", "repair").stdout
    assert "settled" in entraide("feed", "repair", one).stderr


async def test_a_person_is_found_twice_handed_out_and_erased(entraide: Entraide, running: Running, files: list[Path], tmp_path: Path) -> None:
    assert entraide("feed", "load", *files[1:]).returncode == 0
    twice = tmp_path / "members-4.csv"
    row = "Quemeneur,Gwenola,1939-09-09\n"
    twice.write_text(f"principal,number,last_name,first_name,birth_date\nops_alma,O-7020,{row}ops_alma,O-7021,{row}")
    assert entraide("feed", "load", twice).returncode == 0
    assert "1 pairs" in entraide("person", "duplicates").stdout
    async with operations.database(running, "reference") as db, db.connection() as conn:
        member_id = await conn.fetchval("select id from member where number = 'O-7020'")
    held = json.loads(entraide("person", "export", member_id).stdout)
    assert set(held) == set(SERVICES)
    assert held["reference"]["members"][0]["first_name"] == "Gwenola"
    told = entraide("person", "erase", member_id, "--yes")
    assert told.returncode == 0 and "article L123-22" in told.stdout
    assert "Gwenola" not in entraide("person", "export", member_id).stdout
    assert "no such member" in entraide("person", "erase", new_id(), "--yes").stderr
    assert entraide("person", "export", "nobody").returncode == 2
    assert entraide("person", "erase", member_id).returncode == 1, "nobody said yes"


def test_a_full_file_that_would_end_too_many_asks_and_is_left_or_confirmed(entraide: Entraide, files: list[Path], tmp_path: Path) -> None:
    means = tmp_path / "alma.toml"
    means.write_text('principal = "ops_alma"\n[members]\nmode = "full"\ncolumns = { number = "NUM", last_name = "NOM" }\n')
    assert entraide("feed", "load", *files[1:]).returncode == 0
    none = tmp_path / "members-3.csv"
    none.write_text("NUM;NOM\nO-7099;Autre\n")
    asked = [entraide("feed", "load", "--mapping", means, none) for _ in range(2)]
    assert [said.returncode for said in asked] == [1, 1] and "was not written" in asked[0].stdout
    _, run = (next(line for line in said.stdout.splitlines() if "feed confirm" in line).split()[-1] for said in asked)
    shown = [line for line in entraide("feed", "history").stdout.splitlines() if "members-3.csv" in line]
    assert len(shown) == 2 and "asks" in shown[0] and "abandoned" in shown[1]
    assert entraide("feed", "confirm", run).stdout.startswith("1 changed, ")
    assert "does not ask" in entraide("feed", "abandon", run).stderr
    assert "by its id" in entraide("feed", "confirm", "members-3.csv").stderr


def test_the_files_of_the_integrators_page_load_as_it_says(entraide: Entraide, running: Running, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "integrators.md").read_text(encoding="utf-8")
    for name, content in re.findall(r"```\w+ ([\w.-]+)\n(.*?)```", page, re.DOTALL):
        encoding = "windows-1252" if name.startswith("members") else "utf-8"
        (tmp_path / name).write_text(content, encoding=encoding)

    def run(line: str) -> CompletedProcess[str]:
        words = line.replace("$ROW", row).replace("$EXPORT", export).replace("$CONFLICT", conflict).split()[1:]
        return entraide(*(tmp_path / word if (tmp_path / word).is_file() else word for word in words))

    row = export = conflict = ""
    lines = [line for line in page.splitlines() if line.startswith("entraide feed ")]
    catalogue, files, listing, mending, history, exporting, acknowledging, next_file, conflicts, settling = lines
    assert run(catalogue).returncode == 0
    loaded = run(files)
    assert rows(loaded) == {"members-2026-11-23.csv": ["2", "1", "0", "1", "0"], "contracts-2026-11-23.csv": ["2", "2", "0", "0", "0"]}
    assert "members-2026-11-23.csv line 3: date_from_datetime_parsing birth_date" in loaded.stdout
    row = next(line.split()[0] for line in run(listing).stdout.splitlines() if "members-2026-11-23.csv line 3" in line)
    assert run(mending).stdout == "taken\n"
    assert "members-2026-11-23.csv" in run(history).stdout

    told = (tmp_path / "to-orvane.csv").read_text()
    asyncio.run(amend(running, "orvane/ORV-778812", "06 39 98 55 55"))
    exported = run(exporting)
    assert (tmp_path / "to-orvane.csv").read_text(encoding="windows-1252") == told, exported.stderr
    export = exported.stdout.split()[-1]
    assert run(acknowledging).stdout.startswith("Acknowledged")
    assert run(exporting).stdout.startswith("0 members")

    asyncio.run(amend(running, "orvane/ORV-778812", "06 39 98 66 66"))
    assert rows(run(next_file)) == {"members-2026-11-24.csv": ["2", "1", "1", "0", "0"]}
    listed = run(conflicts).stdout
    assert "orvane ORV-778812 phones: ours +33639986666; theirs +33639987777 (ask)" in listed
    conflict = listed.split()[0]
    assert run(settling).stdout == "settled: theirs\n"
    assert run(conflicts).stdout == "Nothing waits.\n"
    assert "ours +33639986666; theirs +33639987777 (theirs by supervisor)" in entraide("feed", "conflicts", "--decided").stdout
    assert "no such folder" in entraide("feed", "export", "orvane", "/nowhere/to-orvane.csv", COLUMNS="300").stderr
    assert "no principal" in entraide("feed", "export", "nobody", tmp_path / "x.csv").stderr
    assert "settle NUMBER" in entraide("feed", "conflicts", "settle", COLUMNS="300").stderr


async def amend(running: Running, key: str, phone: str) -> None:
    """As the member does it on the web."""
    db = await Database.connect("reference", running.databases["reference"], size=1)
    try:
        async with db.transaction() as tx:
            member_id = await tx.conn.fetchval("select id from member where feed_key = $1", key)
            await amendments.amend(tx, member_id, {"phones": [phone]}, By(Actor(kind="member", id=member_id), "portal", staff=False), None)
    finally:
        await db.close()


def test_a_file_that_is_no_feed_is_named_before_anything_is_loaded(entraide: Entraide, files: list[Path]) -> None:
    for name, why in (("providers.csv", "must begin with principals"), ("members-2.csv", "there is no such file")):
        said = entraide("feed", "load", *files, name, COLUMNS="300")
        assert (said.returncode, said.stdout) == (2, "")
        assert why in said.stderr and name in said.stderr


@pytest.mark.parametrize(
    ("content", "why"), [(b"a,b\n1,2\n", "columns code, label, principal are missing"), ("code,label,principal\n".encode("utf-16"), "it as UTF-8")]
)
def test_what_would_follow_an_unreadable_file_is_not_loaded(entraide: Entraide, files: list[Path], content: bytes, why: str) -> None:
    products = next(file for file in files if file.name == "products.csv")
    products.write_bytes(content)
    said = entraide("feed", "load", *files)
    assert said.returncode == 1
    assert "products.csv was not loaded" in said.stdout and why in said.stdout
    assert list(rows(said)) == ["principals.csv"]


def test_a_provider_is_added_with_credentials_a_topic_and_its_reader(entraide: Entraide) -> None:
    words = ("provider", "add", "ops_vert_fil", *VERT_FIL, "--door", "kafka", "--area", "gardening 40", "--area", "towing 60 35 56")
    said = entraide(*words)
    assert said.returncode == 0, said.stderr
    told = dict(line.split(maxsplit=1) for line in said.stdout.splitlines()[:-1])
    assert list(told) == [
        *("provider", "client_id", "client_secret", "address"),
        *("kafka_bootstrap", "kafka_user", "kafka_password", "kafka_topic", "kafka_groups"),
    ]
    assert len(told["client_secret"]) >= 32

    reader = Broker(told["kafka_bootstrap"], told["kafka_user"], told["kafka_password"])
    consumer = Consumer(reader.settings() | {"group.id": f"{told['kafka_user']}.software"})
    assert list(consumer.list_topics(timeout=10).topics) == [told["kafka_topic"]]
    consumer.close()

    again = entraide(*words)
    assert (again.returncode, again.stdout) == (1, "")
    assert "ops_vert_fil is there already" in again.stderr

    listed = rows(entraide("provider", "list"))
    assert listed["ops_vert_fil"] == ["Vert-Fil", "kafka", "gardening, towing", "5", "-", told["provider"]]
    by_code, by_id = entraide("provider", "show", "ops_vert_fil"), entraide("provider", "show", told["provider"])
    assert by_code.stdout == by_id.stdout
    shown = rows(by_code)
    assert shown["towing"] == ["within 60 km, all of 35, 56"]
    assert (shown["told"], shown["last answer"], shown["not yet on its topic"]) == (["0 documents"], ["none in 30 days"], ["0"])


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (("Ops_Vert", *VERT_FIL, "--door", "polling", "--area", "gardening 40"), "code"),
        (("ops_wrong", *VERT_FIL, "--siret", "12", "--door", "polling", "--area", "gardening 40"), "siret"),
        (("ops_wrong", *VERT_FIL, "--insee", "69999", "--door", "polling", "--area", "gardening 40"), "INSEE"),
        (("ops_wrong", *VERT_FIL, "--door", "kafka", "--area", "gardening"), "radius"),
    ],
)
def test_a_wrong_provider_is_refused_with_what_is_wrong(entraide: Entraide, wrong: tuple[str, ...], why: str) -> None:
    said = entraide("provider", "add", *wrong)
    assert (said.returncode, said.stdout) == (1, "")
    assert why in said.stderr
    assert not {"ops_wrong", "Ops_Vert"} & rows(entraide("provider", "list")).keys()


async def test_what_was_added_by_half_is_completed_and_another_of_the_code_is_not_touched(running: Running) -> None:
    row = {"code": "ops_half", "label": "Demi", "siret": siret(430_002), "insee": "69123", "door": "polling", "capacity_per_day": "3"}
    row["areas"] = "gardening 40"
    gateway_db = await Database.connect("gateway", running.databases["gateway"], size=1)
    try:
        first = await providers.add(running, row)
        async with gateway_db.transaction() as tx:
            await tx.conn.execute("delete from client where client_id = $1", first.client.client_id)  # as if it had ended before

        second = await providers.add(running, row)
        assert (second.provider, second.reader) == (first.provider, None)
        async with gateway_db.transaction() as tx:
            found = await accounts.client_by_id(tx, second.client.client_id)
        assert found and found[0].provider_id == first.provider.id

        async with gateway_db.transaction() as tx:
            await tx.conn.execute("delete from client where client_id = $1", first.client.client_id)
        with pytest.raises(Conflict, match="another provider"):
            await providers.add(running, row | {"capacity_per_day": "9"})
        assert (await providers.standing(running, "ops_half")).provider == first.provider
        async with gateway_db.transaction() as tx:
            client = NewClient(client_id="provider-ops_half", secret="s" * 40, name="Demi", roles=("provider",), provider_id=new_id())
            await gateway.create_client(tx, client)
    finally:
        await gateway_db.close()


async def test_the_lag_of_a_provider_is_that_of_its_own_consumer_groups(running: Running, stack: Stack) -> None:
    row = {"code": "ops_slow", "label": "Lent", "siret": siret(430_003), "insee": "69123", "door": "kafka", "capacity_per_day": "3"}
    added = await providers.add(running, row | {"areas": "gardening 40"})
    assert added.reader
    topic = f"{added.reader.user}.missions"
    from_us = Producer(stack.broker.settings())
    for number in range(3):
        from_us.produce(topic, str(number), key="m")
    assert from_us.flush(10) == 0

    consumer = Consumer(added.reader.settings() | {"group.id": f"{added.reader.user}.software", "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    record = await eventually(lambda: consumer.poll(0.2), seconds=30)
    consumer.commit(record, asynchronous=False)
    consumer.close()

    assert (await providers.standing(running, "ops_slow")).lag == {f"{added.reader.user}.software": 2}


async def test_what_is_paused_or_refused_is_said_below_the_table(entraide: Entraide, running: Running) -> None:
    async with operations.database(running, "dispatch") as db, db.transaction() as tx:
        await tx.conn.execute("insert into kit.refused values ('provider.x.missions', 'TopicAuthorizationFailedError', now(), '1 minute', now())")
        await tx.conn.execute("insert into kit.paused values ('cases', gen_random_uuid(), now())")
    try:
        said = entraide("status").stdout
    finally:
        async with operations.database(running, "dispatch") as db, db.transaction() as tx:
            await tx.conn.execute("delete from kit.refused; delete from kit.paused")
    assert "dispatch has paused on cases: see `entraide stuck list`" in said
    assert "dispatch is refused by provider.x.missions (TopicAuthorizationFailedError): its rows wait" in said


def test_inside_the_containers_the_platform_is_found_by_their_secrets(entraide: Entraide, running: Running, stack: Stack, tmp_path: Path) -> None:
    secrets = running.folder / "secrets"
    (secrets / "kafka-admin").write_text(running.kafka["password"])
    address = urlsplit(stack.postgres_url)
    server = address.netloc.rpartition("@")[2] + (f"?{address.query}" if address.query else "")
    inside = {"ENTRAIDE_POSTGRES": server, "ENTRAIDE_SECRETS_DIR": str(secrets), "ENTRAIDE_KAFKA_BOOTSTRAP": running.kafka["bootstrap"]}

    said = entraide("status", XDG_STATE_HOME=str(tmp_path / "nothing"), ENTRAIDE_URL="http://there", **inside)

    assert said.returncode == 0, said.stderr
    assert "http://there" in said.stdout and set(SERVICES) <= rows(said).keys()
    assert entraide("stuck", "list", **inside).stdout == entraide("stuck", "list").stdout


def test_a_database_that_does_not_answer_ends_the_command_with_a_word(entraide: Entraide, running: Running) -> None:
    nowhere = {"ENTRAIDE_POSTGRES": "127.0.0.1:1", "ENTRAIDE_SECRETS_DIR": str(running.folder / "secrets")}
    said = entraide("stuck", "list", ENTRAIDE_KAFKA_BOOTSTRAP="127.0.0.1:1", **nowhere)
    assert said.returncode == 1
    assert said.stderr.startswith("A database or the broker does not answer") and "Traceback" not in said.stderr
