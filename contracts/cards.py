"""Personal data, and the only place for it: compacted topic `cards`, key `<kind>:<id>`.

The higher version wins whichever way it came; a record without a value is a tombstone. A card has a version and no seq;
each kind has one writer. Readers that meet an event before its card show "…".
"""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from contracts.common import CardKind, Day, Id

TOPIC = "cards"


class Card(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")
    KIND: ClassVar[CardKind]
    WRITER: ClassVar[str]

    id: Id
    version: int = Field(ge=1)

    @property
    def key(self) -> str:
        return f"{self.KIND}:{self.id}"


class Contact(BaseModel):
    """How to reach a person. Phones are E.164."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    name: str = Field(max_length=120)
    phone: str | None = Field(default=None, pattern=r"^\+[0-9]{6,15}$")


class MemberCard(Card):
    """Published only while the member has an open case."""

    KIND = CardKind.MEMBER
    WRITER = "reference"

    member_number: str = Field(max_length=40)
    civility: str = Field(default="", max_length=20)
    last_name: str = Field(max_length=80)
    first_name: str = Field(max_length=80)
    birth_date: Day | None = None
    phones: list[str] = []
    emails: list[str] = []
    address: str = Field(default="", max_length=300)
    language: str = Field(default="fr", pattern=r"^[a-z]{2}$")


class CaseCard(Card):
    """What a case needs of people: who is helped, where exactly, what was said. Tombstone 90 days after closing."""

    KIND = CardKind.CASE
    WRITER = "intake"

    member_id: Id
    beneficiary: Contact
    on_site: Contact | None = None
    address: str = Field(max_length=300)
    access: str = Field(default="", max_length=300)
    plate: str = Field(default="", max_length=12)
    wishes: dict[str, str] = {}  # need id -> the need in the caller's words


class NoteCard(Card):
    """The text of a note. Tombstone 90 days after closing."""

    KIND = CardKind.NOTE
    WRITER = "intake"

    case_id: Id
    text: str = Field(max_length=4000)


class WorkerCard(Card):
    """Who a provider sends."""

    KIND = CardKind.WORKER
    WRITER = "dispatch"

    provider_id: Id
    name: str = Field(max_length=120)
    phone: str | None = None


class UserCard(Card):
    """Who is behind an account."""

    KIND = CardKind.USER
    WRITER = "gateway"

    name: str = Field(max_length=120)
    email: str | None = None


CARDS: dict[CardKind, type[Card]] = {card.KIND: card for card in (MemberCard, CaseCard, NoteCard, WorkerCard, UserCard)}


def type_of(kind: str) -> str:
    """The type that cards of a kind travel under."""
    return f"card.{kind}.v1"


def writes(service: str, card_type: str) -> bool:
    """True when `service` is the one writer of a card type such as `card.member.v1`; unknown kinds have none."""
    kind = card_type.removeprefix("card.").partition(".")[0]
    return any(kind == card.KIND and service == card.WRITER for card in CARDS.values())
