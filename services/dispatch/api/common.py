"""What the routes of both kinds of caller share."""

from typing import Annotated

from pydantic import BaseModel

from contracts.common import Code, Id
from services.dispatch.domain.mission import Slot
from services.kit.bounds import Moment
from services.kit.idempotency import Command, CommandDependency

PREFIX = "/api/dispatch/v1"
Cmd = Annotated[Command, CommandDependency]


class SlotBody(BaseModel):
    """Times carry an offset."""

    start: Moment
    end: Moment

    @property
    def slot(self) -> Slot:
        return Slot(self.start, self.end)


class Reasoned(BaseModel):
    reason: Code


class MissionState(BaseModel):
    mission_id: Id
    status: str
    version: int
