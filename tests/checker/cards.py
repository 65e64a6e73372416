"""Personal data: a card that an event names, or that its writer's outbox held, is in the topic in that version or a later one."""

from collections.abc import Iterator

from tests.checker.inputs import CARDS, Finding, Log, Tables


def check(log: Log, tables: Tables) -> Iterator[Finding]:
    versions: dict[str, int] = {}
    for record in log.records:
        if record.topic == CARDS:
            versions[record.key] = max(versions.get(record.key, 0), record.seq)
    told: set[tuple[str, int]] = set()
    for record in log.first:
        card = record.body.get("card") if b'"card"' in (record.value or b"") else None
        if card:
            wanted = f"{card['kind']}:{card['id']}", int(card["version"])
            told.add(wanted)
            if versions.get(wanted[0], 0) < wanted[1]:
                yield Finding("missing_card", record.key, f"{record.kind} names card {wanted[0]} version {wanted[1]}: {_has(versions, wanted[0])}")
    for service, row in tables.each("outbox"):
        if row["topic"] == CARDS and (row["key"], row["seq"]) not in told and versions.get(row["key"], 0) < row["seq"]:
            yield Finding("missing_card", row["key"], f"{service} wrote version {row['seq']}: {_has(versions, row['key'])}")


def _has(versions: dict[str, int], key: str) -> str:
    return f"the topic has version {versions[key]}" if key in versions else "the topic has none"
