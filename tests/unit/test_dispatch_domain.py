"""What may happen to a mission, told in scenarios; who is asked first."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.dispatch.domain import answers, following, mission, search
from services.dispatch.domain.mission import Mission, Place, Rules, Slot, Wish
from services.dispatch.domain.provider import Area, Provider
from services.dispatch.domain.ranking import Ranking, rank
from services.dispatch.domain.refusals import AlreadyAnswered, AlreadyTaken, MissionOver, NotCovered, OfferExpired, VisitStarted
from services.dispatch.domain.search import Chosen
from services.dispatch.emits import documents
from services.kit.errors import Invalid

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
RENNES = Place("35238", "35000", "35", 48.1113, -1.68)
VITRE = Place("35360", "35500", "35", 48.1234, -1.2143)
WISH = Wish(RENNES, NOW + timedelta(days=1), NOW + timedelta(days=1, hours=2), "planned", "2", "hour")
SLOT = Slot(WISH.start, WISH.end)
RULES = Rules({"planned": timedelta(hours=1), "today": timedelta(minutes=15), "immediate": timedelta(minutes=5)})
NEW = Mission("m", "c", "n", "123456789-1", "gardening", WISH)


def names(facts: list[mission.Fact]) -> list[str]:
    return [type(fact).__name__ for fact in facts]


def offered(*providers: str) -> Mission:
    found = search.covered(NEW)[0]
    for provider in providers or ("anna",):
        found = search.offer(found, Chosen(f"to_{provider}", provider, ("in_radius",)), RULES, NOW)[0]
    return found


def accepted(by: str = "anna") -> Mission:
    return accept(offered(by), by)


def accept(found: Mission, by: str) -> Mission:
    offer = found.offer(f"to_{by}")
    assert offer
    return answers.accept(found, offer, SLOT, NOW)[0]


def provider(name: str, place: Place = RENNES, **changes: object) -> Provider:
    return replace(Provider(name, name, name, "1" * 14, place, (Area("gardening", 50),), "polling", 4), **changes)  # type: ignore[arg-type]


def ranked(*providers: Provider, load: dict[str, int] | None = None, declines: dict[str, int] | None = None) -> Ranking:
    return rank(providers, "gardening", WISH, {}, load or {}, declines or {})


def test_an_offer_expires_after_the_time_that_its_urgency_gives() -> None:
    for urgency, minutes in (("planned", 60), ("today", 15), ("immediate", 5)):
        asked = search.offer(replace(NEW, wish=replace(WISH, urgency=urgency)), Chosen("o", "anna", ()), RULES, NOW)[0]  # type: ignore[arg-type]
        assert asked.offers[0].expires_at == NOW + timedelta(minutes=minutes)


def test_nobody_is_asked_before_coverage_is_decided() -> None:
    with pytest.raises(NotCovered):
        search.propose(NEW, [Chosen("o", "anna", ())], RULES, NOW)
    assert search.covered(search.covered(NEW)[0]) == search.covered(NEW)


def test_of_two_acceptances_the_second_is_told_that_it_is_taken() -> None:
    won = accept(offered("anna", "boris"), "anna")
    boris = won.offer("to_boris")
    assert boris and boris.status == "withdrawn" and won.live == 0
    with pytest.raises(AlreadyTaken):
        answers.accept(won, boris, SLOT, NOW)


def test_the_same_answer_twice_changes_nothing_and_another_one_is_refused() -> None:
    won = accepted()
    anna = won.offers[0]
    assert answers.accept(won, anna, SLOT, NOW) == (won, [])
    with pytest.raises(AlreadyAnswered):
        answers.decline(won, anna, "closed")


def test_a_late_answer_is_told_so_and_an_early_expiry_does_nothing() -> None:
    asked = offered()
    assert search.expire(asked, "to_anna", NOW) == (asked, [])
    over, facts = search.expire(asked, "to_anna", NOW + timedelta(hours=1))
    assert (over.status, names(facts)) == ("searching", ["Expired"])
    with pytest.raises(OfferExpired):
        answers.accept(over, over.offers[0], SLOT, NOW)


def test_an_expiry_after_an_acceptance_does_nothing() -> None:
    assert search.expire(accepted(), "to_anna", NOW + timedelta(days=9)) == (accepted(), [])


@pytest.mark.parametrize(
    ("start", "hours", "code"),
    [(-2, 1, "window_past"), (24, 0, "window_backwards"), (24 * 40, 1, "window_too_far"), (24, 24 * 8, "window_too_long")],
)
def test_an_appointment_must_make_sense(start: int, hours: int, code: str) -> None:
    slot = Slot(NOW + timedelta(hours=start), NOW + timedelta(hours=start + hours))
    with pytest.raises(Invalid) as refused:
        answers.accept(offered(), offered().offers[0], slot, NOW)
    assert refused.value.code == code


def test_a_cancellation_takes_everything_back_once() -> None:
    cancelled, facts = following.cancel(offered("anna", "boris"))
    assert (cancelled.status, cancelled.live, names(facts)) == ("cancelled", 0, ["Withdrawn", "Withdrawn"])
    assert following.cancel(cancelled) == (cancelled, [])
    assert names(following.cancel(accepted())[1]) == ["TakenBack"]


def test_a_started_visit_wins_over_the_cancellation_and_over_who_was_asked_instead() -> None:
    cancelled = following.cancel(accepted())[0]
    at_work, facts = following.visit_started(cancelled, "anna")
    assert (at_work.status, at_work.provider_id, names(facts)) == ("started", "anna", ["Started"])
    assert following.cancel(at_work) == (at_work, [])
    given = answers.give_up(accepted(), "anna", "worker_ill")[0]
    taken = accept(search.offer(given, Chosen("to_boris", "boris", ()), RULES, NOW)[0], "boris")
    back, facts = following.visit_started(taken, "anna")
    assert (back.provider_id, names(facts)) == ("anna", ["TakenBack", "Started"])


def test_a_visit_that_fails_after_the_mission_was_given_to_others_is_theirs_again_and_its_provider_is_told() -> None:
    reassigned = search.reassign(accepted(), "provider_fell_silent")[0]
    at_work = following.visit_started(search.offer(reassigned, Chosen("to_boris", "boris", ()), RULES, NOW)[0], "anna")[0]
    lost, facts = following.visit_failed(at_work, "anna", "task", RULES, NOW)
    assert (lost.status, lost.provider_id, names(facts)) == ("searching", None, ["Lost"])
    assert documents.of_fact(lost, facts[0])[1]["kind"] == "cancelled"  # type: ignore[index]


def test_a_visit_drops_the_amendment_that_nobody_agreed_to() -> None:
    later = replace(WISH, start=WISH.end, end=WISH.end + timedelta(hours=2))
    asked, facts = following.amend(accepted(), later, RULES, NOW)
    assert (names(facts), asked.pending) == (["AmendmentAsked"], later)
    assert following.visit_started(asked, "anna")[0].wish == WISH
    assert answers.reconfirm(asked, SLOT, NOW)[0].wish == later


def test_once_somebody_is_at_work_nothing_is_taken_back() -> None:
    at_work = following.visit_started(accepted(), "anna")[0]
    for refused in (lambda: search.reassign(at_work, "reassigned"), lambda: answers.give_up(at_work, "anna", "closed")):
        with pytest.raises(VisitStarted):
            refused()
    done = following.performed(at_work, "anna")[0]
    with pytest.raises(MissionOver):
        search.propose(replace(done, status="cancelled"), [Chosen("o", "boris", ())], RULES, NOW)


def test_who_gave_up_is_not_asked_again_for_a_changed_wish() -> None:
    given = answers.give_up(accepted(), "anna", "worker_ill")[0]
    changed = following.amend(given, replace(WISH, quantity="3"), RULES, NOW)[0]
    assert changed.asked == {"anna": "taken_back"}


def test_the_nearest_comes_first_and_load_and_declines_count_against_it() -> None:
    near, far = provider("near"), provider("far", VITRE)
    assert [found.provider.id for found in ranked(far, near).ranked] == ["near", "far"]
    assert ranked(far, near).ranked[0].score == 100
    assert [found.provider.id for found in ranked(far, near, load={"near": 3}, declines={"near": 5}).ranked] == ["far", "near"]


def test_each_who_is_not_asked_has_a_code() -> None:
    several = [
        provider("ended", ended_on="2026-01-01"),
        provider("other", areas=(Area("towing", 50),)),
        provider("small", VITRE, areas=(Area("gardening", 5),)),
        provider("full"),
        provider("asked"),
        provider("whole", VITRE, areas=(Area("gardening", 5, ("35",)),)),
    ]
    found = rank(several, "gardening", WISH, {"asked": "declined"}, {"full": 4}, {})
    assert {out.provider.id: out.code for out in found.excluded} == {
        "ended": "not_active", "other": "service_not_offered", "small": "out_of_area", "full": "no_capacity", "asked": "already_asked"
    }  # fmt: skip
    assert [candidate.why for candidate in found.ranked] == [("in_departement", "free_in_window", "nearest")]
