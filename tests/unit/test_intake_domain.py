"""What may happen to a case: every decision, its refusals, and the same thing twice."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from services.intake import domain
from services.intake.domain import Amended, Cancelled, Case, Closed, Need, Reinstated, Reopened, WentAtRisk, Wish
from services.kit.errors import Invalid

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
WISH = Wish("35051", "35510", NOW + timedelta(hours=3), NOW + timedelta(hours=6), "planned", Decimal(2), "hour")
LATER = replace(WISH, start=NOW + timedelta(days=1), end=NOW + timedelta(days=1, hours=3))


def case(**changed: object) -> Case:
    need = replace(Need("n1", 1, "gardening", WISH), **changed)  # type: ignore[arg-type]
    return Case("c1", "100000008", "p", "m", None, open=True, version=3, needs=(need,))


def test_a_second_need_gets_the_next_rank() -> None:
    after, facts = domain.add_need(case(), "n2", "towing", WISH, NOW)
    assert [need.rank for need in after.needs] == [1, 2]
    assert [fact.need.id for fact in facts if isinstance(fact, domain.Added)] == ["n2"]


def test_a_rank_is_never_used_again() -> None:
    after, _ = domain.add_need(case(status="cancelled"), "n2", "towing", WISH, NOW)
    assert after.needs[-1].rank == 2


@pytest.mark.parametrize(
    ("service", "wish", "code"),
    [
        ("dancing", WISH, "unknown_service"),
        ("gardening", replace(WISH, end=WISH.start), "window_backwards"),
        ("gardening", replace(WISH, start=NOW - timedelta(hours=4), end=NOW - timedelta(hours=1)), "window_past"),
        ("gardening", replace(WISH, start=NOW + timedelta(days=400), end=NOW + timedelta(days=401)), "window_too_far"),
        ("gardening", replace(WISH, quantity=Decimal(0)), "quantity_out_of_range"),
    ],
)
def test_a_wish_that_cannot_be_is_refused_by_its_code(service: str, wish: Wish, code: str) -> None:
    with pytest.raises(Invalid) as refusal:
        domain.add_need(case(), "n2", service, wish, NOW)
    assert refusal.value.code == code


def test_nothing_is_added_to_a_closed_case() -> None:
    with pytest.raises(domain.CaseClosed):
        domain.add_need(replace(case(), open=False), "n2", "towing", WISH, NOW)


def test_amending_tells_the_new_wish_and_keeps_the_old_until_it_is_confirmed() -> None:
    after, facts = domain.amend(case(), case().needs[0], LATER, NOW)
    assert facts == [Amended(after.needs[0], "wish_changed")]
    assert (after.needs[0].wish, after.needs[0].settled_wish) == (LATER, WISH)
    confirmed, none = domain.confirm_wish(after, after.needs[0])
    assert (confirmed.needs[0].settled_wish, none) == (None, [])


def test_amending_twice_keeps_the_wish_that_was_settled_first() -> None:
    once, _ = domain.amend(case(), case().needs[0], LATER, NOW)
    twice, _ = domain.amend(once, once.needs[0], replace(LATER, quantity=Decimal(3)), NOW)
    assert twice.needs[0].settled_wish == WISH


def test_the_same_wish_again_changes_nothing() -> None:
    assert domain.amend(case(), case().needs[0], WISH, NOW) == (case(), [])


def test_cancelling_tells_why_and_cancelling_again_changes_nothing() -> None:
    after, facts = domain.cancel(case(), case().needs[0], "changed_mind")
    assert facts == [Cancelled(after.needs[0], "changed_mind")]
    assert domain.cancel(after, after.needs[0], "changed_mind") == (after, [])


def test_a_started_visit_can_neither_be_cancelled_nor_amended() -> None:
    started = case(started=True)
    with pytest.raises(domain.VisitStarted):
        domain.cancel(started, started.needs[0], "changed_mind")
    with pytest.raises(domain.VisitStarted):
        domain.amend(started, started.needs[0], LATER, NOW)


@pytest.mark.parametrize("status", ["refused", "performed"])
def test_what_is_over_is_not_cancelled(status: str) -> None:
    over = case(status=status)
    with pytest.raises(domain.NeedFinal):
        domain.cancel(over, over.needs[0], "changed_mind")


def test_a_visit_that_starts_wins_over_a_cancellation() -> None:
    cancelled, _ = domain.cancel(case(), case().needs[0], "changed_mind")
    after, facts = domain.visit_started(cancelled, cancelled.needs[0])
    assert facts == [Reinstated(after.needs[0], "visit_had_started")]
    assert (after.needs[0].status, after.needs[0].started) == ("open", True)


def test_a_visit_that_starts_opens_a_closed_case_again() -> None:
    cancelled, _ = domain.cancel(case(), case().needs[0], "changed_mind")
    closed, _ = domain.close(cancelled, "all_cancelled")
    after, facts = domain.visit_started(closed, closed.needs[0])
    assert after.open
    assert facts == [Reopened("visit_had_started"), Reinstated(after.needs[0], "visit_had_started")]


def test_a_visit_that_starts_drops_an_amendment_nobody_confirmed() -> None:
    amended, _ = domain.amend(case(), case().needs[0], LATER, NOW)
    after, facts = domain.visit_started(amended, amended.needs[0])
    assert after.needs[0].wish == WISH
    assert facts == [Amended(after.needs[0], "visit_had_started")]


def test_a_visit_starting_twice_changes_nothing() -> None:
    once, _ = domain.visit_started(case(), case().needs[0])
    assert domain.visit_started(once, once.needs[0]) == (once, [])


def test_a_refusal_ends_a_need_and_goodwill_opens_it_again() -> None:
    refused, facts = domain.refused(case(), case().needs[0])
    assert (refused.needs[0].status, facts) == ("refused", [])
    closed, _ = domain.close(refused, "all_refused")
    again, facts = domain.granted(closed, closed.needs[0])
    assert (again.open, again.needs[0].status, facts) == (True, "open", [Reopened("goodwill")])


def test_a_refusal_after_going_on_at_risk_leaves_the_need_to_a_person() -> None:
    at_risk = case(at_risk=True)
    assert domain.refused(at_risk, at_risk.needs[0]) == (at_risk, [])


def test_going_on_at_risk_stays_within_the_principals_limit() -> None:
    after, facts = domain.go_at_risk(case(), case().needs[0], 15_000, 20_000, "urgent", NOW)
    assert facts == [WentAtRisk(after.needs[0], 15_000, "urgent", NOW)]
    with pytest.raises(domain.NotAllowedAtRisk):
        domain.go_at_risk(case(), case().needs[0], 20_001, 20_000, "urgent", NOW)


def test_a_case_closes_only_when_none_of_its_needs_is_open() -> None:
    with pytest.raises(domain.NeedsOpen):
        domain.close(case(), "by_hand")
    done, _ = domain.performed(case(), case().needs[0])
    closed, facts = domain.close(done, "all_done")
    assert (closed.open, facts) == (False, [Closed("all_done")])
    assert domain.close(closed, "all_done") == (closed, [])


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [("performed", "performed", "all_done"), ("cancelled", "cancelled", "all_cancelled"), ("refused", "refused", "all_refused"),
     ("performed", "cancelled", "mixed"), ("performed", "open", None)],
)  # fmt: skip
def test_the_outcome_names_why_a_case_closes_by_itself(first: str, second: str, reason: str | None) -> None:
    two = case(status=first).with_need(replace(Need("n2", 2, "towing", WISH), status=second))  # type: ignore[arg-type]
    assert domain.outcome(two) == reason
