"""Billing on a real database: what its handlers write and emit, what its door lets through, what the ledger refuses."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import orjson
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from contracts.billing import BillPrepared, ChargeRecorded
from contracts.common import Actor, Line, Place, Window
from contracts.dispatch import ProviderChanged
from contracts.intake import CaseOpened, NeedAdded, NeedAtRisk
from contracts.reference import CoverageGranted, CoverageRefused, CoverageReleased, PriceTerms, PrincipalChanged
from contracts.registry import Event
from contracts.tracking import PrestationCompleted, PrestationCorrected
from deploy.stack import Stack
from services.billing import main, usecases
from services.billing.domain.pricing import Price, Tariff
from services.billing.listens import SUBSCRIPTIONS
from services.billing.settings import Settings
from services.billing.worker import DEADLINES
from services.kit.auth import ISSUER
from services.kit.clock import new_id
from services.kit.db import Database
from services.kit.deadlines import Deadlines
from services.kit.migrate import migrate
from services.kit.subscriptions import Table
from tests.integration.hearing import hear

FOLDER = Path("services/billing/migrations")
TABLE = Table(SUBSCRIPTIONS)
RENNES = Place(insee="35238", postcode="35000", departement="35")
SYSTEM = Actor(kind="system")
START = datetime(2026, 11, 20, 9, tzinfo=UTC)
TOWED = (("hook_up", "unit", "1"), ("distance", "km", "12.5"))
LINES = (Price("hook_up", "unit", Decimal("95.00"), Decimal("0.20")), Price("distance", "km", Decimal("1.80"), Decimal("0.20")))
ROLES = {"read": "billing:read", "write": "billing:read billing:write"}


@pytest.fixture(scope="module")
async def owner(stack: Stack) -> str:
    url = stack.environment("billing", migrating=True)["ENTRAIDE_DATABASE_URL_OWNER"]
    await migrate(url, FOLDER)
    return url


@pytest.fixture(scope="module")
async def db(stack: Stack, owner: str) -> AsyncIterator[Database]:
    environment = stack.environment("billing")
    found = await Database.connect("billing", environment["ENTRAIDE_DATABASE_URL"], environment["ENTRAIDE_DATABASE_URL_OUTSIDE"])
    yield found
    await found.close()


@dataclass
class Story:
    """One case with one need, of a principal, a provider and a service that no other test knows."""

    db: Database
    service: str = field(default_factory=lambda: "towing_" + new_id().replace("-", "")[-12:])
    principal: str = field(default_factory=new_id)
    provider: str = field(default_factory=new_id)
    case: str = field(default_factory=new_id)
    need: str = field(default_factory=new_id)
    prestation: str = field(default_factory=new_id)
    decision: str = field(default_factory=new_id)

    async def hear(self, *events: Event) -> None:
        """Each in a transaction of its own, as the consumer would."""
        for event in events:
            async with self.db.transaction() as tx:
                await hear(tx, TABLE, event)
        await self.due()

    async def due(self) -> None:
        """Fires what is due."""
        deadlines = Deadlines(self.db, DEADLINES)
        while await deadlines.step():
            pass

    def opened(self) -> tuple[Event, ...]:
        number = str(int(self.case.replace("-", "")[-7:], 16) % 10**9).zfill(9)
        of = {"case_id": self.case, "principal_id": self.principal, "member_id": new_id()}
        card = {"kind": "case", "id": self.case, "version": 1}
        return (
            CaseOpened.model_validate({**of, "number": number, "channel": "desk", "opened_by": SYSTEM, "card": card}),
            NeedAdded(
                **of, need_id=self.need, rank=1, service=self.service, place=RENNES, wanted=Window(start=START, end=START + timedelta(hours=2)),
                quantity=Decimal(1), unit="mission",
            ),
        )  # fmt: skip

    def terms(self, valid_from: str = "2026-01-01") -> PrincipalChanged:
        price = PriceTerms(fee_net_cents=900, markup_rate=Decimal("0.05"), vat_rate=Decimal("0.20"))
        return PrincipalChanged(
            principal_id=self.principal, code="orvane", label="Banque Orvane", siren="732829320", terms=price, at_risk_limit_cents=25_000,
            valid_from=valid_from,
        )  # fmt: skip

    def granted(self, cap: int | None = 30_000, rate: str = "0") -> CoverageGranted:
        return CoverageGranted(
            case_id=self.case, need_id=self.need, decision_id=self.decision, contract_id=new_id(), guarantee="roadside",
            units_reserved=Decimal(1), cap_gross_cents=cap, member_rate=Decimal(rate), expires_at=START + timedelta(days=2), trace=[],
        )  # fmt: skip

    def refused(self) -> CoverageRefused:
        return CoverageRefused(case_id=self.case, need_id=self.need, decision_id=new_id(), reason="units_exhausted", trace=[])

    def at_risk(self, limit: int) -> NeedAtRisk:
        return NeedAtRisk(case_id=self.case, need_id=self.need, limit_cents=limit, reason="urgent", decided_by=SYSTEM, decided_at=START)

    def completed(self, start: datetime = START) -> PrestationCompleted:
        return PrestationCompleted(
            case_id=self.case, need_id=self.need, mission_id=new_id(), prestation_id=self.prestation, provider_id=self.provider,
            service=self.service, performed=Window(start=start, end=start + timedelta(hours=1)), lines=lines(*TOWED),
        )  # fmt: skip

    def corrected(self, *done: tuple[str, str, str]) -> PrestationCorrected:
        return PrestationCorrected(
            case_id=self.case, need_id=self.need, prestation_id=self.prestation, lines=lines(*done), reason="quantity_wrong", corrected_by=SYSTEM
        )

    def tariff(self) -> Tariff:
        return Tariff(new_id(), None, self.service, date(2026, 1, 1), None, LINES)

    async def put(self, tariff: Tariff) -> None:
        async with self.db.transaction() as tx:
            await usecases.put_tariff(tx, tariff)
        await self.due()

    async def ready(self) -> None:
        """Tariff, terms, need and its decision are known."""
        await self.put(self.tariff())
        await self.hear(self.terms(), *self.opened(), self.granted())

    async def emitted(self) -> list[tuple[str, dict[str, Any]]]:
        """What billing told of the case, in order."""
        async with self.db.connection() as conn:
            rows = await conn.fetch("select type, payload from kit.outbox where aggregateid = $1 order by id", self.case)
        return [(row["type"].split(".")[1], orjson.loads(row["payload"])) for row in rows]

    async def names(self) -> list[str]:
        return [name for name, _ in await self.emitted()]

    async def amounts(self) -> list[tuple[str, int]]:
        """Gross of the bills and charges, in order."""
        return [(name, body["gross_cents"]) for name, body in await self.emitted() if name in ("bill_prepared", "charge_recorded")]

    async def invoice(self, until: str = "2026-11-30") -> Any:
        async with self.db.transaction() as tx:
            return await usecases.invoice(tx, self.principal, date(2026, 11, 1), date.fromisoformat(until))


def lines(*done: tuple[str, str, str]) -> list[Line]:
    return [Line(article=article, unit=unit, quantity=Decimal(quantity)) for article, unit, quantity in done]


@pytest.fixture
def story(db: Database) -> Story:
    return Story(db)


async def balance(db: Database, case_id: str | None = None) -> dict[str, int]:
    async with db.connection() as conn:
        rows = await conn.fetch(
            "select account, sum(cents)::bigint as cents from entry_line l join entry e on e.id = l.entry_id"
            " where $1::uuid is null or e.case_id = $1 group by account",
            case_id,
        )
    return {row["account"]: row["cents"] for row in rows}


# From the log to bill and charge


async def test_a_completed_prestation_becomes_an_approved_bill_and_a_charge(story: Story) -> None:
    await story.ready()
    await story.hear(story.completed())
    told = await story.emitted()
    assert [name for name, _ in told] == ["bill_prepared", "bill_approved", "charge_recorded"]
    bill, charge = BillPrepared.model_validate(told[0][1]), ChargeRecorded.model_validate(told[2][1])
    assert (bill.net_cents, bill.vat_cents, bill.gross_cents, bill.reverses) == (11_750, 2_350, 14_100, None)
    assert (charge.net_cents, charge.vat_cents, charge.gross_cents, charge.member_gross_cents) == (13_238, 2_648, 15_886, 0)
    assert await balance(story.db, story.case) == {
        "cost_of_services": 11_750, "vat_deductible": 2_350, "provider_payable": -14_100, "to_be_invoiced": 13_238, "revenue": -13_238,
    }  # fmt: skip


async def test_the_same_prestation_told_twice_changes_nothing(story: Story) -> None:
    await story.ready()
    await story.hear(story.completed(), story.completed())
    assert await story.names() == ["bill_prepared", "bill_approved", "charge_recorded"]


@pytest.mark.parametrize("order", ["tdp", "tpd", "dtp", "dpt", "ptd", "pdt"])
async def test_tariff_terms_and_decision_may_come_after_the_prestation_in_any_order(story: Story, order: str) -> None:
    await story.hear(*story.opened(), story.completed())
    assert "task_opened" in await story.names()
    for letter in order:
        if letter == "t":
            await story.put(story.tariff())
        else:
            await story.hear(story.terms() if letter == "p" else story.granted())
    assert await story.amounts() == [("bill_prepared", 14_100), ("charge_recorded", 15_886)]
    assert (await story.names()).count("task_closed") == 1
    assert sum((await balance(story.db, story.case)).values()) == 0


async def test_a_missing_tariff_asks_finance_once_and_tells_when_it_is_found(story: Story) -> None:
    await story.hear(story.terms(), *story.opened(), story.granted(), story.completed(), story.corrected(("hook_up", "unit", "1")))
    [(name, task)] = await story.emitted()
    assert (name, task["kind"], task["role"]) == ("task_opened", "tariff_missing", "finance")
    await story.put(story.tariff())
    told = await story.emitted()
    assert [name for name, _ in told] == ["task_opened", "bill_prepared", "bill_approved", "charge_recorded", "task_closed"]
    assert (told[1][1]["gross_cents"], told[4][1]["task_id"]) == (11_400, task["task_id"])


async def test_a_tariff_saved_while_a_prestation_looks_for_it_still_bills_it(story: Story) -> None:
    """The tariff's transaction is open when the prestation finds none: it waits for it."""
    await story.hear(story.terms(), *story.opened(), story.granted())
    async with story.db.transaction() as tx:
        await usecases.put_tariff(tx, story.tariff())
        hearing = asyncio.create_task(story.hear(story.completed()))
        done, _ = await asyncio.wait([hearing], timeout=0.3)
        assert not done
    await hearing
    assert await story.names() == ["bill_prepared", "bill_approved", "charge_recorded"]


