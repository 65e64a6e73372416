"""Who may be the same person twice."""

import time
from datetime import date
from typing import Any

import pytest

from services.reference.domain import twins


def group(*names: str) -> dict[str, Any]:
    return {"principal_id": "p", "ids": [f"{n:05d}" for n in range(len(names))], "names": list(names)}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("kerdoncuff soizic", "kerdoncuf soizic", True),
        ("le goff jean", "legoff jean", True),
        ("martin anne marie", "anne marie martin", True),
        ("martin anne", "durand paul", False),
    ],
)
def test_of_one_birth_date_who_is_called_alike_is_found(one: str, other: str, same: bool) -> None:
    assert bool(list(twins.born_together(group(one, other)))) == same


def test_twenty_thousand_people_with_a_made_up_birth_date_cost_seconds_and_the_same_name_is_still_found() -> None:
    began = time.perf_counter()
    found = list(twins.born_together(group(*(f"nom{n} prenom" for n in range(20_000)), "nom77 prenom")))
    assert time.perf_counter() - began < 5
    assert ("00077", "20000") in {(one.one_id, one.other_id) for one in found}
    assert len(found) < 20_000


def test_a_household_shares_a_phone_and_is_not_one_person() -> None:
    born = [date(1950, 1, 2), date(1952, 7, 8), date(1950, 2, 1)]
    found = twins.sharing(group("riou anne", "riou paul", "riou ane") | {"born": born}, "same_phone")
    assert [(one.one_id, one.other_id) for one in found] == [("00000", "00002")]
