"""What holds of money for every sequence of prestations, corrections and decisions, in every order of arrival."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import count, permutations
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.billing.domain import ledger
from services.billing.domain.charging import Charge, Need, Terms
from services.billing.domain.money import half_up, shares
from services.billing.domain.pricing import Bill, Done, Price, Tariff
from services.billing.domain.settling import Document, Prestation, Rules, settle

DAY = date(2026, 11, 24)
ARTICLES = ("hour", "distance", "parts")

rates = st.sampled_from([Decimal(text) for text in ("0", "0.055", "0.10", "0.20")])
fractions = st.decimals(0, 1, places=4)
quantities = st.decimals(0, 50, places=2)
prices = st.decimals(0, 500, places=4)
done = st.lists(st.builds(Done, st.sampled_from(ARTICLES), st.just("unit"), quantities), max_size=5).map(tuple)
tariffs = st.tuples(*[st.builds(Price, st.just(article), st.just("unit"), prices, rates) for article in ARTICLES]).map(
    lambda lines: Tariff("t", None, "towing", date(2026, 1, 1), None, lines)
)
terms = st.builds(Terms, st.just(date(2026, 1, 1)), st.integers(0, 5_000), st.decimals(0, "0.5", places=4), rates)
caps = st.none() | st.integers(0, 100_000)
needs = st.builds(
    lambda decision, cap, rate, risk: Need("n", "c", "1-1", "p", "towing", "Europe/Paris", decision, "d", "g", cap, rate, risk),
    st.sampled_from(["granted", "refused", None]),
    caps,
    fractions,
    caps,
)
START = Prestation("x", "c", "n", "1-1", "p", "r", "towing", DAY, ())


def play(steps: list[tuple[tuple[Done, ...], Need, Rules]]) -> tuple[Prestation, list[Document]]:
    """Settles after each change of lines, decision or rules; every document that was made, in order."""
    numbers, prestation, made = count(), START, list[Document]()
    for lines, need, rules in steps:
        prestation, documents = settle(replace(prestation, lines=lines), need, rules, lambda: str(next(numbers)))
        made += documents
    return prestation, made


steps = st.lists(st.tuples(done, needs, st.builds(Rules, st.none() | tariffs, st.none() | terms, st.just(100_000))), min_size=1, max_size=6)


@given(steps)
def test_the_ledger_sums_to_zero_whatever_is_done_and_corrected(steps: Any) -> None:
    _, made = play(steps)
    for document in made:
        assert sum(cents for _, cents in ledger.entry(document).lines) == 0


@given(steps)
def test_gross_is_net_and_vat_of_every_document_and_vat_is_rounded_once_per_rate(steps: Any) -> None:
    _, made = play(steps)
    for document in made:
        assert document.gross_cents == document.net_cents + document.vat_cents
        if isinstance(document, Bill):
            assert document.net_cents == sum(line.net_cents for line in document.lines)
            assert all(vat.vat_cents == half_up(vat.net_cents * vat.rate) for vat in document.vats)
        else:
            assert document.vat_cents == half_up(document.net_cents * document.vat_rate)


@given(steps)
def test_all_documents_together_say_what_the_last_ones_say(steps: Any) -> None:
    prestation, made = play(steps)
    for kind, standing in ((Bill, prestation.bill), (Charge, prestation.charge)):
        documents = [document for document in made if isinstance(document, kind)]
        assert sum(document.gross_cents for document in documents) == (standing.gross_cents if standing else 0)
        assert sum(document.net_cents for document in documents) == (standing.net_cents if standing else 0)


@given(steps)
def test_principal_and_member_share_the_providers_bill_to_the_cent(steps: Any) -> None:
    prestation, _ = play(steps)
    bill, charge = prestation.bill, prestation.charge
    if bill and charge and prestation.waiting_for is None:
        assert charge.base_net_cents + charge.member_net_cents == bill.net_cents
        assert 0 <= charge.member_gross_cents <= bill.gross_cents
        assert charge.member_vat_cents >= 0


@given(steps)
def test_the_same_told_twice_changes_nothing(steps: Any) -> None:
    once = play(steps)
    assert play([step for step in steps for _ in range(2)])[0].waiting_for == once[0].waiting_for
    assert [document.gross_cents for document in play([step for step in steps for _ in range(2)])[1]] == [d.gross_cents for d in once[1]]


@settings(max_examples=50)
@given(done, needs.filter(lambda need: need.decision is not None), tariffs, terms)
def test_tariff_terms_and_decision_may_come_in_any_order(lines: Any, need: Need, tariff: Tariff, found: Terms) -> None:
    """The prestation is known first, or later than any of them: the documents are the same."""
    wanted = [amounts(document) for document in play([(lines, need, Rules(tariff, found, 100_000))])[1]]
    for order in permutations(("tariff", "terms", "decision")):
        for known in range(4):
            steps = []
            for arrived in range(known, 4):
                has = set(order[:arrived])
                undecided = need if "decision" in has else replace(need, decision=None)
                steps.append((lines, undecided, Rules(tariff if "tariff" in has else None, found if "terms" in has else None, 100_000)))
            assert [amounts(document) for document in play(steps)[1]] == wanted


@given(st.integers(-(10**9), 10**9), st.lists(st.integers(0, 10**9), min_size=1, max_size=6))
def test_shares_add_up_and_none_is_a_cent_away_from_its_part(total: int, weights: list[int]) -> None:
    found = shares(total, weights)
    assert sum(found) == total
    if whole := sum(weights):
        assert all(abs(share * whole - total * weight) < whole for share, weight in zip(found, weights, strict=True))


def amounts(document: Document) -> tuple[Any, ...]:
    if isinstance(document, Bill):
        return "bill", document.lines, document.vats, document.approved, document.reverses
    return "charge", document.net_cents, document.gross_cents, document.member_gross_cents, document.reverses
