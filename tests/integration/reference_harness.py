"""Reference's database with three members of two principals, and what tests ask of it."""

import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.common import Place, Window
from contracts.intake import NeedAdded
from contracts.registry import Event
from deploy.stack import Stack
from services.kit.auth import Caller
from services.kit.clock import new_id
from services.kit.db import Database
from services.kit.migrate import migrate
from services.kit.outbox import Lane
from services.kit.subscriptions import Table
from services.reference.listens import SUBSCRIPTIONS
from services.reference.usecases import telling
from services.reference.usecases.feed import Report, load_csv
from services.reference.usecases.mapping import OURS, Mapping
from tests.integration.hearing import hear

FOLDER = Path("services/reference/migrations")
SOON = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
STARTED = str((SOON - timedelta(days=400)).date())

FILES = {
    "principals": "code,label,siren,at_risk_limit_cents,valid_from\nbanque_orvane,Banque Orvane,732829320,25000,2020-01-01\n"
    "assur_lys,Assur Lys,552100554,0,2020-01-01\n",
    "products": "code,label,principal\nhome_plus,Maison Plus,banque_orvane\nhome_lys,Maison Lys,assur_lys\n",
    "guarantees": "product,code,services,counts,units_per_year,cap_gross_cents,area,waiting_days\n"
    "home_plus,home,gardening|home_help,interventions,1,30000,,0\nhome_plus,care,childcare,units,10,,38|69,0\nhome_lys,home,gardening,interventions,5,,,0\n",
    "members": "principal;number;last_name;first_name;birth_date;phones;emails;insee;postcode\n"
    "banque_orvane;ORV-1;Dùpont-Léger;Hélène;1961-03-14;06 39 98 00 01;helene.dupont@courriel.example;69123;69001\n"
    "banque_orvane;ORV-2;Hoarau;Jean;1980-01-02;0692 12 34 56;;97411;97400\n"
    "assur_lys;LYS-1;Dupont;Marc;1975-05-05;01 23 45 67 89;;42218;42000\n",
    "contracts": f"number,product,member,starts_on,plate\nC-1,home_plus,ORV-1,{STARTED},\nC-2,home_plus,ORV-2,{STARTED},ab-123-cd\n"
    f"L-1,home_lys,LYS-1,{STARTED},\n",
}


class Reference:
    """One service's database with what the tests ask of it."""

    def __init__(self, db: Database, folder: Path) -> None:
        self.db = db
        self.folder = folder
        self.table = Table(SUBSCRIPTIONS)

    async def load(self, kind: Any, content: str | bytes, mapping: Mapping = OURS) -> Report:
        file = self.folder / f"{kind}-{new_id()}.csv"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        report = await load_csv(self.db, kind, file, mapping)
        await telling.all_of_it(self.db)
        return report

    async def hear(self, *events: Event) -> None:
        """As the consumer would: one transaction, one handler call per type and round."""
        async with self.db.transaction() as tx:
            for event in events:
                await hear(tx, self.table, event)

    async def told(self, key: str) -> list[tuple[str, dict[str, Any] | None]]:
        """What was said under a key, in order."""
        async with self.db.connection() as conn:
            rows = await conn.fetch("select type, payload from kit.outbox where aggregateid = $1 order by id", key)
        return [(row["type"], row["payload"] and json.loads(row["payload"])) for row in rows]

    async def lanes(self, key: str) -> set[Lane]:
        """In which what was said under a key waits; nothing is sent here."""
        async with self.db.connection() as conn:
            return {Lane(row["lane"]) for row in await conn.fetch("select lane from kit.unsent where key = $1", key)}

    async def value(self, query: str, *values: Any) -> Any:
        async with self.db.connection() as conn:
            return await conn.fetchval(query, *values)

    async def db_rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        async with self.db.connection() as conn:
            return [dict(row) for row in await conn.fetch(query, *values)]

    async def db_row(self, query: str, *values: Any) -> dict[str, Any]:
        [row] = await self.db_rows(query, *values)
        return row

    async def member(self, number: str) -> str:
        return str(await self.value("select id from member where number = $1", number))

    async def fresh_member(self, product: str = "home_plus", principal: str = "banque_orvane") -> str:
        """With one contract and untouched rights."""
        number = f"NEW-{new_id().upper()[-12:]}"
        await self.load("members", f"principal,number,last_name\n{principal},{number},Nouveau\n")
        await self.load("contracts", f"number,product,member,starts_on\n{number},{product},{number},{STARTED}\n")
        return await self.member(number)

    async def need(self, member_id: str, service: str = "gardening", **more: Any) -> NeedAdded:
        principal_id = str(await self.value("select principal_id from member where id = $1", member_id))
        return NeedAdded(**case_ids(), rank=1, service=service, principal_id=principal_id, member_id=member_id, **(wish() | more))


def case_ids() -> dict[str, str]:
    return {"case_id": new_id(), "need_id": new_id()}


def wish(days: int = 0, insee: str = "38185", departement: str = "38", quantity: int = 2) -> dict[str, Any]:
    start = SOON + timedelta(days=days)
    place = Place(insee=insee, postcode="38000", departement=departement)
    return {"place": place, "wanted": Window(start=start, end=start + timedelta(hours=2)), "urgency": "planned", "quantity": quantity, "unit": "hour"}


@pytest.fixture(scope="module")
async def reference(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Reference]:
    settings = stack.environment("reference", migrating=True)
    await migrate(settings["ENTRAIDE_DATABASE_URL_OWNER"], FOLDER)
    db = await Database.connect("reference", settings["ENTRAIDE_DATABASE_URL"], settings["ENTRAIDE_DATABASE_URL_OUTSIDE"], size=16)
    made = Reference(db, tmp_path_factory.mktemp("feeds"))
    for kind, content in FILES.items():
        report = await made.load(kind, content)
        assert report.bad == 0, report.problems
    yield made
    await db.close()


class Everyone:
    """Stands for the verifier: the token is the caller."""

    def verify(self, token: str) -> Caller:
        claims = json.loads(token)
        return Caller(
            **claims | {"roles": frozenset(claims["roles"]), "scopes": frozenset(claims["scopes"]), "principal_ids": tuple(claims["principal_ids"])}
        )


def as_(role: str, **claims: Any) -> dict[str, str]:
    caller = asdict(Caller(id=new_id(), roles=frozenset(), scopes=frozenset(), **claims))
    caller |= {"roles": [role], "scopes": ["reference:read", "reference:write"], "principal_ids": list(claims.get("principal_ids", ()))}
    return {"Authorization": f"Bearer {json.dumps(caller)}", "Idempotency-Key": new_id()}
