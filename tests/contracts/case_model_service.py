"""What every service of the model does: read the log in order, at its own pace, and write to it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

from contracts.registry import Event
from tests.contracts.case_events import Log, made

Act = Callable[[], None]


class Service(ABC):
    def __init__(self, log: Log) -> None:
        self.log = log
        self.position = 0

    def say(self, kind: type[Event], /, **fields: object) -> None:
        self.log.write(made(kind, **fields))

    def read_next(self) -> None:
        event = self.log.records[self.position].data
        self.position += 1
        assert event is not None
        self.reads(event)

    @property
    def behind(self) -> bool:
        return self.position < len(self.log.records)

    @abstractmethod
    def reads(self, event: Event) -> None: ...

    @abstractmethod
    def may(self, rare: bool) -> Iterator[Act]: ...
