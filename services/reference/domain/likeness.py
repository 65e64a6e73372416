"""How like a known person is to what somebody typed, whose spelling may be wrong: in letters, by its sound in French, or both.

For staff only. Who is meant is for a person to say: this puts the likely ones first.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from rapidfuzz.distance import JaroWinkler

LEAST = 0.8  # what is less like is not shown
SURE = 0.9  # of the very birth date: nobody is looked for among those with a like one
UNASKED = 0.06  # less for a name of which hardly anything was typed
SWAPPED, SLIPPED = 0.03, 0.06  # less for a birth date that was typed otherwise
CIVILITIES = frozenset(("m", "mr", "mme", "mlle", "monsieur", "madame", "mademoiselle"))
_PARTICLE = 3  # letters at most: "le goff", "de sousa", "ben hamouda"


@dataclass(frozen=True, slots=True)
class Known:
    """`name_key`: folded, the last name first."""

    id: str
    name_key: str
    birth_date: date | None


class Likely(NamedTuple):
    """`like`: from LEAST to 1."""

    id: str
    like: float


def ranked(words: Sequence[str], born: date | None, known: Iterable[Known], most: int) -> list[Likely]:
    """Those like enough, the likeliest first. `words`: folded, as typed; `born`: as typed, if it was."""
    asked = [word for word in words if word not in CIVILITIES] or list(words)
    readings = list(_readings(asked))
    best = {word: _Best(word) for reading in readings for word in reading}
    found = []
    for one in known:
        tokens = _tokens(one.name_key)
        like = max(_like(reading, tokens, best) for reading in readings) - _date_costs(born, one.birth_date)
        if like >= LEAST:
            found.append((-like, one.name_key, one.id))
    return [Likely(person_id, -unlike) for unlike, _, person_id in sorted(found)[:most]]


def dates(born: date) -> list[date]:
    """Those that somebody may mean who typed this one: day and month swapped, or one slip in day, month or year."""
    slips = {born, *_swapped(born)}
    slips |= {made for year in _slips(born.year, 4) if 1900 <= year <= 2100 and (made := _date(year, born.month, born.day))}
    slips |= {made for month in range(1, 13) if (made := _date(born.year, month, born.day))}
    slips |= {made for day in _slips(born.day, 2) if (made := _date(born.year, born.month, day))}
    return sorted(slips | {born - timedelta(days=1), born + timedelta(days=1)})


def _slips(number: int, digits: int) -> Iterator[int]:
    """With one digit another, or two neighbours swapped."""
    text = f"{number:0{digits}d}"
    for place in range(digits):
        yield from (int(text[:place] + digit + text[place + 1 :]) for digit in "0123456789")
    yield from (int(text[:place] + text[place + 1] + text[place] + text[place + 2 :]) for place in range(digits - 1))


def _swapped(born: date) -> list[date]:
    made = _date(born.year, born.day, born.month)
    return [made] if made else []


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _date_costs(typed: date | None, known: date | None) -> float:
    if typed is None or typed == known:
        return 0
    return SWAPPED if known in _swapped(typed) else SLIPPED


def _readings(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """As typed, and with two neighbours as one word: "de lattre" may be Delattre."""
    yield tuple(words)
    for place in range(len(words) - 1):
        yield (*words[:place], words[place] + words[place + 1], *words[place + 2 :])


@lru_cache(maxsize=200_000)
def _tokens(name_key: str) -> tuple[str, ...]:
    """The words of a known name, and its particles with what follows them: "le goff jean" may be typed as "legoff"."""
    words = name_key.split()
    return (*words, *(one + other for one, other in pairwise(words) if len(one) <= _PARTICLE))


class _Best(dict[str, float]):
    """How like one typed word is to each word that it was compared with."""

    def __init__(self, typed: str) -> None:
        self._typed = typed
        self._sound = sound(typed)

    def __missing__(self, word: str) -> float:
        typed = self._typed
        if typed == word:
            like = 1.0
        elif len(typed) >= 3 and word.startswith(typed):
            like = 0.96
        else:
            said = JaroWinkler.similarity(self._sound, sound(word))
            like = max(JaroWinkler.similarity(typed, word), 0.97 * said)
        self[word] = like
        return like


def _like(reading: Sequence[str], tokens: Sequence[str], best: dict[str, _Best]) -> float:
    """Each typed word by what is likest to it, longer ones weigh more; less where most of the known name was not typed."""
    weight = total = 0.0
    used = set()
    for word in reading:
        like, token = max((best[word][token], token) for token in tokens)
        weight += len(word)
        total += len(word) * like
        if like > LEAST:
            used.add(token)
    name = sum(map(len, tokens))
    return total / weight - UNASKED * (1 - sum(map(len, used)) / name)


_VOWEL = "(?![aeiouy])"
_SPOKEN = [
    (re.compile(pattern), said)
    for pattern, said in (
        ("ph", "f"),
        ("sch|sh|tch|tsch|ch|cz|cs", "S"),
        ("h", ""),
        ("(.)\\1+", "\\1"),
        ("gn", "n"),
        ("eau|au", "o"),
        (f"(ain|ein|aim|in|im|yn|ym|un|um){_VOWEL}", "I"),
        (f"(an|en|am|em){_VOWEL}", "A"),
        (f"(on|om){_VOWEL}", "O"),
        ("qu|q|ck", "k"),
        ("c(?=[eiy])|ç", "s"),
        ("c", "k"),
        ("gu(?=[eiy])", "G"),
        ("g(?=[eiy])|dj|j", "j"),
        ("G", "g"),
        ("oi|oy|oa|oua|wa", "va"),
        ("ou(?=[aeio])|w", "v"),
        ("ou", "u"),
        ("ill|il$|y", "i"),
        ("ai|ei|ae|oe|eu", "e"),
        ("f", "v"),
        ("x|z", "s"),
        ("[tdspgr]+$", ""),
        ("e[nt]*$", ""),
        ("(.)\\1+", "\\1"),
    )
]


@lru_cache(maxsize=200_000)
def sound(word: str) -> str:
    """Of a folded word, roughly as it is said in French: what sounds the same is written the same."""
    said = word
    for pattern, as_said in _SPOKEN:
        said = pattern.sub(as_said, said)
    return said or word
