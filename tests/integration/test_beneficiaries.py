"""Who else a contract covers: a household shares its rights, each by a member row of their own."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import httpx
import pytest

from services.kit import app as kit
from services.kit.clock import new_id
from services.kit.settings import ServiceSettings
from services.reference.api import members
from services.reference.domain.entitlement import CONTRACT_ZONE
from services.reference.usecases import persons
from services.reference.usecases.mapping import FileMapping, Mapping
from tests.integration.reference_harness import STARTED, Everyone, Reference, as_, reference

__all__ = ["reference"]

TODAY = datetime.now(CONTRACT_ZONE).date()
FULL = Mapping(principal="banque_orvane", beneficiaries=FileMapping(mode="full", ends_at_most=100))


class Household:
    """A holder with one contract of one gardening a year, and a child."""

    def __init__(self, reference: Reference) -> None:
        self.reference = reference
        self.code = new_id().upper()[-12:]
        self.holder = self.child = ""

    async def made(self) -> "Household":
        ref, code = self.reference, self.code
        await ref.load("members", f"principal,number,last_name\nbanque_orvane,H-{code},Foyer\nbanque_orvane,E-{code},Foyer\n")
        await ref.load("contracts", f"number,product,member,starts_on\nK-{code},home_plus,H-{code},{STARTED}\n")
        self.holder, self.child = await ref.member(f"H-{code}"), await ref.member(f"E-{code}")
        return self

    async def covers_the_child(self, more: str = "") -> None:
        report = await self.reference.load(
            "beneficiaries", f"product,contract,member,relation,ended_on\nhome_plus,K-{self.code},E-{self.code},child,{more}\n"
        )
        assert (report.changed, report.bad) == (1, 0)

    async def answer(self, member_id: str) -> str:
        need = await self.reference.need(member_id)
        await self.reference.hear(need)
        [(name, told)] = await self.reference.told(need.case_id)
        assert told
        return str(told.get("reason") or name.removeprefix("reference.").removesuffix(".v1"))


@pytest.fixture
async def household(reference: Reference) -> Household:
    return await Household(reference).made()


@pytest.fixture
async def http(reference: Reference) -> AsyncIterator[httpx.AsyncClient]:
    app = kit.create("reference", ServiceSettings.model_construct(), [members.router])
    app.state.db, app.state.verifier = reference.db, Everyone()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://reference/api/reference/v1") as client:
        yield client


async def test_somebody_whom_a_contract_covers_uses_the_rights_of_the_household(household: Household) -> None:
    assert await household.answer(household.child) == "no_contract"
    await household.covers_the_child()
    assert await household.answer(household.child) == "coverage_granted"
    assert await household.answer(household.holder) == "units_exhausted"


async def test_the_contract_tells_whom_it_covers_and_the_same_file_twice_nothing(household: Household) -> None:
    await household.covers_the_child()
    contract_id = str(await household.reference.value("select id from contract where number = $1", f"K-{household.code}"))
    told = await household.reference.told(contract_id)
    assert [one and one["beneficiary_ids"] for _, one in told] == [[], [household.child]]
    row = f"product,contract,member,relation\nhome_plus,K-{household.code},E-{household.code},child\n"
    assert (await household.reference.load("beneficiaries", row)).unchanged == 1
    assert await household.reference.told(contract_id) == told


async def test_who_is_no_longer_covered_is_refused_and_a_full_file_ends_who_is_missing(household: Household) -> None:
    await household.covers_the_child(str(TODAY - timedelta(days=1)))
    assert await household.answer(household.child) == "contract_ended"
    other = await Household(household.reference).made()
    await other.covers_the_child()
    row = f"product,contract,member,relation,ended_on\nhome_plus,K-{household.code},E-{household.code},child,{TODAY - timedelta(days=1)}\n"
    assert (await household.reference.load("beneficiaries", row, FULL)).ended >= 1
    assert await other.answer(other.child) == "contract_ended"


async def test_a_row_that_names_nobody_or_no_contract_says_which(household: Household) -> None:
    rows = f"product,contract,member\nhome_plus,K-{household.code},NOBODY-1\nhome_plus,NOTHING-1,E-{household.code}\nhome_none,K-1,E-1\n"
    report = await household.reference.load("beneficiaries", rows)
    assert sorted((one.line, one.reason) for one in report.problems) == [(2, "unknown_member"), (3, "unknown_contract"), (4, "unknown_product")]


async def test_somebody_covered_sees_the_contract_and_not_its_holder(household: Household, http: httpx.AsyncClient) -> None:
    await household.covers_the_child()
    seen = (await http.get("/me", headers=as_("member", member_id=household.child))).json()
    assert [(one["number"], one["relation"]) for one in seen["contracts"]] == [(f"K-{household.code}", "child")]
    assert [one["contract"] for one in seen["rights"]] == [f"K-{household.code}"] * 2
    assert (await http.get(f"/members/{household.holder}", headers=as_("member", member_id=household.child))).status_code == 404
    stranger = (await Household(household.reference).made()).child
    assert (await http.get("/me", headers=as_("member", member_id=stranger))).json()["contracts"] == []


async def test_an_erased_person_is_covered_by_nothing(household: Household) -> None:
    await household.covers_the_child()
    async with household.reference.db.transaction() as tx:
        await persons.erase_again(tx, household.child)
    assert await household.reference.value("select count(*) from beneficiary where member_id = $1", household.child) == 0
