"""What becomes of a field that we changed when a file says otherwise: every rule, both orders, and what is no conflict."""

from datetime import date, timedelta

import pytest

from services.kit.errors import Forbidden, Invalid
from services.reference.domain.amending import Change, Guarded, Met, Rule, Side, amend, guarded, meet, rule_for

TODAY = date(2026, 11, 24)
BEFORE, AFTER = TODAY - timedelta(days=1), TODAY + timedelta(days=1)
OURS, THEIRS, OLD = ["+33639980002"], ["+33639980003"], ["+33639980001"]
MINE = Guarded(OURS, (OLD,), TODAY, acknowledged=False)


@pytest.mark.parametrize(
    ("rule", "their_day", "keep", "asked"),
    [
        ("ours", BEFORE, "ours", False),
        ("ours", AFTER, "ours", False),
        ("theirs", BEFORE, "theirs", False),
        ("theirs", AFTER, "theirs", False),
        ("newest", BEFORE, "ours", False),
        ("newest", AFTER, "theirs", False),
        ("newest", TODAY, "ours", True),
        ("newest", None, "ours", True),
        ("ask", BEFORE, "ours", True),
        ("ask", AFTER, "ours", True),
    ],
)
def test_a_third_value_is_decided_by_the_rule(rule: Rule, their_day: date | None, keep: Side, asked: bool) -> None:
    assert meet(MINE, THEIRS, rule, their_day) == Met(keep, settled=keep == "theirs", conflict=True, asked=asked)


@pytest.mark.parametrize("rule", ["ours", "theirs", "newest", "ask"])
def test_the_old_value_means_that_the_principal_is_behind_whatever_the_rule(rule: Rule) -> None:
    assert meet(MINE, OLD, rule, AFTER) == Met("ours")


@pytest.mark.parametrize("rule", ["ours", "theirs", "newest", "ask"])
def test_the_same_value_in_any_order_settles_it(rule: Rule) -> None:
    mine = Guarded(["+33639980002", "+33639980004"], (OLD,), TODAY, acknowledged=False)
    assert meet(mine, ["+33639980004", "+33639980002"], rule, None) == Met("ours", settled=True)


def test_what_the_principal_changes_after_it_has_taken_ours_is_no_conflict() -> None:
    assert meet(Guarded(OURS, (OLD,), TODAY, acknowledged=True), THEIRS, "ours", None) == Met("theirs", settled=True)
    assert meet(Guarded(OURS, (OLD,), TODAY, acknowledged=True), OLD, "theirs", None) == Met("ours")


def test_each_value_on_our_way_to_the_last_one_is_an_old_one() -> None:
    mine = guarded([Change("phones", OLD, ["+33639980009"]), Change("phones", ["+33639980009"], OURS)], [THEIRS], TODAY, acknowledged=False)
    assert mine == Guarded(OURS, (OLD, ["+33639980009"], THEIRS), TODAY, acknowledged=False)
    assert meet(mine, ["+33639980009"], "theirs", AFTER) == meet(mine, THEIRS, "theirs", AFTER) == Met("ours")


def test_a_field_without_a_rule_asks_and_a_commune_follows_its_address() -> None:
    assert rule_for("phones", {}) == "ask"
    assert (rule_for("insee", {"address": "theirs"}), rule_for("postcode", {"address": "theirs", "postcode": "ours"})) == ("theirs", "ours")


def test_only_what_is_otherwise_is_a_change() -> None:
    known = {"phones": OLD, "language": "fr", "last_name": "Kerbrat"}
    assert amend(known, {"phones": OURS, "language": "fr", "last_name": "Kerbrat"}, staff=False, reason="") == [Change("phones", OLD, OURS)]
    with pytest.raises(Forbidden):
        amend(known, {"last_name": "Tanguy"}, staff=False, reason="mariage")
    with pytest.raises(Invalid):
        amend(known, {"last_name": "Tanguy"}, staff=True, reason="")
