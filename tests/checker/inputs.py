"""What the checker looks at, as plain values: collected from a running platform, or written down by a test."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

Row = dict[str, Any]
Kind = Literal[
    "lost_row", "doubled_line", "swapped_pair", "stale_view", "cent_off", "foreign_row", "missing_card", "anomaly", "stuck"
]  # fmt: skip
CARDS, CASES, DELIVERIES = "cards", "cases", "provider."


@dataclass(frozen=True, slots=True)
class Finding:
    """Names ids only. `case` is a case's id, or the key of what is concerned."""

    kind: Kind
    case: str
    what: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One answer, as the robot that asked wrote it down."""

    actor: str
    method: str
    path: str
    key: str | None
    status: int | None
    response: Any
    outcome: Literal["ok", "fail", "info"]


@dataclass(frozen=True)
class Record:
    """One record of the log. `kind` is the type without its version: intake.case_opened"""

    topic: str
    partition: int
    offset: int
    key: str
    source: str
    kind: str
    id: str
    seq: int
    causation: str
    value: bytes | None

    @cached_property
    def body(self) -> Row:
        found: Row = json.loads(self.value) if self.value else {}
        return found

    def told(self, path: str) -> str:
        """Of the body, by names with dots; empty where there is nothing."""
        value: Any = self.body
        for step in path.split("."):
            value = value.get(step) or {}
        return str(value or "")

    @property
    def place(self) -> tuple[str, str, str, int]:
        return self.source, self.topic, self.key, self.seq


@dataclass(frozen=True)
class Log:
    """In the order of each partition. `unreadable`: (topic, partition, offset) of what has no envelope. `ends`: the offset after the last."""

    records: list[Record]
    unreadable: list[tuple[str, int, int]] = field(default_factory=list)
    ends: dict[tuple[str, int], int] = field(default_factory=dict)

    @cached_property
    def first(self) -> list[Record]:
        """Without repetitions: the first record of each place, cards and deliveries left out."""
        found: dict[tuple[str, str, str, int], Record] = {}
        for record in self.records:
            if record.topic != CARDS and not record.topic.startswith(DELIVERIES):
                found.setdefault(record.place, record)
        return list(found.values())

    @cached_property
    def by_kind(self) -> dict[str, list[Record]]:
        found: dict[str, list[Record]] = {}
        for record in self.first:
            found.setdefault(record.kind, []).append(record)
        return found

    @cached_property
    def deliveries(self) -> dict[str, dict[int, Record]]:
        """Provider -> position -> what stands there on its own topic."""
        found: dict[str, dict[int, Record]] = {}
        for record in self.records:
            if record.topic.startswith(DELIVERIES):
                found.setdefault(record.topic.split(".")[1], {})[record.seq] = record
        return found

    def of(self, *kinds: str) -> Iterator[Record]:
        for kind in kinds:
            yield from self.by_kind.get(kind, [])


@dataclass(frozen=True)
class Tables:
    """service -> name of a query (`tables.py`) -> rows."""

    rows: dict[str, dict[str, list[Row]]]

    def of(self, service: str, name: str) -> list[Row]:
        return self.rows.get(service, {}).get(name, [])

    def each(self, name: str) -> Iterable[tuple[str, Row]]:
        return ((service, row) for service, queries in self.rows.items() for row in queries.get(name, []))


@dataclass(frozen=True)
class Seen:
    """What one outsider is shown: lists by name, single cases by id."""

    lists: dict[str, list[Row]] = field(default_factory=dict)
    cases: dict[str, Row] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Probe:
    """Somebody asked for what is another's."""

    door: str
    asker: str
    what: str
    id: str
    status: int


@dataclass(frozen=True)
class Doors:
    """By the id of the principal, member or provider who asked; a case that the desk was refused is missing."""

    desk: dict[str, Row] = field(default_factory=dict)
    principals: dict[str, Seen] = field(default_factory=dict)
    members: dict[str, Seen] = field(default_factory=dict)
    providers: dict[str, Seen] = field(default_factory=dict)
    probes: list[Probe] = field(default_factory=list)
    totals: Row = field(default_factory=dict)


@dataclass(frozen=True)
class Inputs:
    diary: list[Entry]
    log: Log
    tables: Tables
    doors: Doors
    cases: int | None = None  # as many were meant to be opened
