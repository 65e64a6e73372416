"""What an event is, and the table of all of them: who owns it, on which topic, under which key."""

from functools import lru_cache
from typing import Any, ClassVar, NamedTuple, Self

from pydantic import BaseModel, ConfigDict

ANY_SERVICE = "common"
SERVICES = ("intake", "reference", "dispatch", "tracking", "billing", "gateway")


class EventType(NamedTuple):
    owner: str
    name: str
    version: int
    topic: str
    key_field: str
    full_name: str

    @classmethod
    def of(cls, owner: str, name: str, key: str, version: int = 1, topic: str = "cases") -> Self:
        return cls(owner, name, version, topic, key, f"{owner}.{name}.v{version}")


class Event(BaseModel):
    """Base of every event. A subclass names itself: `class CaseOpened(Event, owner="intake", name="case_opened", key="case_id")`."""

    model_config = ConfigDict(frozen=True, extra="ignore", cache_strings="keys")  # hardly a value comes twice
    EVENT: ClassVar[EventType]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Takes the naming keywords; pydantic hands them on to the hook below once the fields are known."""
        super().__init_subclass__()

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        if "name" not in kwargs:
            return
        event = EventType.of(**kwargs)
        if event.full_name in EVENTS:
            raise TypeError(f"{event.full_name} is declared twice")
        cls.EVENT = event
        EVENTS[event.full_name] = cls

    def route(self) -> tuple[str, str]:
        """The topic and the key this event travels under."""
        key = getattr(self, self.EVENT.key_field)
        return self.EVENT.topic, str(key)


EVENTS: dict[str, type[Event]] = {}


@lru_cache(maxsize=10_000)
def owns(service: str, event_type: str) -> bool:
    """True when `service` may emit `event_type` (a full name with version, known here or not)."""
    owner = event_type.partition(".")[0]
    return owner in (service, ANY_SERVICE)


def load() -> dict[str, type[Event]]:
    """The full table, every owner's module imported."""
    from contracts import billing, cards, common, dispatch, gateway, intake, reference, tracking  # noqa: F401, PLC0415 - registration is the import

    return EVENTS
