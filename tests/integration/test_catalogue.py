"""Principals, products and guarantees set by hand: dated, checked like a file, told to the contracts, and remembered."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from services.kit import app as kit
from services.kit.clock import new_id
from services.kit.deadlines import Deadlines
from services.kit.settings import ServiceSettings
from services.reference.api import catalog
from services.reference.domain.entitlement import CONTRACT_ZONE
from services.reference.usecases import saving, telling
from tests.integration.reference_harness import Everyone, Reference, as_, reference

__all__ = ["reference"]

TODAY = datetime.now(CONTRACT_ZONE).date()


@pytest.fixture
async def http(reference: Reference) -> AsyncIterator[httpx.AsyncClient]:
    await reference.load("principals", "code,label,siren,valid_from\ncaisse_neuve,Caisse Neuve,732829320,2020-01-01\n")
    app = kit.create("reference", ServiceSettings.model_construct(), [catalog.router])
    app.state.db, app.state.verifier = reference.db, Everyone()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://reference/api/reference/v1") as client:
        yield client


async def put(http: httpx.AsyncClient, kind: str, role: str = "admin", **cells: str) -> httpx.Response:
    return await http.put(f"/catalogue/{kind}", json={"cells": cells}, headers=as_(role) | {"Idempotency-Key": new_id()})


async def held(reference: Reference, contract_id: str) -> list[tuple[str, Any]]:
    """What the contract was last told to entitle to."""
    _, told = (await reference.told(contract_id))[-1]
    assert told is not None
    return [(one["guarantee"], one["units_per_year"]) for one in told["guarantees"]]


async def test_a_product_and_its_guarantees_are_set_by_hand_and_their_contracts_hear_of_it(reference: Reference, http: httpx.AsyncClient) -> None:
    assert (await put(http, "products", code="home_hand", label="Maison Main", principal="caisse_neuve")).json() == {"key": "home_hand"}
    first = {"product": "home_hand", "code": "home", "services": "gardening", "units_per_year": "2", "valid_from": "2020-01-01"}
    assert (await put(http, "guarantees", **first)).json() == {"key": "home_hand/home/2020-01-01"}
    member_id = await reference.fresh_member("home_hand", "caisse_neuve")
    contract_id = str(await reference.value("select id from contract where member_id = $1", member_id))
    assert await held(reference, contract_id) == [("home", "2")]
    await put(http, "guarantees", **first | {"units_per_year": "5", "valid_from": str(TODAY)})
    await telling.all_of_it(reference.db)
    assert await held(reference, contract_id) == [("home", "5")]
    assert await reference.value("select restating from product where code = 'home_hand'") is False
    versions = (await http.get("/products/home_hand/guarantees", headers=as_("agent"))).json()["guarantees"]
    assert [(one["valid_from"], one["units_per_year"]) for one in versions] == [(str(TODAY), "5"), ("2020-01-01", "2")]


async def test_contracts_hear_of_a_version_of_a_day_to_come_when_that_day_comes(reference: Reference, http: httpx.AsyncClient) -> None:
    await put(http, "products", code="home_later", label="Maison Demain", principal="caisse_neuve")
    first = {"product": "home_later", "code": "home", "services": "gardening", "units_per_year": "2", "valid_from": "2020-01-01"}
    await put(http, "guarantees", **first)
    member_id = await reference.fresh_member("home_later", "caisse_neuve")
    contract_id = str(await reference.value("select id from contract where member_id = $1", member_id))
    await put(http, "guarantees", **first | {"units_per_year": "7", "valid_from": str(TODAY + timedelta(days=1))})
    await telling.all_of_it(reference.db)
    assert await held(reference, contract_id) == [("home", "2")]
    key = f"home_later/home/{TODAY + timedelta(days=1)}"
    due = await reference.value("select due_at from kit.deadline where kind = $1 and key = $2", saving.GUARANTEE_STARTS, key)
    assert due.astimezone(CONTRACT_ZONE).isoformat()[:16] == f"{TODAY + timedelta(days=1)}T00:00"
    before = len(await reference.told(contract_id))
    async with reference.db.transaction() as tx:
        await tx.conn.execute("update kit.deadline set due_at = now() where kind = $1 and key = $2", saving.GUARANTEE_STARTS, key)
    assert await Deadlines(reference.db, {saving.GUARANTEE_STARTS: telling.restate}).step()
    await telling.all_of_it(reference.db)
    assert len(await reference.told(contract_id)) == before + 1


async def test_a_row_is_checked_as_in_a_file_and_says_what_is_wrong(reference: Reference, http: httpx.AsyncClient) -> None:
    wrong = await put(http, "guarantees", product="home_plus", code="home", services="gardening", member_rate="12")
    assert (wrong.status_code, wrong.json()["code"]) == (422, "less_than_equal")
    unknown = await put(http, "guarantees", product="nothing_like_it", code="home", services="gardening")
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_product")
    siren = await put(http, "principals", code="banque_orvane", label="Banque Orvane", siren="732829321", valid_from="2020-01-01")
    assert (siren.status_code, siren.json()["code"]) == (422, "value_error")
    assert (await put(http, "guarantees", "supervisor", product="home_plus", code="home", services="gardening")).status_code == 403
    assert (await http.get("/products/nothing_like_it/guarantees", headers=as_("agent"))).status_code == 404


async def test_new_terms_are_told_at_once_and_what_was_set_is_remembered_with_who_did(reference: Reference, http: httpx.AsyncClient) -> None:
    row = {"code": "caisse_neuve", "label": "Caisse Neuve", "siren": "732829320", "markup_rate": "0.045", "valid_from": "2031-01-01"}
    assert (await put(http, "principals", **row)).status_code == 200
    await put(http, "principals", **row | {"markup_rate": "0.05"})
    principal_id = str(await reference.value("select id from principal where code = 'caisse_neuve'"))
    terms = [told["terms"]["markup_rate"] for _, told in await reference.told(principal_id) if told and told["valid_from"] == "2031-01-01"]
    assert terms == ["0.045", "0.05"]
    changes = (await http.get("/catalogue/principals/caisse_neuve/changes", headers=as_("auditor"))).json()["changes"]
    assert [(one["content"]["markup_rate"], bool(one["set_by"])) for one in changes] == [(0.05, True), (0.045, True), (0, False)]
    listed = (await http.get("/principals/caisse_neuve/terms", headers=as_("agent"))).json()["terms"]
    assert [one["valid_from"] for one in listed] == ["2031-01-01", "2020-01-01"]
