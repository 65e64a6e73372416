"""Which of the members who share something may be the same person twice."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from itertools import combinations
from typing import Any, Self

from rapidfuzz.distance import JaroWinkler

from services.reference.domain.likeness import sound

ALIKE = 0.92  # names of one birth date: misspelt, or in another order
FIRST_ALIKE = 0.9  # of a shared phone: a household has one last name
CROWD, NEAR = 200, 5
ALIKE_IN_CROWD = 0.985

Person = tuple[str, str, str]  # id, name as one word, name with its words in order


@dataclass(frozen=True, slots=True)
class Twins:
    """The lower id first. `likeness`: of the names, from 0 to 1."""

    one_id: str
    other_id: str
    principal_id: str
    why: frozenset[str]
    likeness: float

    def together(self, other: Self) -> Self:
        """The same pair, found in two ways."""
        return replace(self, why=self.why | other.why, likeness=max(self.likeness, other.likeness))


def born_together(group: Mapping[str, Any]) -> Iterator[Twins]:
    """Of `ids` and `names` (folded, the last name first) of one principal, all born on one day. A day on which many are born stands for one
    that nobody knew: there only who is next in the alphabet is looked at, and must be called nearly the same."""
    people = [(member_id, _whole(name), _sorted(name)) for member_id, name in zip(group["ids"], group["names"], strict=True)]
    crowd = len(people) > CROWD
    alike = ALIKE_IN_CROWD if crowd else ALIKE
    for (one_id, one, one_words), (other_id, other, other_words) in _neighbours(people) if crowd else combinations(people, 2):
        like = JaroWinkler.similarity(one_words, other_words, score_cutoff=alike) or JaroWinkler.similarity(one, other, score_cutoff=alike)
        if like:
            yield _twins(one_id, other_id, group, "same_birth_date", like)


def _neighbours(people: list[Person]) -> Iterator[tuple[Person, Person]]:
    ordered = sorted(people, key=lambda one: one[2])
    for place, one in enumerate(ordered):
        for other in ordered[place + 1 : place + 1 + NEAR]:
            yield one, other


def sharing(group: Mapping[str, Any], why: str) -> Iterator[Twins]:
    """Of `ids`, `names` and `born` of one principal who share a phone or an e-mail: called alike, every word of it, and not of two ages."""
    people = list(zip(group["ids"], group["names"], group["born"], strict=True))
    for (one_id, one, born), (other_id, other, other_born) in combinations(people, 2):
        if one_id != other_id and not _of_two_ages(born, other_born) and (like := _every_word(one, other)) >= FIRST_ALIKE:
            yield _twins(one_id, other_id, group, why, like)


def _of_two_ages(one: date | None, other: date | None) -> bool:
    """A slip leaves two of day, month and year as they are."""
    if one is None or other is None:
        return False
    swapped = (one.day, one.month, one.year) == (other.month, other.day, other.year)
    same = (one.day == other.day) + (one.month == other.month) + (one.year == other.year)
    return same < 2 and not swapped


def _every_word(one: str, other: str) -> float:
    """How alike the least alike words are, whatever their order, in letters or by their sound."""
    fewer, more = sorted((one.split(), other.split()), key=len)
    if not fewer:
        return 0
    return min(max(max(JaroWinkler.similarity(a, b), 0.97 * JaroWinkler.similarity(sound(a), sound(b))) for b in more) for a in fewer)


def _sorted(name: str) -> str:
    return " ".join(sorted(name.split()))


def _whole(name: str) -> str:
    """Le Goff is Legoff."""
    return name.replace(" ", "")


def _twins(one_id: str, other_id: str, group: Mapping[str, Any], why: str, like: float) -> Twins:
    lower, higher = sorted((one_id, other_id))
    return Twins(lower, higher, group["principal_id"], frozenset([why]), like)
