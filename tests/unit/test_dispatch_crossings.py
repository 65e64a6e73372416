"""The real decisions of dispatch among services that read and act in any order: what they write is never an anomaly."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.case_events import folded
from tests.unit.dispatch_model import RealCompany


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 999), min_size=20, max_size=150))
def test_no_order_of_reading_and_acting_leads_to_an_anomaly(choices: list[int]) -> None:
    company = RealCompany()
    company.live(choices)
    state = folded(company.log.records)
    assert not state.anomalies, [(record.envelope.type, record.data) for record in company.log.records]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 999), min_size=20, max_size=150))
def test_a_mission_always_agrees_with_its_offers(choices: list[int]) -> None:
    company = RealCompany()
    company.live(choices)
    mission = company.dispatch.mission
    assert mission is not None
    assert mission.live == sum(offer.status == "live" for offer in mission.offers)
    accepted = [offer for offer in mission.offers if offer.status == "accepted"]
    assert [offer.id for offer in accepted] == ([mission.offer_id] if mission.offer_id else [])
    assert (mission.provider_id is not None) == (mission.status in ("accepted", "started", "done"))
    assert mission.live == 0 or mission.status == "offered"


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 999), min_size=20, max_size=150))
def test_in_the_end_dispatch_and_the_fold_say_the_same(choices: list[int]) -> None:
    company = RealCompany()
    company.live(choices)
    mission = company.dispatch.mission
    (need,) = folded(company.log.records).needs.values()
    says = {
        "waiting": {"open", "refused"},
        "offered": {"offered", "covered"},
        "unfilled": {"unfilled", "failed", "covered", "scheduled"},  # a person has a task for it
        "accepted": {"accepted", "scheduled", "failed"},
        "started": {"in_progress"},
        "done": {"performed"},
        "cancelled": {"cancelled"},
    }
    assert mission is not None
    assert need.state in says[mission.status]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 999), min_size=20, max_size=150))
def test_what_a_provider_was_told_last_is_how_its_offer_stands(choices: list[int]) -> None:
    company = RealCompany()
    company.live(choices)
    stands = {
        "live": {"offered"},
        "accepted": {"accepted", "amended", "reconfirmed", "started", "done"},
        "declined": {"declined"},
        "expired": {"expired"},
        "withdrawn": {"withdrawn"},
        "taken_back": {"cancelled"},
    }
    assert company.dispatch.mission is not None
    for offer in company.dispatch.mission.offers:
        assert company.dispatch.told[offer.id] in stands[offer.status]
