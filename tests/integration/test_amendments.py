"""Members amended by agents and by themselves: what is kept of it, who hears of it, who may."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from contracts.common import Actor, CardKind, CardRef
from contracts.intake import CaseClosed, CaseOpened
from services.kit import app as kit
from services.kit.clock import new_id
from services.kit.db import Tenant
from services.kit.settings import ServiceSettings
from services.reference.api import amendments, feedback, members
from tests.integration.reference_harness import Everyone, Reference, as_, reference

__all__ = ["reference"]


@pytest.fixture
async def http(reference: Reference) -> AsyncIterator[httpx.AsyncClient]:
    app: FastAPI = kit.create("reference", ServiceSettings.model_construct(), [members.router, amendments.router, feedback.router])
    app.state.db, app.state.verifier = reference.db, Everyone()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://reference/api/reference/v1") as client:
        yield client


def opened(member_id: str, principal_id: str) -> CaseOpened:
    case_id = new_id()
    card = CardRef(kind=CardKind.CASE, id=case_id, version=1)
    return CaseOpened(
        case_id=case_id, number="123456782", principal_id=principal_id, member_id=member_id, channel="phone", opened_by=Actor(kind="agent"), card=card
    )


async def amend(http: httpx.AsyncClient, member_id: str, headers: dict[str, str], version: int = 1, **fields: Any) -> httpx.Response:
    return await http.patch(f"/members/{member_id}", json=fields, headers={"If-Match": f'"{version}"', **headers})


async def changes(reference: Reference, member_id: str) -> list[dict[str, Any]]:
    return await reference.db_rows("select * from member_change where member_id = $1 order by id", member_id)


async def test_an_agent_amends_a_member_and_each_field_is_kept_with_who_and_where(reference: Reference, http: httpx.AsyncClient) -> None:
    member_id = await reference.fresh_member()
    agent = as_("agent")
    answer = await amend(http, member_id, agent, phones=["06 39 98 11 22", "+33 6 39 98 11 22"], emails=["Odile@Example.COM"], language="en")
    assert answer.status_code == 200, answer.text
    assert (answer.headers["etag"], answer.json()["phones"], answer.json()["emails"]) == ('"2"', ["+33639981122"], ["odile@example.com"])
    kept = await changes(reference, member_id)
    assert [(row["field"], row["old"], row["new"]) for row in kept] == [
        ("phones", [], ["+33639981122"]),
        ("emails", [], ["odile@example.com"]),
        ("language", "fr", "en"),
    ]
    assert {(row["by_kind"], row["door"], row["acknowledged_at"]) for row in kept} == {("agent", "api", None)}
    assert len({row["amendment"] for row in kept}) == 1
    name, told = (await reference.told(member_id))[-1]
    assert name == "reference.member_changed.v1" and told and told["version"] == 2 and "phones" not in told
    listed = (await http.get(f"/members/{member_id}/changes?limit=2", headers=as_("supervisor"))).json()
    assert [one["field"] for one in listed["changes"]] == ["language", "emails"]
    rest = (await http.get(f"/members/{member_id}/changes", params={"after": listed["next"]}, headers=as_("supervisor"))).json()
    assert ([one["field"] for one in rest["changes"]], rest["next"]) == (["phones"], None)
    again = await http.patch(f"/members/{member_id}", json={"language": "fr"}, headers={**agent, "If-Match": '"2"'})
    assert again.json()["code"] == "idempotency_key_reused"


async def test_what_is_as_it_was_changes_nothing(reference: Reference, http: httpx.AsyncClient) -> None:
    member_id = await reference.fresh_member()
    answer = await amend(http, member_id, as_("agent"), phones=[], language="fr")
    assert (answer.status_code, answer.json()["version"], await changes(reference, member_id)) == (200, 1, [])


async def test_a_member_changes_their_own_data_and_nobody_else_s(reference: Reference, http: httpx.AsyncClient) -> None:
    member_id, other = await reference.fresh_member(), await reference.fresh_member()
    me = as_("member", member_id=member_id)
    answer = await amend(http, member_id, me, phones=["0692 12 34 57"], insee="97411", postcode="97400")
    assert answer.status_code == 200, answer.text
    assert answer.json()["phones"] == ["+262692123457"], "read by the region of the postcode"
    [by] = {(row["by_kind"], row["by_id"], row["door"]) for row in await changes(reference, member_id)}
    assert by == ("member", member_id, "portal")
    for wanted in ({"phones": ["0639981133"]}, {"language": "en"}):
        assert (await amend(http, other, as_("member", member_id=member_id), **wanted)).status_code == 404
    refused = await amend(http, member_id, as_("member", member_id=member_id), 2, last_name="Autre")
    assert (refused.status_code, refused.json()["code"]) == (403, "identity_by_agent")
    assert (await http.get(f"/members/{other}/consents", headers=as_("member", member_id=member_id))).status_code == 404
    assert (await amend(http, new_id(), as_("agent"), language="en")).status_code == 404
    assert (await amend(http, member_id, as_("principal"), 2, language="en")).status_code == 403


async def test_an_agent_changes_a_name_with_a_reason_and_it_is_found_by_it(reference: Reference, http: httpx.AsyncClient) -> None:
    member_id = await reference.fresh_member()
    refused = await amend(http, member_id, as_("agent"), last_name="Kerbrätt", birth_date="1958-02-28")
    assert (refused.status_code, refused.json()["code"]) == (422, "reason_missing")
    taken = await amend(http, member_id, as_("agent"), last_name="Kerbrätt", birth_date="1958-02-28", reason="carte d’identité vue")
    assert taken.status_code == 200
    found = (await http.get("/members", params={"q": "kerbratt 28/02/1958"}, headers=as_("agent"))).json()["members"]
    assert [one["id"] for one in found] == [member_id]
    assert {row["reason"] for row in await changes(reference, member_id)} == {"carte d’identité vue"}


async def test_a_version_that_is_gone_is_refused_with_what_to_do(reference: Reference, http: httpx.AsyncClient) -> None:
    member_id = await reference.fresh_member()
    sheet = await http.get(f"/members/{member_id}", headers=as_("agent"))
    assert sheet.headers["etag"] == '"1"'
    assert (await amend(http, member_id, as_("agent"), language="en")).status_code == 200
    late = await amend(http, member_id, as_("member", member_id=member_id), 1, language="de")
    assert (late.status_code, late.json()["code"]) == (412, "stale_version")
    assert "version 2" in late.json()["detail"] and "read it again" in late.json()["detail"]
    missing = await http.patch(f"/members/{member_id}", json={"language": "de"}, headers=as_("agent"))
    assert (missing.status_code, missing.json()["code"]) == (400, "if_match_missing")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"phones": ["appeler le soir"]}, "bad_phone"),
        ({"emails": ["odile@"]}, "bad_email"),
        ({"emails": ["odile@nowhere"]}, "bad_email"),
        ({"insee": "99999"}, "unknown_commune"),
        ({"insee": "69123", "postcode": "35000"}, "unknown_postcode"),
        ({"birth_date": "2199-01-01", "reason": "x"}, "born_in_the_future"),
        ({"address": "3 rue\0 de Lyon"}, "invalid"),
        ({"phones": None}, "invalid"),
        ({"name": "x"}, "invalid"),
    ],
)
async def test_what_cannot_be_is_refused_whole(reference: Reference, http: httpx.AsyncClient, fields: dict[str, Any], code: str) -> None:
    member_id = await reference.fresh_member()
    answer = await amend(http, member_id, as_("agent"), language="en", **fields)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert (await changes(reference, member_id)) == []
    assert await reference.value("select language from member where id = $1", member_id) == "fr"


async def test_the_card_follows_while_a_case_is_open_and_only_then(reference: Reference, http: httpx.AsyncClient) -> None:
    member_id = await reference.fresh_member()
    principal_id = str(await reference.value("select principal_id from member where id = $1", member_id))
    await amend(http, member_id, as_("agent"), phones=["0639981144"])
    assert await reference.told(f"member:{member_id}") == []
    case = opened(member_id, principal_id)
    await reference.hear(case)
    await amend(http, member_id, as_("member", member_id=member_id), 2, phones=["0639981155"])
    cards = [card for _, card in await reference.told(f"member:{member_id}")]
    assert [(card["version"], card["phones"]) for card in cards if card] == [(1, ["+33639981144"]), (2, ["+33639981155"])]
    await reference.hear(CaseClosed(case_id=case.case_id, reason="by_hand", closed_by=Actor(kind="agent")))
    await amend(http, member_id, as_("agent"), 3, phones=["0639981166"])
    assert (await reference.told(f"member:{member_id}"))[-1][1] is None and len(await reference.told(f"member:{member_id}")) == 3


async def test_a_consent_is_given_withdrawn_and_its_history_stays(reference: Reference, http: httpx.AsyncClient) -> None:
    member_id = await reference.fresh_member()
    at = f"/members/{member_id}/consents"
    me = {"given": True, "proof": "portail : « prévenez-moi par SMS », version 2"}
    assert (await http.put(f"{at}/sms_news", json=me, headers=as_("member", member_id=member_id))).status_code == 204
    gone = await http.put(f"{at}/sms_news", json={"given": False, "proof": "appel du 24/11"}, headers=as_("agent"))
    assert gone.status_code == 204
    for reader in (as_("member", member_id=member_id), as_("agent")):
        [consent] = (await http.get(at, headers=reader)).json()["consents"]
        assert (consent["purpose"], consent["given"]) == ("sms_news", False)
        assert [(one["given"], one["door"], one["by_kind"]) for one in consent["history"]] == [(False, "api", "agent"), (True, "portal", "member")]
    assert (await http.put(f"{at}/sms_news", json=me, headers=as_("member", member_id=new_id()))).status_code == 404
    assert (await http.put(f"{at}/sms_news", json={"given": True, "proof": ""}, headers=as_("agent"))).status_code == 422
    assert (await http.put(f"/members/{new_id()}/consents/sms_news", json=me, headers=as_("agent"))).status_code == 404


async def test_the_database_itself_keeps_others_out(reference: Reference, http: httpx.AsyncClient) -> None:
    mine, other = await reference.fresh_member(), await reference.fresh_member()
    principal_id = str(await reference.value("select principal_id from member where id = $1", mine))
    await amend(http, other, as_("agent"), phones=["0639981177"])
    await http.put(f"/members/{other}/consents/sms_news", json={"given": True, "proof": "x"}, headers=as_("agent"))
    async with reference.db.transaction(Tenant(member_id=mine)) as tx:
        assert await tx.conn.execute("update member set phones = '{}'") == "UPDATE 1"
        for table in ("member_change", "member_consent"):
            assert await tx.conn.fetchval(f"select count(*) from {table} where member_id = $1", other) == 0
    async with reference.db.transaction(Tenant(principal_ids=(principal_id,))) as tx:
        assert await tx.conn.execute("update member set phones = '{}'") == "UPDATE 0"
    for forbidden in (
        "update member set last_name = 'x'",
        "delete from member_change",
        "select * from member_conflict",
        f"insert into member_consent (member_id, purpose, given, proof, by_kind, door, at) values ('{other}', 'x', true, '', 'x', 'x', now())",
        f"update member_change set old = '[]' where member_id = '{other}'",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with reference.db.transaction(Tenant(member_id=mine)) as tx:
                await tx.conn.execute(forbidden)