async def test_a_correction_takes_bill_and_charge_back_and_makes_them_anew(story: Story) -> None:
    await story.ready()
    await story.hear(story.completed(), story.corrected(("hook_up", "unit", "1")))
    assert await story.amounts() == [
        ("bill_prepared", 14_100), ("charge_recorded", 15_886),
        ("bill_prepared", -14_100), ("bill_prepared", 11_400), ("charge_recorded", -15_886), ("charge_recorded", 13_050),
    ]  # fmt: skip
    found = await balance(story.db, story.case)
    assert (found["provider_payable"], found["to_be_invoiced"], sum(found.values())) == (-11_400, 10_875, 0)
    await story.hear(story.corrected(("hook_up", "unit", "1")))
    assert len(await story.amounts()) == 6


async def test_a_need_that_went_on_at_risk_and_is_refused_costs_the_principal_up_to_the_limit(story: Story) -> None:
    await story.put(story.tariff())
    await story.hear(story.terms(), *story.opened(), story.at_risk(10_000), story.completed())
    assert await story.names() == ["bill_prepared", "bill_approved"]
    await story.hear(story.refused())
    _, charge = (await story.emitted())[-1]
    assert charge["member_gross_cents"] == 4_100


async def test_a_decision_that_never_comes_counts_as_a_refusal_and_one_that_comes_late_makes_it_good(story: Story) -> None:
    await story.put(story.tariff())
    await story.hear(story.terms(), *story.opened(), story.completed())
    async with story.db.transaction() as tx:
        await usecases.overdue(tx, story.prestation)
    assert (await story.emitted())[-1][1]["member_gross_cents"] == 14_100
    await story.hear(story.granted())
    assert (await story.amounts())[-2:] == [("charge_recorded", 0), ("charge_recorded", 15_886)]


