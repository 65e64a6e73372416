"""The pages of tracking as they come over HTTP; the journeys in a browser are in tests/e2e."""

from typing import Any

import pytest

from contracts.billing import TariffChanged
from contracts.cards import CaseCard, Contact, NoteCard
from contracts.common import TaskOpened
from contracts.dispatch import ProviderChanged
from contracts.intake import NoteAdded
from services.kit.clock import new_id
from tests.contracts.case_events import made
from tests.integration.tracking_doors import Doors, doors
from tests.integration.tracking_harness import Case, soon

__all__ = ["doors"]
ANNA = new_id()
PLACE = {"insee": "35238", "postcode": "35000", "departement": "35"}
FIRM: dict[str, Any] = {"siret": "73282932000074", "place": PLACE, "areas": [], "door": "extranet", "capacity_per_day": 5, "version": 1}
TARIFF: dict[str, Any] = {
    "lines": [{"article": "gardening_hour", "unit": "hour", "unit_price_net": "30", "vat_rate": "0.20"}],
    "valid_from": "2026-01-01",
    "version": 1,
}


@pytest.fixture
async def case(doors: Doors) -> Case:
    case = Case(doors.tracking)
    await doors.tracking.tell(made(ProviderChanged, provider_id=ANNA, code="couesnon", label="Jardins du Couesnon", **FIRM))
    await doors.tracking.tell(made(TariffChanged, tariff_id=new_id(), provider_id=None, service="gardening", **TARIFF))
    await case.opened()
    person = Contact(name="Odile Fauxbois", phone="+33639981234")
    await doors.tracking.show(CaseCard(id=case.id, version=1, member_id=case.member, beneficiary=person, address="12 rue des Exemples"))
    await case.accepted(ANNA)
    return case


async def test_a_case_page_shows_state_sentence_people_and_notes(doors: Doors, case: Case) -> None:
    note = new_id()
    await case.tell(NoteAdded, card={"kind": "note", "id": note, "version": 1})
    agent = doors.token("agent")
    before = (await doors.page(agent, f"/desk/cases/{case.id}")).text
    await doors.tracking.show(NoteCard(id=note, version=1, case_id=case.id, text="Un chien <gentil> est dans le jardin."))
    after = (await doors.page(agent, f"/desk/cases/{case.id}")).text
    for words in ("Planifié", "Le prestataire vient le", "Odile Fauxbois", "Jardins du Couesnon", f"/pages/intake/cases/{case.id}/actions"):
        assert words in after, words
    assert "chien" not in before and "Un chien &lt;gentil&gt; est dans le jardin." in after
    english = (await doors.page(agent, f"/desk/cases/{case.id}", lang="en")).text
    doors.http.cookies.clear()
    assert "The provider comes on" in english


async def test_a_live_case_page_asks_for_its_parts_only(doors: Doors, case: Case) -> None:
    part = (await doors.page(doors.token("agent"), f"/desk/cases/{case.id}", part="live")).text
    assert part.count('hx-swap-oob="true"') == 4 and "<html" not in part and "/pages/intake" not in part


async def test_a_case_that_is_still_being_recorded_has_a_page(doors: Doors) -> None:
    case_id = new_id()
    answer = await doors.page(doors.token("agent"), f"/desk/cases/{case_id}", after=f"intake:{case_id}:1")
    assert answer.status_code == 200 and "en cours d’enregistrement" in answer.text
    assert (await doors.page(doors.token("agent"), f"/desk/cases/{case_id}")).status_code == 404


async def test_one_hit_of_a_search_opens_it_and_several_are_listed(doors: Doors, case: Case) -> None:
    agent = doors.token("agent")
    hit = await doors.page(agent, "/desk/cases", q=f"{case.number[:3]} {case.number[3:]}")
    assert (hit.status_code, hit.headers["location"]) == (303, f"/desk/cases/{case.id}")
    listed = await doors.page(agent, "/desk/cases", waiting_for="provider")
    assert "Odile Fauxbois" in listed.text
    assert "Aucun dossier" in (await doors.page(agent, "/desk/cases", q="personne de ce nom")).text


async def test_a_task_is_taken_and_a_refusal_shows_above_the_list(doors: Doors, case: Case) -> None:
    task = new_id()
    await case.tell(TaskOpened, task_id=task, kind="unfilled_mission", role="agent", due_at=soon(-1))
    claire, david = doors.token("agent", "claire", csrf="c" * 32), doors.token("agent", "david", csrf="d" * 32)
    assert (await doors.send(claire, f"/desk/tasks/{task}/take", version="1")).status_code == 403
    taken = await doors.send(claire, f"/desk/tasks/{task}/take", version="1", csrf="c" * 32)
    assert taken.status_code == 200 and "vous" in taken.text and "Mission sans prestataire" in taken.text
    refused = await doors.send(david, f"/desk/tasks/{task}/take", version="1", csrf="d" * 32)
    assert refused.status_code == 409 and 'role="alert"' in refused.text and "un collègue" in refused.text


async def test_a_provider_starts_and_finishes_with_quantities(doors: Doors, case: Case) -> None:
    anna, at = doors.token("provider", provider_id=ANNA), f"/extranet/visits/{case.mission}"
    assert "Commencer" in (await doors.page(anna, at, part=1)).text
    assert "Terminer" in (await doors.send(anna, f"{at}/start", version="1")).text
    wrong = await doors.send(anna, f"{at}/complete", **{"q:gardening_hour:hour": "deux"})
    assert wrong.status_code == 422 and 'value="deux"' in wrong.text
    done = await doors.send(anna, f"{at}/complete", **{"q:gardening_hour:hour": "2,5"})
    assert "Terminée" in done.text and "<b>2,5 h</b>" in done.text
    assert (await doors.page(doors.token("provider", provider_id=new_id()), at)).status_code == 404
    await doors.tracking.loop_back()
    assert await doors.tracking.states(case) == ["performed", "performed"]


@pytest.mark.parametrize("typed", ["NaN", "1e999999", "99999999999", "2,5,5"])
async def test_a_quantity_that_is_none_is_said_beside_the_visit(doors: Doors, case: Case, typed: str) -> None:
    anna, at = doors.token("provider", provider_id=ANNA), f"/extranet/visits/{case.mission}"
    await doors.send(anna, f"{at}/start")
    refused = await doors.send(anna, f"{at}/complete", **{"q:gardening_hour:hour": typed})
    assert refused.status_code == 422 and f'value="{typed}"' in refused.text


@pytest.mark.parametrize("version", ["99999999999", "²", "9" * 5000])
async def test_a_version_that_no_row_can_have_is_refused(doors: Doors, case: Case, version: str) -> None:
    refused = await doors.send(doors.token("provider", provider_id=ANNA), f"/extranet/visits/{case.mission}/start", version=version)
    assert refused.status_code == 422


async def test_a_board_counts_its_own_cases_and_names_nobody(doors: Doors, case: Case) -> None:
    shown = (await doors.page(doors.token("principal", principal_ids=[case.principal]), "/board")).text
    assert "Planifié" in shown and "1 dossier" in shown and "Odile" not in shown and "Couesnon" not in shown
    assert (await doors.page(doors.token("provider", provider_id=ANNA), "/board")).status_code == 403
