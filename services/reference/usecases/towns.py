"""Towns as people write them: a city means all its districts, and a name may be spelt wrong."""

import re
from collections.abc import Sequence
from functools import cache

from rapidfuzz import process
from rapidfuzz.distance import JaroWinkler

from services.kit import places
from services.reference.domain.likeness import sound
from services.reference.domain.names import fold

CLOSE = 0.93
SHORTEST = 5  # letters: a shorter name is like too many
WORDS = 5  # of a town's name, at most: "saint germain au mont d or" is rarely typed to the end
_DISTRICT = re.compile(r"(.+) (\d+)(?:er|e) Arrondissement")


@cache
def named() -> dict[str, list[str]]:
    """Folded name -> INSEE codes."""
    found: dict[str, list[str]] = {}
    for insee, row in places.communes().items():
        called = {fold(row["name"])}
        if district := _DISTRICT.fullmatch(row["name"]):
            city, number = fold(district[1]), district[2]
            called |= {city, f"{city} {number}", f"{city} {number}e", f"{city} {number}eme"}
        for name in called:
            found.setdefault(name, []).append(insee)
    return found


def guessed(words: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What of the words is the person, and the INSEE codes of the town that the last ones may mean; none where nothing comes close."""
    best: tuple[float, int, str] | None = None
    for split in range(max(1, len(words) - WORDS), len(words)):
        town = " ".join(words[split:])
        if len(town) < SHORTEST:
            continue
        for spelt, known in ((town, _spelt()), (_said(town), _heard())):
            found = process.extractOne(spelt, known, scorer=JaroWinkler.similarity, score_cutoff=CLOSE)
            if found and (best is None or found[1] > best[0]):
                best = found[1], split, found[2]
    return (tuple(words[: best[1]]), tuple(named()[best[2]])) if best else (tuple(words), ())


def _said(name: str) -> str:
    return " ".join(map(sound, name.split()))


@cache
def _spelt() -> dict[str, str]:
    """Name -> how it is spelt: itself."""
    return {name: name for name in named()}


@cache
def _heard() -> dict[str, str]:
    """Name -> how it sounds."""
    return {name: _said(name) for name in named()}