async def test_a_decision_taken_back_with_its_units_waits_for_the_next(story: Story) -> None:
    await story.ready()
    released = CoverageReleased(
        case_id=story.case, need_id=story.need, decision_id=story.decision, reason="need_cancelled", units_released=Decimal(1)
    )
    await story.hear(released, story.completed())
    assert await story.names() == ["bill_prepared", "bill_approved"]
    await story.hear(story.granted(cap=10_000, rate="0.10"))
    assert (await story.amounts())[-1] == ("charge_recorded", 10_530)


async def test_terms_that_do_not_come_end_as_a_task(story: Story) -> None:
    await story.put(story.tariff())
    await story.hear(*story.opened(), story.granted(), story.completed())
    async with story.db.transaction() as tx:
        await usecases.overdue(tx, story.prestation)
    assert (await story.emitted())[-1][1]["kind"] == "terms_missing"
    await story.hear(story.terms())
    assert (await story.names())[-2:] == ["charge_recorded", "task_closed"]


# The ledger


@pytest.mark.parametrize("first", ["tariff", "terms", "decision"])
async def test_each_task_is_opened_once_and_closed_once_whatever_comes_at_the_same_moment(story: Story, first: str) -> None:
    """`first` is lacking when the prestation comes and overdue when everything comes at once, twice over."""

    async def overdue() -> None:
        async with story.db.transaction() as tx:
            await usecases.overdue(tx, story.prestation)

    async def put(tariff: Tariff) -> None:
        async with story.db.transaction() as tx:
            await usecases.put_tariff(tx, tariff)

    given = {"tariff": lambda: put(story.tariff()), "terms": lambda: story.hear(story.terms()), "decision": lambda: story.hear(story.granted())}
    await story.hear(*story.opened())
    for name, come in given.items():
        if name != first:
            await come()
    await story.hear(story.completed())
    await overdue()
    correct = story.corrected(("hook_up", "unit", "1"))
    again = story.terms("2026-02-01")
    await asyncio.gather(*(act() for act in given.values()), overdue(), story.hear(correct), story.due(), put(story.tariff()), story.hear(again))
    await story.due()
    tasks = [(name, body["task_id"]) for name, body in await story.emitted() if name.startswith("task_")]
    opened = {task for name, task in tasks if name == "task_opened"}
    assert len(opened) == (0 if first == "decision" else 1)
    assert sorted(tasks) == sorted((name, task) for task in opened for name in ("task_opened", "task_closed"))
    assert sum((await balance(story.db, story.case)).values()) == 0


