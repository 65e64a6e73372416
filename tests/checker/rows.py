"""Rows against the log, both ways: what a database holds was told, what was told is held, and was applied everywhere it is read."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from tests.checker.inputs import CARDS, CASES, Finding, Log, Record, Row, Tables


class Told(NamedTuple):
    """The rows of a query and the events that tell them, by id. `all`: every row was told."""

    service: str
    query: str
    id: str
    kind: str
    field: str
    all: bool = True


TOLD = (
    Told("intake", "cases", "id", "intake.case_opened", "case_id"),
    Told("intake", "needs", "id", "intake.need_added", "need_id"),
    Told("intake", "notes", "id", "intake.note_added", "card.id"),
    Told("reference", "covers", "id", "intake.need_added", "need_id"),
    Told("dispatch", "missions", "need_id", "intake.need_added", "need_id"),
    Told("dispatch", "offers", "id", "dispatch.mission_offered", "offer_id"),
    Told("tracking", "cases", "id", "intake.case_opened", "case_id"),
    Told("tracking", "needs", "id", "intake.need_added", "need_id"),
    Told("tracking", "visits", "id", "tracking.visit_scheduled", "visit_id", all=False),
    Told("tracking", "visits", "prestation_id", "tracking.prestation_completed", "prestation_id"),
    Told("billing", "bills", "id", "billing.bill_prepared", "bill_id"),
    Told("billing", "charges", "id", "billing.charge_recorded", "charge_id"),
    Told("billing", "invoices", "id", "billing.invoice_issued", "invoice_id"),
)
REPEATED = frozenset({"tracking.visit_scheduled"})


def check(log: Log, tables: Tables) -> Iterator[Finding]:
    for told in TOLD:
        if told.service in tables.rows:
            yield from _told(told, log, tables.of(told.service, told.query))
    last: dict[tuple[str, str, str], int] = defaultdict(int)
    for record in log.first:
        place = record.source, record.topic, record.key
        last[place] = max(last[place], record.seq)
    yield from _outbox(log, tables)
    yield from _counters(tables, last)
    yield from _marks(tables, last)
    yield from _positions(log, tables)
    yield from _timeline(log, tables)
    for service, row in tables.each("parked"):
        yield Finding("stuck", row["key"], f"{service} has parked {row['topic']}: {row['reason']}")
    for service, row in tables.each("paused"):
        yield Finding("stuck", "", f"{service} has paused {row['topic']}")


def _told(told: Told, log: Log, rows: list[Row]) -> Iterator[Finding]:
    events: dict[str, list[Record]] = defaultdict(list)
    for event in log.of(told.kind):
        events[event.told(told.field)].append(event)
    held = Counter(row[told.id] for row in rows if row[told.id])
    for one, number in held.items():
        if number > 1:
            yield Finding("doubled_line", one, f"{number} rows of {told.service} {told.query} have {told.id} {one}")
    for row in rows if told.all else []:
        if row[told.id] and row[told.id] not in events:
            yield Finding(
                "lost_row",
                row.get("case_id") or str(row[told.id]),
                f"{told.service} {told.query} has {told.id} {row[told.id]}, the log has no {told.kind} of it",
            )
    for one, found in events.items():
        if one not in held:
            yield Finding("lost_row", found[0].key, f"{told.kind} of {one} is in the log, {told.service} {told.query} has no such row")
        if len(found) > 1 and told.kind not in REPEATED:
            yield Finding("doubled_line", found[0].key, f"{len(found)} {told.kind} of {one}")


def _outbox(log: Log, tables: Tables) -> Iterator[Finding]:
    sent = {record.id for record in log.records}
    for service, row in tables.each("outbox"):
        if not row["published"]:
            yield Finding("lost_row", row["key"], f"{service} has not sent {row['topic']} seq {row['seq']}")
        elif row["topic"] != CARDS and row["id"] not in sent:
            yield Finding("lost_row", row["key"], f"{service} sent {row['topic']} seq {row['seq']}, the log has no event {row['id']}")


def _counters(tables: Tables, last: dict[tuple[str, str, str], int]) -> Iterator[Finding]:
    """Rows of the outbox go after days; the counters stay."""
    for service, row in tables.each("counter"):
        found = last.get((service, row["topic"], row["key"]), 0)
        if found < row["last"]:
            yield Finding("lost_row", row["key"], f"{service} counted {row['last']} on {row['topic']}, the log ends at {found}")
        elif found > row["last"]:
            yield Finding("lost_row", row["key"], f"the log has {service} {row['topic']} seq {found}, its database counted {row['last']} only")


def _marks(tables: Tables, last: dict[tuple[str, str, str], int]) -> Iterator[Finding]:
    by_topic: dict[str, list[tuple[str, str, int]]] = defaultdict(list)
    for (source, topic, key), seq in last.items():
        by_topic[topic].append((source, key, seq))
    for service, queries in tables.rows.items():
        marks = {(row["topic"], row["source"], row["key"]): row["seq"] for row in queries.get("mark", [])}
        for topic in {row["topic"] for row in queries.get("position", [])} - {CARDS}:
            for source, key, seq in by_topic[topic]:
                applied = marks.get((topic, source, key), 0)
                if applied != seq:
                    yield Finding("lost_row", key, f"{service} has applied {source} {topic} up to seq {applied}, the log ends at {seq}")


def _positions(log: Log, tables: Tables) -> Iterator[Finding]:
    for service, row in tables.each("position"):
        end = log.ends.get((row["topic"], row["partition"]), 0)
        if row["next_offset"] < end:
            yield Finding("lost_row", row["topic"], f"{service} stands at {row['next_offset']} of {end} in {row['topic']}/{row['partition']}")


def _timeline(log: Log, tables: Tables) -> Iterator[Finding]:
    """Each record of a case is one line of its timeline."""
    lines = Counter((row["case_id"], row["id"]) for row in tables.of("tracking", "timeline"))
    told = {(record.key, record.id) for record in log.first if record.topic == CASES}
    for case, event in told - lines.keys():
        yield Finding("lost_row", case, f"event {event} is in the log and not in the timeline")
    for case, event in lines.keys() - told:
        yield Finding("lost_row", case, f"event {event} is in the timeline and not in the log")
    for (case, event), number in lines.items():
        if number > 1:
            yield Finding("doubled_line", case, f"event {event} is {number} lines of the timeline")
