"""The list of misspelt queries that search is measured with: written by hand, and nobody in it is findable by mistake of the list."""

import csv
from collections import Counter
from datetime import date
from pathlib import Path

from services.kit.places import communes
from services.reference.domain.names import fold, name_key

FILE = Path(__file__).parents[1] / "bench" / "queries.csv"
SPELT_RIGHT = {"hyphen", "accent", "town_short", "date_swapped", "date_year"}  # what is wrong is not a letter of the name


def test_300_queries_name_real_communes_and_possible_people() -> None:
    with FILE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    assert len(rows) == len({fold(row["typed"]) for row in rows}) == 300
    assert all(row["insee"] in communes() and 1930 <= date.fromisoformat(row["birth_date"]).year <= 2005 for row in rows)
    assert max(Counter(name_key(row["last_name"], row["first_name"]) for row in rows).values()) <= 2
    exact = [row for row in rows if fold(row["typed"]).startswith(name_key(row["last_name"], row["first_name"])) and row["error"] not in SPELT_RIGHT]
    assert exact == []
