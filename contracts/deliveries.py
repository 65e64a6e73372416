"""What outsiders are told on topics of their own. No part of the log: nothing is decided from a delivery.

Only added to: a reader ignores fields and kinds that it does not know.
"""

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from contracts.common import Code, Exact, Id, Insee, Instant, Part, Postcode, Window

Kind = Literal[
    "offered", "withdrawn", "expired", "accepted", "declined", "cancelled", "amended", "reconfirmed", "contact", "started", "done"
]  # fmt: skip


class Delivery(BaseModel):
    """`position` counts the documents of its topic without gaps, and travels as `ce_seq`."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    TYPE: ClassVar[str]
    WRITER: ClassVar[str]
    TOPIC: ClassVar[str]  # a template
    KEY: ClassVar[str]

    position: int = Field(ge=1)

    @property
    def key(self) -> str:
        return str(getattr(self, self.KEY))


class Where(Part):
    """As much of a place as somebody may know who has not accepted yet."""

    insee: Insee
    postcode: Postcode
    commune: str = Field(max_length=80)


class OnSite(Part):
    """From the case card; a field that nobody filled is empty."""

    name: str
    phone: str | None = None
    on_site_name: str | None = None
    on_site_phone: str | None = None
    address: str
    access: str = ""
    words: str = Field(default="", description="the need in the caller's words")


class MissionDocument(Delivery):
    """A mission as its provider sees it: before acceptance service, commune and time; who and where exactly from acceptance on. Of two
    documents about one mission, the one with the higher version is the truth."""

    TYPE = "dispatch.mission.v1"
    WRITER = "dispatch"
    TOPIC = "provider.{provider_id}.missions"
    KEY = "mission_id"

    kind: Kind = Field(json_schema_extra={"x-extensible": True})
    version: int = Field(ge=1, description="of the mission")
    mission_id: Id
    offer_id: Id
    case_number: str = Field(pattern=r"^[0-9]{9}-[0-9]+$", description="of the need: the case's nine digits, a dash and its rank")
    service: Code
    place: Where
    wanted: Window
    quantity: Exact
    unit: Code
    expires_at: Instant | None = None
    reason: Code | None = None
    appointment: Window | None = None
    answer_by: Instant | None = None
    contact: OnSite | None = None


DELIVERIES: dict[str, type[Delivery]] = {MissionDocument.TYPE: MissionDocument}
