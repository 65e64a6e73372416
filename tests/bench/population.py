"""The members of three principals at full size, as the files that they would send: 630,000 people on real communes and their 900,000
contracts, households that share a phone, people who are in it twice, and rows that are wrong. The same for the same seed.

python -m tests.bench.population FOLDER [--members N]
"""

import argparse
import csv
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from itertools import accumulate
from pathlib import Path
from random import Random
from string import ascii_uppercase
from typing import Any

from deploy.demo import files, geography, words
from deploy.demo.catalogue import PRODUCTS, Product
from services.kit.places import communes

MEMBERS = 630_000
SEED = 1
MORE_CONTRACTS = 0.43  # of the people hold a second one: 900,000 in all
HELD_BEFORE = 0.5  # of the second contracts have ended
RARE = 0.35  # of the people have a name that few share
AGAIN = 0.004  # are in it twice, the second time spelt otherwise
HOUSEHOLD = 0.25  # live with whoever is before them, and share a phone
WRONG = 0.003  # of the rows must be refused
QUERIES = Path(__file__).with_name("queries.csv")
NAMES = Path(__file__).with_name("names.toml")
OVERSEAS = {"971": ("0690", "590"), "972": ("0696", "596"), "973": ("0694", "594"), "974": ("0692", "262"), "976": ("0639", "262")}

MEMBER = (
    *("principal", "number", "civility", "last_name", "first_name", "birth_date"),
    *("phones", "emails", "address", "insee", "postcode", "ended_on"),
)
CONTRACT = ("number", "product", "member", "starts_on", "ends_on", "state", "plate")
_WRONG: tuple[dict[str, Any], ...] = (
    {"birth_date": "2190-01-01"},
    {"birth_date": "31/02/1970"},
    {"phones": "12 34"},
    {"insee": "00000"},
    {"last_name": ""},
    {"emails": "no at sign"},
    {"principal": "nobody"},
)


@dataclass(frozen=True, slots=True)
class Person:
    last_name: str
    first_name: str
    civility: str
    birth_date: date
    insee: str
    phones: tuple[str, ...]
    way: str


@dataclass(frozen=True, slots=True)
class Written:
    """Rows of each file; `bad`: members that must be refused. Nobody refused has a contract."""

    members: int
    bad: int
    contracts: int


def write(folder: Path, today: date, count: int = MEMBERS, seed: int = SEED) -> Written:
    """`principals.csv`, `products.csv`, `guarantees.csv`, `members.csv` and `contracts.csv`. Whoever is asked for in `queries.csv` is a
    member."""
    files.write_catalogue(folder)
    random = Random(f"population {seed}")
    products = random.choices(PRODUCTS, weights=[product.weight for product in PRODUCTS], k=count)
    bad = contracts = 0
    with _table(folder / "members.csv", MEMBER) as members, _table(folder / "contracts.csv", CONTRACT) as held:
        for serial, (person, product) in enumerate(zip(people(random, count, today), products, strict=True), 1):
            row = _member(random, serial, person, product)
            if serial > len(_asked_for()) and random.random() < WRONG:
                members.writerow(row | random.choice(_WRONG))
                bad += 1
                continue
            members.writerow(row)
            for contract in _contracts(random, serial, product, today):
                held.writerow(contract | {"member": row["number"]})
                contracts += 1
    return Written(count, bad, contracts)


def people(random: Random, count: int, today: date) -> Iterator[Person]:
    """First those whom the queries ask for."""
    known = _asked_for()[:count]
    yield from known
    before = known[-1]
    surnames = _surnames()
    homes = geography.homes(random, count)
    for home in homes[len(known) :]:
        chance = random.random()
        if chance < AGAIN:
            before = replace(before, last_name=misspelt(random, before.last_name), phones=_phones(random, before.insee))
        else:
            shared = chance < AGAIN + HOUSEHOLD
            born = today - timedelta(days=int(random.triangular(18 * 365, 96 * 365, 55 * 365)))
            civility, first = _first_name(random, born)
            before = Person(
                before.last_name if shared and random.random() < 0.8 else random.choices(surnames[0], cum_weights=surnames[1])[0],
                first,
                civility,
                born,
                before.insee if shared else home.insee,
                before.phones if shared else _phones(random, home.insee),
                before.way if shared else f"{random.randint(1, 140)} {random.choice(words.WAYS)} {random.choice(words.WAY_NAMES)}",
            )
        yield before


def misspelt(random: Random, name: str) -> str:
    """One slip of a hand: a letter left out, doubled, or two swapped."""
    place = random.randrange(1, len(name) - 1) if len(name) > 2 else 0
    slip = random.randrange(3)
    if slip == 0:
        return name[:place] + name[place + 1 :] if len(name) > 2 else name + name[-1]
    if slip == 1:
        return name[: place + 1] + name[place:]
    return name[:place] + name[place : place + 2][::-1] + name[place + 2 :]


