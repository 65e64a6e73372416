"""Who is entitled to what, the life of a decision, and searches as typed: pure scenarios."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import phonenumbers
import pytest
from hypothesis import given
from hypothesis.strategies import from_regex, sampled_from

from contracts.reasons import COVERAGE_REFUSED, COVERAGE_TRACE, TASK_KIND
from services.kit import phones
from services.kit.errors import Invalid
from services.reference.domain import coverage, names
from services.reference.domain.choice import Grant, Refusal, choose
from services.reference.domain.coverage import Consumed, Cover, Granted, Refused, Released, TaskClosed, TaskOpened
from services.reference.domain.entitlement import Claim, Contract, Guarantee, Person, Rights, RightsKey, Ruled, attempts

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
HOLD = timedelta(days=30)
GARDEN = Guarantee("home", ("gardening",), "interventions", Decimal(2), 30_000, Decimal(0), 7, (), (), date(2000, 1, 1))
CONTRACT = Contract("c1", "C-1", "p1", None, "home_plus", date(2024, 5, 1), None, "active", (GARDEN,))
PERSON = Person("m1", False, None, (CONTRACT,))
CLAIM = Claim("m1", "p1", None, "gardening", "38185", "38", NOW, NOW + timedelta(hours=2), Decimal(3), "hour")
KEY = RightsKey("c1", "home", date(2025, 5, 1))
RESERVED = Rights(reserved=Decimal(1), reserved_cents=30_000)


def verdict(person: Person | None = PERSON, claim: Claim = CLAIM, **rights: int) -> Grant | Refusal:
    used = {KEY: Rights(Decimal(rights.get("used", 0)), Decimal(rights.get("reserved", 0)))}
    return choose(attempts(person, claim), used)


def under(guarantee: Guarantee = GARDEN, **contract: object) -> Person:
    return replace(PERSON, contracts=(replace(CONTRACT, guarantees=(guarantee,), **contract),))  # type: ignore[arg-type]


def granted() -> Cover:
    cover, facts = coverage.decide("n1", "k1", CLAIM, verdict(), "d1", NOW, HOLD)
    assert facts == [Granted(cover)]
    return cover


def refused() -> Cover:
    cover, facts = coverage.decide("n1", "k1", CLAIM, verdict(used=2), "d1", NOW, HOLD)
    assert facts == [Refused(cover)]
    return cover


def amended(cover: Cover, claim: Claim, to: Grant | Refusal) -> coverage.Decision:
    return coverage.amend(cover, claim, to, "d2", "t1", NOW, HOLD)


def test_a_need_within_the_guarantee_is_granted_one_intervention_of_the_contract_year() -> None:
    found = verdict()
    assert isinstance(found, Grant)
    assert (found.key, found.units, found.renews_on) == (KEY, Decimal(1), date(2026, 5, 1))
    assert found.trace == ("member_active", "principal_active", "contract_active", "service_covered", "waiting_over", "place_covered", "units_left")


@pytest.mark.parametrize(
    ("person", "claim", "reason"),
    [
        (None, CLAIM, "not_a_member"),
        (replace(PERSON, provisional=True), CLAIM, "provisional_member"),
        (replace(PERSON, ended_on=date(2026, 1, 1)), CLAIM, "member_ended"),
        (replace(PERSON, contracts=()), CLAIM, "no_contract"),
        (PERSON, replace(CLAIM, contract_id="another"), "no_contract"),
        (PERSON, replace(CLAIM, principal_id="another"), "no_contract"),
        (under(principal_ended_on=date(2026, 1, 1)), CLAIM, "principal_suspended"),
        (under(starts_on=date(2026, 6, 1)), CLAIM, "contract_not_started"),
        (under(ends_on=date(2026, 3, 1)), CLAIM, "contract_ended"),
        (under(state="suspended"), CLAIM, "contract_suspended"),
        (PERSON, replace(CLAIM, service="towing"), "service_not_covered"),
        (under(replace(GARDEN, valid_from=date(2026, 4, 1))), CLAIM, "service_not_covered"),
        (under(starts_on=date(2026, 3, 1)), CLAIM, "waiting_period"),
        (under(replace(GARDEN, area=("75",))), CLAIM, "outside_area"),
        (under(replace(GARDEN, excluded=("38185",))), CLAIM, "excluded_place"),
        (under(replace(GARDEN, excluded=("38",))), CLAIM, "excluded_place"),
        (under(replace(GARDEN, counts="units", units_per_year=Decimal(2))), CLAIM, "units_exhausted"),
    ],
)
def test_each_rule_refuses_with_its_own_code(person: Person | None, claim: Claim, reason: str) -> None:
    found = verdict(person, claim)
    assert isinstance(found, Refusal)
    assert found.reason == found.trace[-1] == reason
    assert reason in COVERAGE_REFUSED
    assert set(found.trace[:-1]) <= set(COVERAGE_TRACE)


def test_a_contract_that_somebody_else_holds_does_not_cover_this_person() -> None:
    [found] = attempts(PERSON, replace(CLAIM, contract_id="theirs"), {"theirs"})
    assert isinstance(found, Ruled)
    assert (found.reason, found.trace) == ("beneficiary_not_covered", ("member_active", "beneficiary_not_covered"))
    assert found.reason in COVERAGE_REFUSED
    [mine] = attempts(PERSON, replace(CLAIM, contract_id=CONTRACT.id, principal_id="another"), {CONTRACT.id})
    assert isinstance(mine, Ruled)
    assert mine.reason == "no_contract"


def test_the_last_day_of_a_contract_is_covered_and_days_are_those_of_paris() -> None:
    late = replace(CLAIM, starts_at=datetime(2026, 2, 28, 23, 30, tzinfo=UTC))  # 1 March in Paris
    assert isinstance(verdict(under(ends_on=date(2026, 3, 1)), late), Grant)
    assert isinstance(verdict(under(ends_on=date(2026, 2, 28)), late), Refusal)


def test_reserved_units_count_as_taken_and_the_refusal_says_when_they_come_back() -> None:
    found = verdict(used=1, reserved=1)
    assert isinstance(found, Refusal)
    assert (found.reason, found.renews_on) == ("units_exhausted", date(2026, 5, 1))


def test_the_contract_that_costs_the_member_least_is_taken() -> None:
    dear = replace(CONTRACT, id="c2", guarantees=(replace(GARDEN, member_rate=Decimal("0.2")),))
    uncapped = replace(CONTRACT, id="c3", guarantees=(replace(GARDEN, cap_gross_cents=None),))
    found = verdict(replace(PERSON, contracts=(dear, CONTRACT, uncapped)))
    assert isinstance(found, Grant)
    assert found.key.contract_id == "c3"


def test_the_refusal_told_is_the_one_that_came_furthest() -> None:
    ended = replace(CONTRACT, id="c0", ends_on=date(2025, 1, 1))
    found = verdict(replace(PERSON, contracts=(ended, CONTRACT)), used=2)
    assert isinstance(found, Refusal)
    assert found.reason == "units_exhausted"


def test_a_decision_takes_the_version_of_the_guarantee_in_force_on_its_day() -> None:
    newer = replace(GARDEN, units_per_year=Decimal(9), valid_from=date(2026, 3, 1))
    contract = replace(CONTRACT, guarantees=(newer, GARDEN))
    assert contract.guarantees_on(date(2026, 2, 28)) == [GARDEN]
    assert contract.guarantees_on(date(2026, 3, 1)) == [newer]


def test_a_contract_of_29_february_turns_on_the_28th_in_other_years() -> None:
    contract = replace(CONTRACT, starts_on=date(2024, 2, 29))
    assert contract.year(date(2026, 3, 1)) == (date(2026, 2, 28), date(2027, 2, 28))
    assert contract.year(date(2028, 2, 28)) == (date(2027, 2, 28), date(2028, 2, 29))


def test_a_reservation_lasts_until_some_days_after_the_wished_time() -> None:
    assert granted().expires_at == CLAIM.ends_at + HOLD
    assert granted().holding == (KEY, RESERVED)


def test_an_amendment_with_the_same_result_says_nothing() -> None:
    later = replace(CLAIM, ends_at=CLAIM.ends_at + timedelta(days=1))
    after, facts = amended(granted(), later, verdict(claim=later))
    assert facts == []
    assert (after.decision_id, after.expires_at) == ("d1", later.ends_at + HOLD)


def test_an_amendment_into_another_contract_year_moves_the_reservation() -> None:
    later = replace(CLAIM, starts_at=NOW + timedelta(days=90), ends_at=NOW + timedelta(days=90, hours=2))
    after, facts = amended(granted(), later, verdict(claim=later))
    assert facts == [Released("d1", Decimal(1), "need_amended"), Granted(after)]
    assert after.decision_id == "d2"
    assert after.key == RightsKey("c1", "home", date(2026, 5, 1))


def test_an_amendment_out_of_coverage_gives_back_and_asks_a_person_but_never_refuses_work_under_way() -> None:
    after, facts = amended(granted(), CLAIM, Refusal("outside_area", ("outside_area",)))
    assert facts == [Released("d1", Decimal(1), "refused_later"), TaskOpened("t1", "coverage_lost", "outside_area")]
    assert after.holding is None
    assert "coverage_lost" in TASK_KIND
    assert amended(after, CLAIM, Refusal("outside_area", ("outside_area",)))[1] == []
    back, facts = amended(after, CLAIM, verdict())
    assert facts == [Granted(back), TaskClosed("t1", "resolved_itself")]


def test_a_refused_need_amended_into_coverage_is_granted_and_refused_again_only_for_another_reason() -> None:
    after, facts = amended(refused(), CLAIM, verdict())
    assert facts == [Granted(after)]
    assert amended(refused(), CLAIM, verdict(used=2))[1] == []
    after, facts = amended(refused(), CLAIM, Refusal("outside_area", ("outside_area",)))
    assert facts == [Refused(after)]


def test_a_cancelled_need_gives_back_once() -> None:
    after, facts = coverage.cancel(granted())
    assert facts == [Released("d1", Decimal(1), "need_cancelled")]
    assert after.holding is None
    assert coverage.cancel(after) == (after, [])
    assert coverage.cancel(refused())[1] == []


def test_a_reinstated_need_is_reserved_again_under_the_same_decision() -> None:
    cancelled, _ = coverage.cancel(granted())
    assert cancelled.due is None
    late = CLAIM.ends_at + 2 * HOLD
    after, facts = coverage.reinstate(cancelled, late, HOLD)
    assert facts == [Granted(after)]
    assert (after.decision_id, after.holding, after.due) == ("d1", (KEY, RESERVED), late + HOLD)
    assert coverage.reinstate(after, late, HOLD) == (after, [])


def test_work_done_consumes_what_was_reserved_once() -> None:
    after, facts = coverage.perform(granted(), Decimal(5))
    assert facts == [Consumed(after)]
    assert after.holding == (KEY, Rights(used=Decimal(1), used_cents=30_000))  # an intervention is one, however long
    assert coverage.perform(after, Decimal(5)) == (after, [])
    assert coverage.cancel(after)[1] == []


def test_counted_units_are_trued_up_to_what_was_done() -> None:
    by_hour = replace(GARDEN, counts="units", units_per_year=Decimal(20))
    cover, _ = coverage.decide("n1", "k1", CLAIM, verdict(under(by_hour)), "d1", NOW, HOLD)
    assert cover.units == Decimal(3)
    assert coverage.perform(cover, Decimal("2.5"))[0].holding == (KEY, Rights(used=Decimal("2.5"), used_cents=30_000))
    assert coverage.perform(cover, None)[0].holding == (KEY, Rights(used=Decimal(3), used_cents=30_000))


def test_work_done_after_a_cancellation_that_lost_is_reserved_again_and_consumed() -> None:
    cancelled, _ = coverage.cancel(granted())
    after, facts = coverage.perform(cancelled, None)
    assert [type(fact) for fact in facts] == [Granted, Consumed]
    assert coverage.reinstate(after, NOW, HOLD)[1] == []


def test_a_reservation_expires_only_while_the_need_is_open_and_its_time_has_come() -> None:
    cover = granted()
    assert cover.expires_at
    assert coverage.expire(cover, cover.expires_at - timedelta(seconds=1))[1] == []
    after, facts = coverage.expire(cover, cover.expires_at)
    assert facts == [Released("d1", Decimal(1), "reservation_expired")]
    assert coverage.expire(after, cover.expires_at)[1] == []
    consumed, _ = coverage.perform(cover, None)
    assert coverage.expire(consumed, cover.expires_at)[1] == []


def test_a_refused_need_that_goes_on_at_risk_opens_one_task_which_ends_with_the_need() -> None:
    after, facts = coverage.go_at_risk(refused(), "t1")
    assert facts == [TaskOpened("t1", "at_risk_refused", "units_exhausted")]
    assert coverage.go_at_risk(after, "t2") == (after, [])
    assert coverage.go_at_risk(granted(), "t1")[1] == []
    assert coverage.cancel(after)[1] == [TaskClosed("t1", "need_cancelled")]
    assert coverage.perform(after, None)[1] == [TaskClosed("t1", "accepted_loss")]
    settled, facts = coverage.settle(after, "accepted_loss")
    assert facts == [TaskClosed("t1", "accepted_loss")]
    with pytest.raises(coverage.TaskSettled):
        coverage.settle(settled, "accepted_loss")


def test_names_are_compared_without_accents_case_or_hyphens() -> None:
    assert names.fold("  D'Œuvray-Léon ") == "d oeuvray leon"
    assert names.name_key("LE GOFF", "Maël") == "le goff mael"


TOWNS = {"lyon": ["69123"], "saint etienne": ["42218"]}


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("orv-778812", names.Query(number="ORV-778812")),
        ("06 39 98 00 01", names.Query(number="0639980001", phone="06 39 98 00 01")),
        ("+33639980001", names.Query(number="+33639980001", phone="+33639980001")),
        ("ab-123 cd", names.Query(number="AB-123CD", plate="AB123CD")),
        ("1234 WX 2A", names.Query(number="1234WX2A", plate="1234WX2A")),
        ("dupont 14/03/1961", names.Query(names=("dupont",), birth_date=date(1961, 3, 14))),
        ("14.3.1961 Hélène Dupont", names.Query(names=("helene dupont", "dupont helene"), birth_date=date(1961, 3, 14))),
        ("dupont 1961-03-14", names.Query(names=("dupont",), birth_date=date(1961, 3, 14))),
        ("14031961", names.Query(birth_date=date(1961, 3, 14))),
        ("dupont 32/03/1961", names.Query(names=("dupont 32 03 1961", "32 03 1961 dupont", "03 1961 dupont 32", "1961 dupont 32 03"))),
        ("Dupont Saint-Étienne", names.Query(names=("dupont",), communes=("42218",))),
        ("lyon", names.Query(names=("lyon",))),
        ("?!", names.Query()),
    ],
)
def test_a_search_is_read_as_it_was_typed(typed: str, found: names.Query) -> None:
    assert names.parse(typed, TOWNS) == found


@given(from_regex(r"\A(\+33|0)([ .-]?[0-9]){8,10}\Z"), sampled_from(["", "35000", "97400", "98800"]))
def test_plain_phones_are_read_as_the_library_reads_them(typed: str, postcode: str) -> None:
    spaced = f"{typed[:2]} {typed[2:]}"  # not the short way
    try:
        expected = phones.e164(spaced, postcode)
    except Invalid:
        with pytest.raises(Invalid):
            phones.e164(typed, postcode)
    else:
        assert phones.e164(typed, postcode) == expected


@given(from_regex(r"\A(|0|\+33|\+262|0692|0590|00 33|00262|\+687 |40|87)[0-9]{4,10}\Z"))
def test_what_a_phone_may_mean_is_what_the_library_says_of_each_region(typed: str) -> None:
    meant = []
    for region in ("FR", "GP", "MQ", "GF", "RE", "PM", "YT", "PF", "NC"):
        try:
            number = phonenumbers.parse(typed, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_possible_number(number) if region == "FR" else phonenumbers.is_valid_number(number):
            meant.append(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    assert phones.meanings(typed) == list(dict.fromkeys(meant))


def test_overseas_phones_are_read_by_the_region_of_the_postcode() -> None:
    assert phones.e164("06 92 12 34 56", "97400") == "+262692123456"
    assert phones.e164("06.39.98.00.01", "38000") == phones.e164("+33 6 39 98 00 01") == "+33639980001"
    assert "+262692123456" in phones.meanings("0692123456")
    assert phones.meanings("06 39 98 00 01") == ["+33639980001"]
    with pytest.raises(Invalid):
        phones.e164("call me")