async def test_the_database_refuses_an_entry_that_does_not_balance(db: Database) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="does not balance"):
        async with db.transaction() as tx:
            entry = await tx.conn.fetchval("insert into entry (document_kind, document_id, at) values ('bill', $1, now()) returning id", new_id())
            await tx.conn.execute("insert into entry_line values ($1, 'revenue', -100), ($1, 'cost_of_services', 99)", entry)


@pytest.mark.parametrize(
    "statement", ["update entry_line set cents = 1", "delete from entry_line", "delete from entry", "update entry set at = now()"]
)
async def test_the_ledger_cannot_be_changed(story: Story, owner: str, statement: str) -> None:
    await story.ready()
    await story.hear(story.completed())
    conn = await asyncpg.connect(owner)
    with pytest.raises(asyncpg.RestrictViolationError):
        await conn.execute(statement)
    await conn.close()


async def test_a_document_cannot_be_edited(db: Database) -> None:
    for statement in ("update bill set gross_cents = 0", "delete from bill", "update charge set net_cents = 0", "update invoice set number = ''"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with db.transaction() as tx:
                await tx.conn.execute(statement)


# Invoices


async def test_an_invoice_takes_every_open_charge_once(story: Story) -> None:
    await story.ready()
    await story.hear(story.completed())
    made = await story.invoice()
    assert (len(made.charges), made.net_cents, made.vat_cents, made.gross_cents) == (1, 13_238, 2_648, 15_886)
    assert (await story.names())[-1] == "case_invoiced"
    with pytest.raises(usecases.invoicing.NothingToInvoice):
        await story.invoice()


async def test_a_correction_after_the_invoice_goes_on_the_next_one(story: Story) -> None:
    await story.ready()
    await story.hear(story.completed())
    await story.invoice()
    await story.hear(story.corrected(("hook_up", "unit", "2")))
    made = await story.invoice("2026-12-31")
    assert (len(made.charges), made.net_cents) == (2, 20_850 - 13_238)


async def test_of_two_invoices_at_once_one_wins_and_no_number_is_lost(story: Story) -> None:
    await story.ready()
    await story.hear(story.completed())
    results = await asyncio.gather(*(story.invoice() for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(result, usecases.invoicing.NothingToInvoice) for result in results) == 4
    async with story.db.connection() as conn:
        numbers = [row["number"] for row in await conn.fetch("select number from invoice order by number")]
    assert numbers == [f"FA-{numbers[0][3:7]}-{serial:06}" for serial in range(1, len(numbers) + 1)]


async def test_a_rolled_back_invoice_gives_its_number_back(story: Story) -> None:
    await story.ready()
    await story.hear(story.completed())
    with pytest.raises(ZeroDivisionError):
        async with story.db.transaction() as tx:
            await usecases.invoice(tx, story.principal, date(2026, 11, 1), date(2026, 11, 30))
            raise ZeroDivisionError
    lost = await story.invoice()
    async with story.db.connection() as conn:
        assert await conn.fetchval("select max(number) from invoice") == lost.number
        assert await conn.fetchval("select count(*) from invoice") == int(lost.number[-6:])


# The door


@dataclass
class Door:
    app: Any
    key: ECKey

    @asynccontextmanager
    async def of(self, role: str, scope: str = "write", **sees: Any) -> AsyncIterator[httpx.AsyncClient]:
        claims = {"iss": ISSUER, "sub": new_id(), "aud": "billing", "exp": int(time.time()) + 600, "roles": [role], "scope": ROLES[scope], **sees}
        token = jwt.encode({"alg": "ES256", "kid": self.key.kid}, claims, self.key)
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://billing", headers={"Authorization": f"Bearer {token}"}) as client:
            yield client


@pytest.fixture(scope="module")
async def door(stack: Stack, owner: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    key = ECKey.generate_key("P-256", auto_kid=True)
    jwks = tmp_path_factory.mktemp("billing-keys") / "jwks.json"
    jwks.write_bytes(orjson.dumps(KeySet([key]).as_dict(private=False)))
    environment = {name.removeprefix("ENTRAIDE_").lower(): value for name, value in stack.environment("billing").items()}
    app = main.create(Settings.model_validate({**environment, "jwks_file": jwks}))
    async with app.router.lifespan_context(app):
        yield Door(app, key)


def fresh() -> dict[str, str]:
    return {"Idempotency-Key": new_id()}


async def test_finance_puts_a_tariff_and_invoices_a_period(story: Story, door: Door) -> None:
    body = {
        "service": story.service, "valid_from": "2026-01-01",
        "lines": [{"article": line.article, "unit": line.unit, "unit_price_net": str(line.unit_price_net), "vat_rate": "0.20"} for line in LINES],
    }  # fmt: skip
    tariff = f"/api/billing/v1/tariffs/{new_id()}"
    period = {"principal_id": story.principal, "period_from": "2026-11-01", "period_until": "2026-11-30"}
    async with door.of("finance") as finance:
        assert (await finance.put(tariff, json=body, headers=fresh())).json()["version"] == 1
        assert (await finance.put(tariff, json=body, headers=fresh())).json()["version"] == 1
        stale = await finance.put(tariff, json={**body, "valid_until": "2026-12-31"}, headers={**fresh(), "If-Match": '"7"'})
        assert (stale.status_code, stale.json()["code"]) == (412, "stale_version")
        await story.hear(story.terms(), *story.opened(), story.granted(), story.completed())
        made = await finance.post("/api/billing/v1/invoices", json=period, headers=fresh())
        assert (made.status_code, made.json()["gross_cents"]) == (201, 15_886)
        again = await finance.post("/api/billing/v1/invoices", json=period, headers=fresh())
        assert (again.status_code, again.json()["code"]) == (409, "nothing_to_invoice")
        read = (await finance.get(f"/api/billing/v1/invoices/{made.json()['invoice_id']}")).json()
        assert [line["net_cents"] for line in read["lines"]] == [13_238]
        assert (read["lines"][0]["number"][-2:], read["vats"][0]["vat_cents"]) == ("-1", 2_648)
        ledger = (await finance.get("/api/billing/v1/ledger/balance")).json()
        assert ledger["total_cents"] == 0
        charges = (await finance.get("/api/billing/v1/charges", params={"principal_id": story.principal, "invoiced": True})).json()["charges"]
        assert [charge["gross_cents"] for charge in charges] == [15_886]


async def test_a_provider_reads_its_own_bills_and_nobody_elses(story: Story, door: Door) -> None:
    await story.ready()
    label = ProviderChanged(
        provider_id=story.provider, code="isere_depannage", label="Isère Dépannage", siret="73282932000074", place=RENNES, areas=[], door="extranet",
        capacity_per_day=3, version=1,
    )  # fmt: skip
    await story.hear(label, story.completed())
    async with door.of("provider", "read", provider_id=story.provider) as provider:
        [bill] = (await provider.get("/api/billing/v1/bills", params={"provider_id": new_id()})).json()["bills"]
        assert (bill["gross_cents"], bill["state"], bill["provider_label"]) == (14_100, "approved", "Isère Dépannage")
        assert (await provider.get(f"/api/billing/v1/bills/{bill['id']}")).status_code == 200
        assert (await provider.get("/api/billing/v1/charges")).status_code == 403
    async with door.of("provider", "read", provider_id=new_id()) as other:
        assert (await other.get("/api/billing/v1/bills")).json()["bills"] == []
        assert (await other.get(f"/api/billing/v1/bills/{bill['id']}")).status_code == 404


async def test_a_principal_reads_its_own_invoices_and_nobody_elses(story: Story, door: Door) -> None:
    await story.ready()
    await story.hear(story.completed())
    made = await story.invoice()
    async with door.of("principal", "read", principal_ids=[story.principal]) as principal:
        assert [row["number"] for row in (await principal.get("/api/billing/v1/invoices")).json()["invoices"]] == [made.number]
        assert (await principal.get(f"/api/billing/v1/invoices/{made.id}")).json()["net_cents"] == 13_238
        assert len((await principal.get("/api/billing/v1/charges")).json()["charges"]) == 1
    async with door.of("principal", "read", principal_ids=[new_id()]) as other:
        assert (await other.get("/api/billing/v1/invoices")).json()["invoices"] == []
        assert (await other.get(f"/api/billing/v1/invoices/{made.id}")).status_code == 404
        assert (await other.get("/api/billing/v1/charges", params={"principal_id": story.principal})).json()["charges"] == []


async def test_row_level_security_hides_others_even_without_a_filter(story: Story) -> None:
    await story.ready()
    await story.hear(story.completed())
    async with story.db.connection(outside=True) as conn, conn.transaction():
        await conn.execute("select set_config('app.provider_id', $1, true), set_config('app.principal_ids', '{}', true)", story.provider)
        assert await conn.fetchval("select count(*) from bill") == 1
        assert await conn.fetchval("select count(*) from charge") == 0
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.fetchval("select count(*) from entry_line")


async def test_only_finance_writes(story: Story, door: Door) -> None:
    async with door.of("agent") as agent:
        period = {"principal_id": story.principal, "period_from": "2026-11-01", "period_until": "2026-11-30"}
        assert (await agent.post("/api/billing/v1/invoices", json=period, headers=fresh())).status_code == 403
        assert (await agent.get("/api/billing/v1/ledger/balance")).status_code == 403


async def test_a_list_goes_on_where_its_cursor_says(story: Story, door: Door) -> None:
    await story.ready()
    await story.hear(story.completed(), story.corrected(("hook_up", "unit", "1")), story.corrected(("hook_up", "unit", "2")))
    seen: list[str] = []
    following: str | None = ""
    async with door.of("finance") as finance:
        while following is not None:
            page = (await finance.get("/api/billing/v1/bills", params={"case_id": story.case, "limit": 2, "after": following})).json()
            seen += [bill["id"] for bill in page["bills"]]
            following = page["next"]
    assert len(seen) == len(set(seen)) == 5
