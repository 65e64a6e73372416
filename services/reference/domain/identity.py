"""When two known members may be said to be one person, and when that may be taken back."""

from dataclasses import dataclass
from typing import Literal

from services.kit.errors import Conflict, Invalid

Kind = Literal["linked", "merged"]


class SameMember(Invalid):
    code, title = "same_member", "A member cannot be linked to itself"


class NotProvisional(Conflict):
    code, title = "not_provisional", "Only a provisional member is linked; real ones are merged, by a supervisor"


class StillProvisional(Conflict):
    code, title = "still_provisional", "A provisional member is linked to a real one, never the other way round"


class AlreadyLinked(Conflict):
    code, title = "already_linked", "One of them is linked already: undo that first, or take the one who counts"


class NotLinked(Conflict):
    code, title = "not_linked", "This member is linked to nobody"


class OtherPrincipal(Conflict):
    code, title = "other_principal", "They are members of two principals: their contracts and cases stay apart"


class Erased(Conflict):
    code, title = "person_erased", "This person was erased"


@dataclass(frozen=True, slots=True)
class Known:
    """`survivor_id`: who counts for it, where that is somebody else."""

    id: str
    principal_id: str
    provisional: bool
    linked_to: str | None
    survivor_id: str | None
    erased: bool


def join(one: Known, into: Known, kind: Kind) -> None:
    """`one` will count as `into`. Raises a refusal of this module."""
    if one.id == into.id:
        raise SameMember
    if one.erased or into.erased:
        raise Erased
    if one.provisional != (kind == "linked"):
        raise NotProvisional if kind == "linked" else StillProvisional
    if into.provisional:
        raise StillProvisional
    if one.linked_to or into.linked_to:
        raise AlreadyLinked
    if one.principal_id != into.principal_id:
        raise OtherPrincipal


def part(one: Known, kind: Kind) -> None:
    """`one` will count as itself again. Raises a refusal of this module."""
    if one.erased:
        raise Erased
    if one.linked_to is None:
        raise NotLinked
    if one.provisional != (kind == "linked"):
        raise NotProvisional if kind == "linked" else StillProvisional
