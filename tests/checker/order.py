"""The order of the log itself: every place taken once, in turn, and no effect before its cause."""

from collections.abc import Iterator

from tests.checker.inputs import CARDS, CASES, DELIVERIES, Finding, Log, Record

Chain = tuple[str, str, str]  # source, topic, key


def check(log: Log) -> Iterator[Finding]:
    for topic, partition, offset in log.unreadable:
        yield Finding("anomaly", topic, f"no envelope at {topic}/{partition} offset {offset}")
    chains: dict[Chain, list[Record]] = {}
    for record in log.records:
        if record.topic != CARDS:
            # An outsider's topic counts as a whole, its keys do not.
            key = "" if record.topic.startswith(DELIVERIES) else record.key
            chains.setdefault((record.source, record.topic, key), []).append(record)
    for chain, records in chains.items():
        yield from _chain(chain, records)
    yield from _ids(log)
    yield from _causes(log)


def _chain(chain: Chain, records: list[Record]) -> Iterator[Finding]:
    source, topic, key = chain
    seen: dict[int, Record] = {}
    highest = 0
    for record in records:
        before = seen.get(record.seq)
        if before is not None:
            if (before.id, before.value) != (record.id, record.value):
                yield Finding("doubled_line", record.key, f"two different records are {source} {topic} seq {record.seq}: {before.id}, {record.id}")
            continue
        if record.seq < highest:
            yield Finding("swapped_pair", record.key, f"{source} {topic} seq {record.seq} ({record.kind}) comes after {highest}")
        seen[record.seq] = record
        highest = max(highest, record.seq)
    # An outsider's topic is kept for days only: it may begin anywhere.
    first = min(seen) if topic.startswith(DELIVERIES) else 1
    for seq in range(first, highest):
        if seq not in seen:
            yield Finding("lost_row", key or topic, f"{source} {topic} seq {seq} is not in the log, {highest} is")


def _ids(log: Log) -> Iterator[Finding]:
    places: dict[str, Record] = {}
    for record in log.first:
        before = places.setdefault(record.id, record)
        if before is not record:
            yield Finding("doubled_line", record.key, f"event {record.id} is at seq {before.seq} and at seq {record.seq} of {record.topic}")


def _causes(log: Log) -> Iterator[Finding]:
    offsets: dict[str, Record] = {}
    for record in log.first:
        offsets.setdefault(record.id, record)
    for record in log.first:
        cause = offsets.get(record.causation)
        if cause is None or cause is record or record.topic != CASES:
            continue
        if (cause.topic, cause.partition) == (record.topic, record.partition) and cause.offset > record.offset:
            yield Finding("swapped_pair", record.key, f"{record.kind} {record.id} comes before its cause {cause.kind} {cause.id}")
