"""Units and amounts counted, the principal asked first, gestures: pure scenarios."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from contracts.reasons import APPROVAL_REFUSED, COVERAGE_REFUSED, COVERAGE_TRACE, GOODWILL, TASK_KIND
from services.reference.domain import approval, coverage, goodwill
from services.reference.domain.choice import Grant, Refusal, Verdict, choose
from services.reference.domain.coverage import (
    ANSWER_WITHIN,
    REMIND_BEFORE,
    ApprovalAnswered,
    ApprovalAsked,
    ApprovalWithdrawn,
    Consumed,
    Cover,
    Granted,
    Refused,
    TaskClosed,
    TaskOpened,
)
from services.reference.domain.entitlement import Claim, Contract, Guarantee, Person, Rights, RightsKey, attempts

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
TODAY = date(2026, 3, 2)
HOLD = timedelta(days=30)
TOW = Guarantee("breakdown", ("towing",), "interventions", Decimal(4), 30_000, Decimal(0), 0, (), (), date(2000, 1, 1))
CONTRACT = Contract("c1", "C-1", "p1", None, "road", date(2024, 5, 1), None, "active", (TOW,))
PERSON = Person("m1", False, None, (CONTRACT,), "38185")
CLAIM = Claim("m1", "p1", None, "towing", "38185", "38", NOW, NOW + timedelta(hours=2), Decimal(1), "mission", declared_on=TODAY)
KEY = RightsKey("c1", "breakdown", date(2025, 5, 1))


def verdict(
    guarantee: Guarantee = TOW,
    claim: Claim = CLAIM,
    rights: Rights | None = None,
    limit: int | None = None,
    km: float | None = None,
    elsewhere: set[tuple[str, str]] | None = None,
) -> Verdict:
    contract = replace(CONTRACT, guarantees=(guarantee,), limits=((date(2020, 1, 1), limit),))
    return choose(attempts(replace(PERSON, contracts=(contract,)), claim, (), km), {KEY: rights or Rights()}, claim, elsewhere or set())


def grant(found: Verdict) -> Grant:
    assert isinstance(found, Grant), found
    assert set(found.trace) <= set(COVERAGE_TRACE)
    return found


YEARLY = replace(TOW, cap_gross_cents_per_year=50_000)
ASKING = replace(YEARLY, overrun="approval")


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (verdict(replace(TOW, min_km_from_home=25), km=24.9), "too_close_to_home"),
        (verdict(replace(TOW, declare_within_days=5), replace(CLAIM, occurred_on=TODAY - timedelta(days=6))), "declared_too_late"),
        (verdict(replace(TOW, one_at_a_time=True), elsewhere={("c1", "breakdown")}), "already_covered"),
        (verdict(YEARLY, rights=Rights(used_cents=20_000, reserved_cents=30_000)), "amount_exhausted"),
        (verdict(replace(ASKING, cap_gross_cents=None), rights=Rights(used_cents=50_000)), "amount_exhausted"),  # nobody knows what to ask for
    ],
)
def test_each_further_rule_refuses_with_its_own_code(found: Verdict, reason: str) -> None:
    assert isinstance(found, Refusal)
    assert found.reason == found.trace[-1] == reason
    assert reason in COVERAGE_REFUSED
    assert found.tried[0].trace == found.trace


@pytest.mark.parametrize(
    ("found", "rule"),
    [
        (verdict(replace(TOW, min_km_from_home=25), km=25), "far_enough"),
        (verdict(replace(TOW, declare_within_days=5), replace(CLAIM, occurred_on=TODAY - timedelta(days=5))), "declared_in_time"),
        (verdict(replace(TOW, one_at_a_time=True)), "not_covered_elsewhere"),
        (verdict(YEARLY), "amount_left"),
        (verdict(limit=30_000), "approval_not_needed"),
    ],
)
def test_each_further_rule_that_passes_stands_in_the_trace(found: Verdict, rule: str) -> None:
    assert rule in grant(found).trace


def test_a_rule_about_what_is_not_known_is_not_tried() -> None:
    assert "far_enough" not in grant(verdict(replace(TOW, min_km_from_home=25), km=None)).trace
    assert "declared_in_time" not in grant(verdict(replace(TOW, declare_within_days=5))).trace


def test_a_grant_promises_no_more_than_the_year_has_left() -> None:
    assert grant(verdict(YEARLY)).cap_gross_cents == 30_000
    assert grant(verdict(YEARLY, rights=Rights(used_cents=35_000))).cap_gross_cents == 15_000
    assert grant(verdict(replace(YEARLY, cap_gross_cents=None))).cap_gross_cents == 50_000
    assert grant(verdict(replace(TOW, cap_gross_cents=None))).cap_gross_cents is None


def test_whatever_is_granted_together_is_within_the_year_s_amount() -> None:
    rights, promised = Rights(), 0
    for _ in range(4):
        found = verdict(replace(YEARLY, units_per_year=None), rights=rights)
        if isinstance(found, Refusal):
            break
        promised += found.cap_gross_cents or 0
        rights = replace(rights, reserved_cents=promised)
    assert promised == 50_000


def test_above_the_limit_of_its_terms_the_principal_is_asked_for_what_is_expected() -> None:
    assert grant(verdict(limit=20_000)).approval_cents == 30_000
    cheap = replace(CLAIM, estimate_gross_cents=12_000)
    assert grant(verdict(claim=cheap, limit=20_000)).approval_cents is None
    dear = replace(CLAIM, estimate_gross_cents=90_000)
    assert grant(verdict(claim=dear, limit=20_000)).approval_cents == 30_000  # at most the cap; the rest is the member's
    assert grant(verdict(claim=dear, limit=20_000)).unasked.cap_gross_cents == 20_000
    assert grant(verdict(replace(TOW, cap_gross_cents=None), limit=20_000)).approval_cents is None  # nobody knows the amount


def test_an_overrun_is_the_member_s_or_asked_of_the_principal_as_the_guarantee_says() -> None:
    little = Rights(used_cents=40_000)
    assert grant(verdict(YEARLY, rights=little)).approval_cents is None
    asked = grant(verdict(ASKING, rights=little))
    assert (asked.approval_cents, asked.cap_gross_cents, asked.free_cents) == (30_000, 30_000, 10_000)
    assert grant(verdict(ASKING, rights=Rights(used_cents=50_000))).approval_cents == 30_000
    dear = replace(CLAIM, estimate_gross_cents=45_000)
    assert grant(verdict(ASKING, dear)).approval_cents == 45_000
    assert grant(verdict(ASKING, replace(CLAIM, estimate_gross_cents=8_000), little)).approval_cents is None


def test_a_guarantee_that_asks_nobody_is_taken_before_one_that_does() -> None:
    other = replace(TOW, code="other", member_rate=Decimal("0.2"), cap_gross_cents=10_000)
    contract = replace(CONTRACT, guarantees=(TOW, other), limits=((date(2020, 1, 1), 20_000),))
    found = grant(choose(attempts(replace(PERSON, contracts=(contract,)), CLAIM), {}, CLAIM))
    assert found.guarantee.code == "other"
    assert [(one.guarantee, one.trace[-1]) for one in found.tried] == [("breakdown", "approval_needed"), ("other", "approval_not_needed")]


def test_the_limit_is_that_of_the_terms_of_the_day() -> None:
    contract = replace(CONTRACT, limits=((date(2020, 1, 1), 10_000), (date(2026, 3, 3), None)))
    assert contract.approval_above(TODAY) == 10_000
    assert contract.approval_above(date(2026, 3, 3)) is None
    assert contract.approval_above(date(2019, 1, 1)) is None


# The principal asked first


def asked() -> Cover:
    cover, facts = coverage.decide("n1", "k1", CLAIM, verdict(YEARLY, limit=20_000), "d1", NOW, HOLD)
    assert facts == [ApprovalAsked(cover)]
    assert (cover.status, cover.approval_due) == ("asked", NOW + ANSWER_WITHIN)
    return cover


def test_units_and_amount_are_kept_while_the_principal_is_asked() -> None:
    assert asked().holding == (KEY, Rights(reserved=Decimal(1), reserved_cents=30_000))
    assert asked().due == NOW + REMIND_BEFORE


def test_an_approval_covers_the_need_and_a_refusal_refuses_it() -> None:
    granted, facts = approval.grant(asked(), "d1", "principal")
    assert facts == [ApprovalAnswered("d1", "principal"), Granted(granted)]
    assert granted.trace[-1] == "approval_given" and granted.holding == asked().holding and granted.due == CLAIM.ends_at + HOLD
    refused, facts = approval.refuse(asked(), "d1", "too_expensive", "supervisor", "t1")
    assert facts == [ApprovalAnswered("d1", "supervisor", "too_expensive"), Refused(refused)]
    assert (refused.reason, refused.trace[-1], refused.holding) == ("approval_refused", "approval_refused", None)
    for answered in (granted, refused, coverage.cancel(asked())[0]):
        with pytest.raises(approval.NotAsked):
            approval.grant(answered, "d1", "principal")
    with pytest.raises(approval.NotAsked):
        approval.grant(asked(), "d0", "principal")


def test_an_approval_that_nobody_answers_reminds_a_supervisor_then_expires() -> None:
    early = NOW + REMIND_BEFORE - timedelta(seconds=1)
    assert approval.pass_time(asked(), "t1", early) == (asked(), [])
    reminded, facts = approval.pass_time(asked(), "t1", NOW + REMIND_BEFORE)
    assert facts == [TaskOpened("t1", "approval_unanswered", None, "supervisor")]
    assert "approval_unanswered" in TASK_KIND and reminded.due == NOW + ANSWER_WITHIN
    with pytest.raises(coverage.AnswerFirst):
        coverage.settle(reminded, "done")
    expired, facts = approval.pass_time(reminded, "t2", NOW + ANSWER_WITHIN)
    assert facts == [ApprovalAnswered("d1", "system", "no_answer"), Refused(expired), TaskClosed("t1", "no_longer_needed")]
    assert expired.reason == "approval_expired" and "no_answer" in APPROVAL_REFUSED
    answered, facts = approval.grant(reminded, "d1", "supervisor")
    assert facts[-1] == TaskClosed("t1", "done") and answered.task_id is None


def test_a_need_at_risk_that_the_principal_refuses_is_for_a_person_to_settle() -> None:
    gone, facts = coverage.go_at_risk(asked(), "t1")
    assert facts == []
    refused, facts = approval.refuse(gone, "d1", "too_expensive", "principal", "t2")
    assert facts[-1] == TaskOpened("t2", "at_risk_refused", "approval_refused")
    assert refused.task_id == "t2"


def test_work_done_while_the_principal_is_asked_is_used_up_with_its_answer() -> None:
    gone, _ = coverage.go_at_risk(asked(), "t1")
    done, facts = coverage.perform(gone, None)
    assert facts == [] and done.holding == asked().holding
    granted, facts = approval.grant(done, "d1", "principal")
    assert [type(fact) for fact in facts] == [ApprovalAnswered, Granted, Consumed]
    assert granted.holding == (KEY, Rights(used=Decimal(1), used_cents=30_000))
    refused, facts = approval.refuse(done, "d1", "too_expensive", "principal", "t2")
    assert [type(fact) for fact in facts] == [ApprovalAnswered, Refused]
    assert refused.holding is None


def test_a_cancelled_need_is_asked_about_no_more_and_again_when_it_is_reinstated() -> None:
    cancelled, facts = coverage.cancel(asked())
    assert facts == [ApprovalWithdrawn("d1")]
    assert (cancelled.holding, cancelled.due) == (None, None)
    assert coverage.cancel(cancelled)[1] == []
    later = NOW + timedelta(days=1)
    back, facts = coverage.reinstate(cancelled, later, HOLD)
    assert facts == [ApprovalAsked(back)] and back.approval_due == later + ANSWER_WITHIN


def test_an_amended_need_goes_on_waiting_only_where_no_more_is_asked_for() -> None:
    def amended(to: Verdict) -> coverage.Decision:
        return coverage.amend(asked(), CLAIM, to, "d2", "t1", NOW, HOLD)

    assert amended(verdict(YEARLY, limit=20_000))[1] == []
    more = grant(verdict(YEARLY, limit=20_000))
    again, facts = amended(replace(more, approval_cents=35_000))
    assert facts == [ApprovalWithdrawn("d1"), ApprovalAsked(again)] and again.decision_id == "d2"
    free, facts = amended(verdict(YEARLY))
    assert facts == [ApprovalWithdrawn("d1"), Granted(free)]
    refused, facts = amended(Refusal("outside_area", ("outside_area",)))
    assert facts == [ApprovalWithdrawn("d1"), Refused(refused)]


def test_a_covered_need_amended_above_the_limit_stays_covered_up_to_it_and_asks_nobody() -> None:
    cover, _ = coverage.decide("n1", "k1", CLAIM, verdict(), "d1", NOW, HOLD)
    by_unit = replace(TOW, counts="units")
    claim = replace(CLAIM, quantity=Decimal(2))
    after, facts = coverage.amend(cover, claim, verdict(by_unit, claim, limit=20_000), "d2", "t1", NOW, HOLD)
    assert isinstance(facts[-1], Granted)
    assert (after.status, after.cap_gross_cents, after.approval_cents) == ("granted", 20_000, None)


# Amounts trued up


def test_the_charge_trues_up_what_was_kept_in_whatever_order_it_comes() -> None:
    cover, _ = coverage.decide("n1", "k1", CLAIM, verdict(YEARLY), "d1", NOW, HOLD)
    done, _ = coverage.perform(cover, None)
    assert done.holding == (KEY, Rights(used=Decimal(1), used_cents=30_000))
    billed, _ = coverage.charge(done, 18_000, 0, False)
    charged, _ = coverage.charge(billed, 0, 3_000, True)
    assert charged.holding == (KEY, Rights(used=Decimal(1), used_cents=15_000))
    before, _ = coverage.charge(cover, 18_000, 3_000, True)
    assert coverage.perform(before, None)[0].holding == charged.holding
    corrected, _ = coverage.charge(charged, -18_000 + 20_000, -3_000 + 2_000, True)
    assert corrected.holding == (KEY, Rights(used=Decimal(1), used_cents=18_000))


# Gestures


def refused() -> Cover:
    cover, _ = coverage.decide("n1", "k1", CLAIM, verdict(rights=Rights(used=Decimal(4))), "d1", NOW, HOLD)
    return cover


def test_a_gesture_grants_what_was_refused_and_takes_nothing_of_the_rights() -> None:
    after, facts = goodwill.grant(refused(), CONTRACT, 12_000, "hardship", ("supervisor", "s1"), "d2", NOW, HOLD)
    assert facts == [Granted(after)]
    assert (after.guarantee, after.cap_gross_cents, after.units, after.holding) == ("goodwill", 12_000, Decimal(0), None)
    assert after.trace[-2:] == ("units_exhausted", "goodwill")
    assert (after.goodwill_by, after.goodwill_actor, after.goodwill_reason) == ("supervisor", "s1", "hardship")
    assert after.goodwill_reason in GOODWILL
    with pytest.raises(goodwill.NotRefused):
        goodwill.grant(after, CONTRACT, 12_000, "hardship", ("supervisor", "s1"), "d3", NOW, HOLD)
    with pytest.raises(goodwill.NothingToGrant):
        goodwill.grant(refused(), None, 12_000, "hardship", ("supervisor", "s1"), "d2", NOW, HOLD)
    with pytest.raises(goodwill.NotRefused):
        goodwill.grant(coverage.cancel(refused())[0], CONTRACT, 12_000, "hardship", ("supervisor", "s1"), "d2", NOW, HOLD)


def test_a_gesture_outlives_an_amendment_that_would_be_refused_and_ends_the_task_of_a_lost_need() -> None:
    given, _ = goodwill.grant(refused(), CONTRACT, 12_000, "hardship", ("supervisor", "s1"), "d2", NOW, HOLD)
    assert coverage.amend(given, CLAIM, Refusal("outside_area", ("outside_area",)), "d3", "t1", NOW, HOLD) == (given, [])
    risky, _ = coverage.go_at_risk(refused(), "t1")
    _, facts = goodwill.grant(risky, CONTRACT, 12_000, "hardship", ("principal", "p1"), "d2", NOW, HOLD)
    assert facts[-1] == TaskClosed("t1", "done_by_hand")


def test_a_gesture_after_the_work_was_done_is_used_up_at_once() -> None:
    done, _ = coverage.perform(coverage.go_at_risk(refused(), "t1")[0], None)
    after, facts = goodwill.grant(done, CONTRACT, 12_000, "hardship", ("supervisor", "s1"), "d2", NOW, HOLD)
    assert [type(fact) for fact in facts] == [Granted, Consumed]
    assert (after.status, after.holding) == ("consumed", None)