@cache
def _asked_for() -> tuple[Person, ...]:
    with QUERIES.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    random = Random("asked for")

    def person(row: dict[str, str]) -> Person:
        born, insee = date.fromisoformat(row["birth_date"]), row["insee"]
        return Person(row["last_name"], row["first_name"], "", born, insee, _phones(random, insee), "1 rue Basse")

    return tuple(map(person, rows))


@cache
def _names() -> dict[str, Any]:
    return tomllib.loads(NAMES.read_text(encoding="utf-8"))


def _surnames() -> tuple[list[str], list[float]]:
    """Frequent names as often as their rank says, and a long tail of rare ones. With the accumulated weights."""
    frequent = _names()["surnames"]
    rare = [beginning + ending for beginning in words.NAME_BEGINNINGS for ending in words.NAME_ENDINGS]
    weights = [1 / (rank + 20) for rank in range(len(frequent))]
    tail = RARE / (1 - RARE) * sum(weights) / len(rare)
    return frequent + rare, list(accumulate([*weights, *(tail for _ in rare)]))


def _first_name(random: Random, born: date) -> tuple[str, str]:
    years = _names()["first_names"]
    year = max((year for year in years if int(year) <= born.year), default=min(years))
    civility = random.choice(("mme", "m"))
    return civility, random.choice(years[year][civility])


def _phones(random: Random, insee: str) -> tuple[str, ...]:
    """As people write them: a mobile, a landline or both."""
    mobile, landline = OVERSEAS.get(insee[:3], (random.choice(("06", "07")), ""))
    if landline:
        numbers = [mobile + f"{random.randrange(10**6):06d}", f"0{landline}{random.randrange(10**6):06d}"]
    else:
        second = random.randrange(1, 10) if mobile == "06" else random.randrange(4, 9)
        numbers = [
            f"{mobile}{second}{random.randrange(10**7):07d}",
            f"0{random.randrange(1, 6)}{random.choice('23456')}{random.randrange(10**7):07d}",
        ]
    chosen = numbers[:1] if random.random() < 0.6 else numbers[1:] if random.random() < 0.5 else numbers
    shape = random.random()
    return tuple(" ".join(number[at : at + 2] for at in range(0, 10, 2)) if shape < 0.4 else number for number in chosen)


def _member(random: Random, serial: int, person: Person, product: Product) -> dict[str, Any]:
    commune = communes()[person.insee]
    postcode = (commune["postcodes"].split("|") or [""])[0]
    return {
        "principal": product.principal,
        "number": f"{product.principal[:3].upper()}{10_000_000 + serial * 7}",
        "civility": person.civility,
        "last_name": person.last_name,
        "first_name": person.first_name,
        "birth_date": person.birth_date,
        "phones": "|".join(person.phones),
        "emails": f"membre{serial}@courriel.example" if random.random() < 0.7 else "",
        "address": f"{person.way}, {postcode} {commune['name']}",
        "insee": person.insee,
        "postcode": postcode,
        "ended_on": "",
    }


def _contracts(random: Random, serial: int, product: Product, today: date) -> Iterator[dict[str, Any]]:
    started = today - timedelta(days=random.randint(0, 3_000))
    prefix = f"{product.code[:2].upper()}-{serial:07d}"
    suspended = "suspended" if random.random() < 0.02 else "active"
    plate = _plate(serial) if "towing" in product.services else ""
    yield {"number": f"{prefix}-1", "product": product.code, "starts_on": started, "ends_on": "", "state": suspended, "plate": plate}
    if random.random() < MORE_CONTRACTS:
        of_same = [one for one in PRODUCTS if one.principal == product.principal]
        ended = random.random() < HELD_BEFORE
        yield {
            "number": f"{prefix}-2",
            "product": random.choice(of_same).code,
            "starts_on": started - timedelta(days=700) if ended else started,
            "ends_on": started - timedelta(days=1) if ended else "",
            "state": "active",
            "plate": "",
        }


def _plate(serial: int) -> str:
    """Each another: AA-001-AA and so on."""
    letters, digits = divmod(serial, 1000)
    one, two, three, four = (ascii_uppercase[letters // 26**place % 26] for place in (3, 2, 1, 0))
    return f"{one}{two}-{digits:03d}-{three}{four}"


@contextmanager
def _table(path: Path, columns: Sequence[str]) -> "Iterator[csv.DictWriter[str]]":
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, delimiter=";")
        writer.writeheader()
        yield writer


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.population", description="Writes the files of a full-size principal.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--members", type=int, default=MEMBERS)
    chosen = parser.parse_args()
    print(write(chosen.folder, date.today(), chosen.members))


if __name__ == "__main__":
    main()
