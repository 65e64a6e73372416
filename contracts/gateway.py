"""Events of `gateway`: accounts, without the person (that is the user card)."""

from pydantic import Field

from contracts.common import Code, Id
from contracts.registry import Event


class UserChanged(Event, owner="gateway", name="user_changed", topic="users", key="user_id"):
    """Full state of an account and what it may see."""

    user_id: Id
    roles: list[Code]
    principal_ids: list[Id] = Field(default_factory=list)
    provider_id: Id | None = None
    member_id: Id | None = None
    active: bool
    version: int
