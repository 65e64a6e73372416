"""What the routes of both kinds of caller share."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel

from contracts.common import Actor, Code, Id
from contracts.reasons import Family
from services.dispatch.domain.mission import Slot
from services.kit.auth import Caller
from services.kit.errors import Forbidden, Invalid
from services.kit.idempotency import Command, CommandDependency

PREFIX = "/api/dispatch/v1"
PROVIDER = ("provider", "provider_admin")
Cmd = Annotated[Command, CommandDependency]


class SlotBody(BaseModel):
    """Times carry an offset."""

    start: AwareDatetime
    end: AwareDatetime

    @property
    def slot(self) -> Slot:
        return Slot(self.start, self.end)


class Reasoned(BaseModel):
    reason: Code


class MissionState(BaseModel):
    mission_id: Id
    status: str
    version: int


def actor(caller: Caller) -> Actor:
    return Actor.model_validate({"kind": caller.kind, "id": caller.id})


def own(caller: Caller) -> str:
    """The caller's provider. Raises `Forbidden`."""
    if caller.provider_id is None:
        raise Forbidden("this account belongs to no provider")
    return caller.provider_id


def known(reason: str, family: Family) -> str:
    """Raises `Invalid`."""
    if reason not in family:
        raise Invalid(f"the reason must be one of {', '.join(family)}", code="unknown_reason")
    return reason
