"""The pages by which people are amended, as a browser without JavaScript gets them."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from services.kit import app as kit
from services.kit.clock import new_id
from services.kit.settings import ServiceSettings
from services.reference.pages import conflicts, details, files
from tests.integration.reference_harness import Everyone, Reference, as_, reference

__all__ = ["reference"]


@pytest.fixture
async def http(reference: Reference) -> AsyncIterator[httpx.AsyncClient]:
    app: FastAPI = kit.create("reference", ServiceSettings.model_construct(), [details.router, conflicts.router, files.router])
    app.state.db, app.state.verifier = reference.db, Everyone()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://reference") as client:
        yield client


async def test_a_member_reads_and_changes_their_own_page(reference: Reference, http: httpx.AsyncClient) -> None:
    member_id = await reference.fresh_member()
    page = await http.get("/me/details", headers=as_("member", member_id=member_id))
    assert page.status_code == 200 and "Nouveau" in page.text
    form = {"phones": "06 39 98 55 66", "emails": "", "commune": "35000 Rennes", "language": "en", "version": "1"}
    saved = await http.post("/me/details", data=form, headers=as_("member", member_id=member_id))
    assert (saved.status_code, saved.headers["location"]) == (303, "/me/details?saved=1")
    row = await reference.db_row("select * from member where id = $1", member_id)
    assert (row["phones"], row["insee"], row["postcode"], row["language"], row["version"]) == (["+33639985566"], "35238", "35000", "en", 2)
    stale = await http.post("/me/details", data=form, headers=as_("member", member_id=member_id))
    assert stale.status_code == 412 and "ont changé entre-temps" in stale.text
    wrong = await http.post("/me/details", data=form | {"version": "2", "emails": "nobody"}, headers=as_("member", member_id=member_id))
    assert wrong.status_code == 422 and "Ce n’est pas une adresse e-mail." in wrong.text and "nobody" in wrong.text
    assert (await http.get("/me/details", headers=as_("member", member_id=new_id()))).status_code == 404
    assert (await http.get("/me/details", headers=as_("agent"))).status_code == 403


async def test_a_member_agrees_by_the_sentence_that_was_shown(reference: Reference, http: httpx.AsyncClient) -> None:
    member_id = await reference.fresh_member()
    at = "/me/details/consents/sms_updates"
    assert (await http.post(at, data={"given": "true"}, headers=as_("member", member_id=member_id))).status_code == 303
    assert "accepté" in (await http.get("/me/details", headers=as_("member", member_id=member_id))).text
    proof = await reference.value("select proof from member_consent where member_id = $1", member_id)
    assert proof == "Me tenir au courant de mes demandes par SMS"
    unknown = await http.post("/me/details/consents/anything", data={"given": "true"}, headers=as_("member", member_id=member_id))
    assert unknown.status_code == 404


async def test_the_panel_says_nothing_while_nothing_has_changed(reference: Reference, http: httpx.AsyncClient) -> None:
    member_id = await reference.fresh_member()
    at = f"/pages/reference/callers/{member_id}/card?part=1"
    assert (await http.get(f"{at}&seen=1", headers=as_("agent"))).status_code == 204
    assert 'id="person"' in (await http.get(f"{at}&seen=0", headers=as_("agent"))).text
    assert (await http.get(at.replace(member_id, new_id()), headers=as_("agent"))).status_code == 404


async def test_conflicts_are_a_supervisors(reference: Reference, http: httpx.AsyncClient) -> None:
    assert 'id="conflicts"' in (await http.get("/desk/files/conflicts?part=1", headers=as_("supervisor"))).text
    assert "<html" in (await http.get("/desk/files/conflicts", headers=as_("supervisor"))).text
    assert "/desk/files/conflicts" in (await http.get("/desk/files", headers=as_("supervisor"))).text
    assert (await http.get("/desk/files/conflicts", headers=as_("agent"))).status_code == 403
