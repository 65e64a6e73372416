"""What people change of a member, field by field, and what becomes of it when the principal's file says otherwise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from services.kit.errors import Forbidden, Invalid

Value = str | list[str] | None  # days as ISO 8601
Rule = Literal["ours", "theirs", "newest", "ask"]
Side = Literal["ours", "theirs"]

FIELDS = ("civility", "last_name", "first_name", "birth_date", "phones", "emails", "address", "insee", "postcode", "language")
IDENTITY = frozenset({"last_name", "first_name", "birth_date"})  # by staff alone, who say why


@dataclass(frozen=True, slots=True)
class Change:
    field: str
    old: Value
    new: Value


def amend(known: Mapping[str, Value], wanted: Mapping[str, Value], *, staff: bool, reason: str) -> list[Change]:
    """What is otherwise than before; nothing where all is as wanted. Raises `Forbidden`, `Invalid`."""
    changes = [Change(name, known[name], wanted[name]) for name in FIELDS if name in wanted and known[name] != wanted[name]]
    identity = sorted(IDENTITY & {change.field for change in changes})
    if identity and not staff:
        raise Forbidden("your name and birth date are changed by an agent: call us", code="identity_by_agent")
    if identity and not reason:
        raise Invalid(f"say why {', '.join(identity)} changes: reason", code="reason_missing")
    return changes


@dataclass(frozen=True, slots=True)
class Guarded:
    """A field that we changed and that no file has settled. `seen`: what the principal has said of it before we did, or we have told it
    since, and what was decided against; it says nothing new. `day`: of our last change. `acknowledged`: the principal says it has ours."""

    ours: Value
    seen: tuple[Value, ...]
    day: date
    acknowledged: bool


@dataclass(frozen=True, slots=True)
class Met:
    """What a file's value leads to. `keep`: whose value the member has from now on. `settled`: nothing is to be guarded any more.
    `conflict`: both sides have changed it; `asked`: a person must say, and ours stays until then."""

    keep: Side
    settled: bool = False
    conflict: bool = False
    asked: bool = False


def meet(mine: Guarded, theirs: Value, rule: Rule, their_day: date | None) -> Met:
    """`their_day`: when the principal changed the row, where its file says so. Total."""
    if _same(theirs, mine.ours):
        return Met("ours", settled=True)
    if any(_same(theirs, value) for value in mine.seen):
        return Met("ours")
    if mine.acknowledged:  # it had ours, and has changed it since
        return Met("theirs", settled=True)
    if rule == "newest" and their_day and their_day != mine.day:
        rule = "theirs" if their_day > mine.day else "ours"
    match rule:
        case "ours":
            return Met("ours", conflict=True)
        case "theirs":
            return Met("theirs", settled=True, conflict=True)
        case _:  # nobody knows which is the newest of one day, or of a file without days
            return Met("ours", conflict=True, asked=True)


def rule_for(field: str, rules: Mapping[str, Rule]) -> Rule:
    """A person is asked where the mapping says nothing. A commune follows its address."""
    return rules.get(field) or (rules.get("address", "ask") if field in ("insee", "postcode") else "ask")


def _same(one: Value, other: Value) -> bool:
    """Several phones or e-mails are the same in any order."""
    return sorted(one) == sorted(other) if isinstance(one, list) and isinstance(other, list) else (one or None) == (other or None)


def guarded(changes: Sequence[Change], settled_against: Sequence[Value], day: date, *, acknowledged: bool) -> Guarded:
    """Of all unsettled changes of one field, the oldest first."""
    told = [changes[0].old, *(change.new for change in changes[:-1])]
    return Guarded(changes[-1].new, (*told, *settled_against), day, acknowledged)
