"""What a prestation costs, who pays it, and what the ledger says of it."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count

import pytest

from services.billing.domain import invoicing, ledger
from services.billing.domain.charging import Charge, Coverage, Need, Terms, terms_on
from services.billing.domain.invoicing import Invoice, NothingToInvoice, OnlyCredits, OpenCharge
from services.billing.domain.money import Vat, half_up, shares, vat_by_rate
from services.billing.domain.pricing import Bill, Done, Price, Tariff, check, in_force, price
from services.billing.domain.settling import Document, Performed, Prestation, Rules, settle
from services.kit.errors import Invalid

DAY = date(2026, 11, 24)
HOOK_UP = Price("hook_up", "unit", Decimal("95.00"), Decimal("0.20"))
DISTANCE = Price("distance", "km", Decimal("1.80"), Decimal("0.20"))
TARIFF = Tariff("t1", None, "towing", date(2026, 1, 1), date(2026, 12, 31), (HOOK_UP, DISTANCE))
TERMS = Terms(date(2026, 1, 1), 900, Decimal("0.05"), Decimal("0.20"))
RULES = Rules(TARIFF, TERMS, 100_000)
TOWED = (Done("hook_up", "unit", Decimal(1)), Done("distance", "km", Decimal("12.5")))
NEED = Need("n1", "c1", "482017902-1", "p1", "towing", "Europe/Paris", "granted", "d1", "roadside", 30_000)
PRESTATION = Prestation("x1", "c1", "n1", "482017902-1", "p1", "r1", "towing", DAY, TOWED)


def settled(prestation: Prestation = PRESTATION, need: Need = NEED, rules: Rules = RULES) -> tuple[Prestation, list[Document]]:
    numbers = count(1)
    return settle(prestation, need, rules, lambda: f"id{next(numbers)}")


def bill_of(lines: tuple[Done, ...] = TOWED, tariff: Tariff = TARIFF) -> Bill:
    priced = price(lines, tariff)
    assert priced is not None
    return Bill.of("b1", priced, 100_000)


def charge_of(cap: int | None, rate: str) -> Charge:
    return Charge.of("c1", bill_of(), Coverage(cap, Decimal(rate)), TERMS)


# Rounding


def test_a_half_cent_goes_away_from_zero() -> None:
    assert [half_up(Decimal(text)) for text in ("0.5", "1.5", "2.5", "-0.5", "2.49")] == [1, 2, 3, -1, 2]


def test_vat_is_computed_once_per_rate_and_not_per_line() -> None:
    rate = Decimal("0.20")
    assert vat_by_rate([(rate, 2), (rate, 2), (Decimal("0.10"), 7)]) == (Vat(Decimal("0.10"), 7, 1), Vat(rate, 4, 1))


def test_rates_written_differently_are_one_rate() -> None:
    assert vat_by_rate([(Decimal("0.2"), 100), (Decimal("0.20"), 100)]) == (Vat(Decimal("0.2"), 200, 40),)


def test_the_cents_left_over_go_to_the_largest_remainders() -> None:
    assert shares(100, [1, 1, 1]) == [34, 33, 33]
    assert shares(10, [1, 2]) == [3, 7]
    assert shares(7, [0, 0]) == [7, 0]


# Tariffs


def test_a_line_is_rounded_half_up_on_its_own() -> None:
    bill = bill_of((Done("distance", "km", Decimal("0.025")), Done("distance", "km", Decimal("0.025"))))
    assert [line.net_cents for line in bill.lines] == [5, 5]
    assert (bill.net_cents, bill.vat_cents, bill.gross_cents) == (10, 2, 12)


def test_the_providers_own_tariff_comes_before_the_one_for_all() -> None:
    own = replace(TARIFF, id="t2", provider_id="r1", valid_from=date(2025, 1, 1))
    assert in_force([TARIFF, own], "r1", "towing", DAY) is own
    assert in_force([TARIFF, own], "r2", "towing", DAY) is TARIFF


def test_of_two_tariffs_the_one_that_started_last_holds() -> None:
    newer = replace(TARIFF, id="t2", valid_from=date(2026, 7, 1))
    assert in_force([newer, TARIFF], "r1", "towing", DAY) is newer
    assert in_force([newer, TARIFF], "r1", "towing", date(2026, 6, 30)) is TARIFF


@pytest.mark.parametrize(("day", "holds"), [("2025-12-31", False), ("2026-01-01", True), ("2026-12-31", True), ("2027-01-01", False)])
def test_a_tariff_holds_on_its_first_and_on_its_last_day(day: str, holds: bool) -> None:
    assert (in_force([TARIFF], "r1", "towing", date.fromisoformat(day)) is not None) is holds


def test_an_article_in_another_unit_is_not_in_the_tariff() -> None:
    assert price((Done("distance", "mile", Decimal(1)),), TARIFF) is None


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (replace(TARIFF, valid_until=date(2025, 1, 1)), "period_backwards"),
        (replace(TARIFF, lines=()), "no_lines"),
        (replace(TARIFF, lines=(HOOK_UP, HOOK_UP)), "article_twice"),
        (replace(TARIFF, lines=(replace(HOOK_UP, vat_rate=Decimal(20)),)), "price_out_of_range"),
    ],
)
def test_a_tariff_that_cannot_be_is_refused(wrong: Tariff, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        check(wrong)
    assert refused.value.code == code


@pytest.mark.parametrize(("zone", "day"), [("Europe/Paris", "2026-11-25"), ("America/Martinique", "2026-11-24"), ("Indian/Reunion", "2026-11-25")])
def test_the_business_day_is_that_of_the_place(zone: str, day: str) -> None:
    told = Performed("x1", "n1", "r1", "towing", datetime(2026, 11, 24, 23, 30, tzinfo=UTC), TOWED)
    assert Prestation.of(told, replace(NEED, zone=zone)).day == date.fromisoformat(day)


# Who pays what: the numbers of docs/money.md


def test_without_overrun_the_principal_pays_all_with_markup_and_fee() -> None:
    charge = charge_of(30_000, "0")
    assert (charge.base_net_cents, charge.markup_net_cents, charge.fee_net_cents) == (11_750, 588, 900)
    assert (charge.net_cents, charge.vat_cents, charge.gross_cents) == (13_238, 2_648, 15_886)
    assert charge.member_gross_cents == 0


def test_the_member_pays_a_rate_of_what_is_covered_and_all_beyond_the_cap() -> None:
    charge = charge_of(10_000, "0.10")
    assert (charge.member_net_cents, charge.member_vat_cents, charge.member_gross_cents) == (4_250, 850, 5_100)
    assert (charge.base_net_cents, charge.markup_net_cents, charge.fee_net_cents) == (7_500, 375, 900)
    assert (charge.net_cents, charge.vat_cents, charge.gross_cents) == (8_775, 1_755, 10_530)


def test_without_a_cap_everything_is_covered() -> None:
    assert charge_of(None, "0") == charge_of(14_100, "0")


def test_a_principal_that_pays_nothing_owes_no_fee_either() -> None:
    charge = charge_of(0, "0")
    assert (charge.gross_cents, charge.member_gross_cents) == (0, 14_100)


def test_a_refused_need_is_the_members_unless_it_had_gone_on_at_risk() -> None:
    refused = replace(NEED, decision="refused", cap_gross_cents=None)
    after, _ = settled(need=refused)
    assert after.charge and (after.charge.gross_cents, after.charge.member_gross_cents) == (0, 14_100)
    after, _ = settled(need=replace(refused, at_risk_limit_cents=10_000))
    assert after.charge and after.charge.member_gross_cents == 4_100
    assert after.charge.base_net_cents == 8_333  # 117.50 x 100.00 / 141.00


def test_the_terms_of_the_day_hold_and_not_those_of_later() -> None:
    later = replace(TERMS, valid_from=date(2026, 12, 1))
    assert terms_on([TERMS, later], DAY) is TERMS
    assert terms_on([later], DAY) is None


# From a prestation to its documents


def test_a_prestation_makes_one_bill_and_one_charge() -> None:
    after, documents = settled()
    assert documents == [after.bill, after.charge]
    assert after.bill and after.bill.approved
    assert after.waiting_for is None


def test_a_bill_above_the_limit_waits_for_a_person() -> None:
    after, _ = settled(rules=replace(RULES, approve_up_to_cents=14_099))
    assert after.bill and not after.bill.approved


def test_settling_again_changes_nothing() -> None:
    after, _ = settled()
    assert settled(after) == (after, [])


def test_without_a_tariff_nothing_is_made() -> None:
    assert settled(rules=replace(RULES, tariff=None)) == (replace(PRESTATION, waiting_for="tariff"), [])


def test_an_article_that_is_not_in_the_tariff_waits_for_one() -> None:
    after, documents = settled(replace(PRESTATION, lines=(*TOWED, Done("cylinder", "unit", Decimal(1)))))
    assert (after.waiting_for, documents) == ("tariff", [])


def test_without_terms_the_provider_is_billed_and_the_charge_waits() -> None:
    after, documents = settled(rules=replace(RULES, terms=None))
    assert (after.waiting_for, documents) == ("terms", [after.bill])


def test_without_a_decision_the_provider_is_billed_and_the_charge_waits() -> None:
    after, documents = settled(need=replace(NEED, decision=None))
    assert (after.waiting_for, documents) == ("decision", [after.bill])


def test_a_correction_takes_the_documents_back_and_makes_them_anew() -> None:
    first, _ = settled()
    corrected = replace(first, lines=(TOWED[0],))
    after, documents = settle(corrected, NEED, RULES, iter(("b2", "b3", "c3", "c2")).__next__)
    assert [document.gross_cents for document in documents] == [-14_100, 11_400, -15_886, 13_050]
    assert [document.reverses for document in documents] == [first.bill and first.bill.id, None, first.charge and first.charge.id, None]
    assert documents[1::2] == [after.bill, after.charge]


def test_a_correction_to_nothing_leaves_nothing_owed() -> None:
    first, _ = settled()
    after, documents = settled(replace(first, lines=()))
    assert after.bill and after.charge
    assert (after.bill.gross_cents, after.charge.gross_cents, after.charge.member_gross_cents) == (0, 0, 0)
    assert len(documents) == 4


def test_a_later_decision_changes_the_charge_and_not_the_bill() -> None:
    first, _ = settled()
    after, documents = settled(first, need=replace(NEED, decision="refused", cap_gross_cents=None))
    assert [type(document) for document in documents] == [Charge, Charge]
    assert after.bill is first.bill


# The ledger and invoices


def test_every_document_is_a_balanced_entry() -> None:
    _, documents = settled(need=replace(NEED, cap_gross_cents=10_000, member_rate=Decimal("0.10")))
    bill, charge = (dict(ledger.entry(document).lines) for document in documents)
    assert bill == {"cost_of_services": 11_750, "vat_deductible": 2_350, "provider_payable": -14_100}
    assert charge == {"to_be_invoiced": 8_775, "member_receivable": 5_100, "revenue": -13_025, "vat_collected": -850}


def test_an_invoice_empties_what_was_to_be_invoiced() -> None:
    charges = (OpenCharge("c1", "k", "n", 13_238, Decimal("0.20")), OpenCharge("c2", "k", "n", 5_001, Decimal("0.10")))
    invoice = Invoice("i", invoicing.number(DAY, 1), "p1", DAY, DAY, DAY, charges, invoicing.check_charges(charges))
    assert invoice.number == "FA-2026-000001"
    assert [vat.vat_cents for vat in invoice.vats] == [500, 2_648]
    assert dict(ledger.entry(invoice).lines) == {"principal_receivable": 21_387, "to_be_invoiced": -18_239, "vat_collected": -3_148}


def test_an_invoice_needs_charges_and_may_not_be_negative() -> None:
    with pytest.raises(NothingToInvoice):
        invoicing.check_charges([])
    with pytest.raises(OnlyCredits):
        invoicing.check_charges([OpenCharge("c1", "k", "n", -1, Decimal("0.20"))])
