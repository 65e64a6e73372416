"""The real decisions of dispatch among services that read and act in any order: what they write is never an anomaly."""

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import intake, tracking
from contracts.registry import Event
from services.dispatch.domain import search
from tests.contracts.case_events import ANNA, NOW, folded, made, uid
from tests.unit.dispatch_model import RULES, RealCompany


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
        "unfilled": {"unfilled", "covered"},  # a person has a task for it
        "accepted": {"accepted", "scheduled", "failed"},
        "started": {"in_progress"},
        "done": {"performed"},
        "cancelled": {"cancelled"},
    }
    assert mission is not None
    assert need.state in says[mission.status]
    if need.state not in ("performed", "cancelled"):
        assert need.provider_id == mission.provider_id


class Story:
    """One order of writing and reading, told step by step: dispatch reads when it is said to."""

    def __init__(self) -> None:
        self.company = RealCompany()
        self.dispatch = self.company.dispatch
        self.log(intake.NeedAtRisk)
        self.catch_up()
        self.accept()

    def log(self, kind: type[Event], provider_id: str = ANNA, visit: int = 300) -> None:
        """What another service writes."""
        about = {"mission_id": uid(30), "provider_id": provider_id, "visit_id": uid(visit)} if kind.EVENT.owner == "tracking" else {}
        self.company.log.write(made(kind, **about))

    def catch_up(self) -> None:
        while self.dispatch.behind:
            self.dispatch.read_next()

    def accept(self) -> None:
        assert self.dispatch.mission is not None
        self.dispatch._accepts(next(offer for offer in self.dispatch.mission.offers if offer.status == "live"))

    def ends(self) -> tuple[str, str, str | None]:
        """How dispatch and the fold see it, and whom they agree upon."""
        self.catch_up()
        state = folded(self.company.log.records)
        (need,) = state.needs.values()
        mission = self.dispatch.mission
        assert mission is not None
        assert (state.anomalies, need.provider_id) == ((), mission.provider_id)
        return mission.status, need.state, mission.provider_id


def test_a_cancellation_that_dispatch_tells_after_the_visit_had_failed_is_the_last_word_for_everybody() -> None:
    story = Story()
    for kind in (tracking.VisitScheduled, intake.NeedCancelled, tracking.VisitStarted, tracking.VisitFailed, intake.NeedReinstated):
        story.log(kind)
    assert story.ends() == ("unfilled", "unfilled", None)


def test_a_mission_given_again_by_hand_to_whom_it_was_taken_from_is_theirs_for_everybody() -> None:
    story = Story()
    story.log(tracking.VisitScheduled)
    story.dispatch._try(search.reassign, "reassigned")
    story.accept()  # Boris
    story.dispatch._try(search.reassign, "reassigned")  # nobody is left
    for kind in (tracking.VisitStarted, tracking.VisitFailed):  # Anna's, who had not heard yet
        story.log(kind)
    story.log(tracking.VisitScheduled, visit=301)  # nor had tracking
    story.catch_up()
    story.dispatch._try(search.propose, [story.dispatch._chosen(ANNA)], RULES, NOW)
    assert story.ends() == ("offered", "offered", None)
    story.accept()
    assert story.ends() == ("accepted", "accepted", ANNA)


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
