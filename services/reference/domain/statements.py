"""Statements as people look for them: every word typed must begin one of the words that a statement is found by."""

import re
from datetime import date

from services.reference.domain.names import fold

_PARTED = re.compile(r"(?<=\d)[ \u00a0\u202f](?=\d{3}(?!\d))")  # 1 250,00
_EXACT = re.compile(r"\d+[.,/-][\d.,/-]*\d")  # an amount or a date, which are not to be taken apart


def search_key(label: str, reference: str, contract: str, days: list[date], amounts: list[int]) -> str:
    """`amounts` in cents, 0 for none. A day is found as 14/03/2026, 03/2026 and 2026-03-14, an amount as 120,50."""
    words = [*fold(f"{label} {reference} {contract}").split()]
    for day in days:
        words += [f"{day:%d/%m/%Y}", f"{day:%m/%Y}", day.isoformat()]
    words += [f"{amount // 100}.{amount % 100:02}" for amount in amounts if amount]
    return "".join(f" {word}" for word in dict.fromkeys(words))


def words(typed: str) -> list[str]:
    """Of a search, in the form of the key. None for a search that says nothing."""
    found: list[str] = []
    for word in _PARTED.sub("", typed).replace("€", " ").split():
        if _EXACT.fullmatch(word):
            found.append(word.replace(",", "."))
        else:
            found += fold(word).split()
    return found
