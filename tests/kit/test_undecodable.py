"""What cannot be read, and what should not have been said, waits under its key, byte for byte."""

from collections.abc import Sequence
from typing import Any

import pytest

from services.kit import tail
from services.kit.clock import new_id
from services.kit.db import Transaction
from services.kit.drainer import dismiss
from services.kit.errors import Conflict
from services.kit.parking import first
from services.kit.subscriptions import Received, Table, every
from tests.conftest import eventually
from tests.kit.harness import TYPE, Lab, keep, running

ODD = bytes(range(256))


def headers(lab: Lab, key: str, changed: dict[str, Any]) -> list[tuple[str, bytes | None]]:
    """Those of a good record, some of them changed; a header changed to `...` is left out."""
    said = {
        "ce_id": new_id(), "ce_source": lab.sender.name, "ce_type": TYPE, "ce_time": "2026-11-24T08:00:00Z", "ce_subject": key,
        "ce_seq": "1", "ce_row": "1", "ce_correlationid": new_id(), "ce_causationid": new_id(), "traceparent": "00-0-0-01",
    } | changed  # fmt: skip
    return [(name, value.encode() if isinstance(value, str) else value) for name, value in said.items() if value is not ...]


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({"ce_id": ...}, "no header ce_id"),
        ({"ce_id": None}, "no header ce_id"),
        ({"ce_seq": "many"}, "malformed header"),
        ({"ce_seq": "0"}, "malformed header"),
        ({"ce_seq": "99999999999999999999"}, "malformed header"),
        ({"ce_time": "yesterday"}, "malformed header"),
        ({"ce_type": ODD}, "malformed header"),
        ({"ce_type": "common.task\0opened.v1"}, "malformed header"),
        ({"ce_subject": "another"}, "the subject is not the key"),
        ({"x-odd": ODD, "ce_id": ...}, "no header ce_id"),
    ],
)
async def test_an_envelope_that_cannot_be_read_is_kept_byte_for_byte_and_the_others_flow(lab: Lab, changed: dict[str, Any], cause: str) -> None:
    key, other = new_id(), new_id()
    sent = headers(lab, key, changed)
    await lab.sender.put_into_log(key.encode(), ODD, sent)
    await lab.sender.emit(key, other)
    async with running(lab.sender.relay().run(), lab.reader.consumer().run(), lab.reader.drainer().run()):
        await eventually(lambda: lab.once(other, upto=1))
        await eventually(lab.caught_up)
        [stuck] = await lab.reader.stuck()
        assert (stuck.key, stuck.reason, stuck.waiting) == (key, "undecodable", 2)
        assert cause in stuck.cause
        async with lab.reader.db.connection() as conn:
            kept = await first(conn, "cases", key)
        assert kept is not None
        assert (kept[1].key, kept[1].value, list(kept[1].headers)) == (key.encode(), ODD, sent)
        async with lab.reader.db.transaction() as tx:
            await dismiss(tx, "cases", key, "skip", "claire", "a foreign program wrote it")
        await eventually(lambda: lab.once(key, upto=1))
        await eventually(lab.nothing_stuck)


@pytest.mark.parametrize("key", [None, b"", b"\0", b"\xff\xfe", ODD])
async def test_a_key_that_is_no_text_is_kept_byte_for_byte(lab: Lab, key: bytes | None) -> None:
    other = new_id()
    await lab.sender.put_into_log(key, ODD, headers(lab, new_id(), {}))
    await lab.sender.emit(other)
    async with running(lab.sender.relay().run(), lab.reader.consumer().run()):
        await eventually(lambda: lab.once(other, upto=1))
        await eventually(lab.caught_up)
    assert await lab.reader.fetch("select raw_key, value from kit.parked") == [(key, ODD)]


async def test_a_body_that_its_model_refuses_is_parked_without_its_values(lab: Lab) -> None:
    key, other = new_id(), new_id()
    await lab.sender.put_into_log(key.encode(), b'{"task_id": "Dupont"}', headers(lab, key, {}))
    await lab.sender.emit(other)
    async with running(lab.sender.relay().run(), lab.reader.consumer().run()):
        await eventually(lambda: lab.once(other, upto=1))
        [stuck] = await eventually(lab.reader.stuck)
    assert (stuck.key, stuck.reason) == (key, "failed")
    assert "task_id: string_pattern_mismatch" in stuck.cause
    assert "Dupont" not in stuck.cause
    assert await lab.reader.fetch("select value from kit.parked") == [b'{"task_id": "Dupont"}']


async def test_a_failure_whose_text_cannot_be_stored_parks_its_record_all_the_same(lab: Lab) -> None:
    key, other = new_id(), new_id()

    async def handle(tx: Transaction, received: Sequence[Received]) -> None:
        if any(r.envelope.key == key for r in received):
            raise Conflict("zero \0 and half a pair \ud800")
        await keep(tx, received)

    await lab.sender.emit(key, other)
    async with running(lab.sender.relay().run(), lab.reader.consumer(Table([every("cases", handle)])).run()):
        await eventually(lambda: lab.once(other, upto=1))
        [stuck] = await eventually(lab.reader.stuck)
    assert stuck.key == key
    assert stuck.cause.startswith("Conflict: zero  and half a pair ? in ")


async def test_an_event_whose_source_does_not_own_its_type_is_parked(lab: Lab) -> None:
    key, other = new_id(), new_id()
    await lab.sender.put_into_log(key.encode(), b"{}", headers(lab, key, {"ce_type": "billing.case_paid.v1"}))
    await lab.sender.emit(other)
    async with running(lab.sender.relay().run(), lab.reader.consumer().run()):
        await eventually(lambda: lab.once(other, upto=1))
        [stuck] = await eventually(lab.reader.stuck)
    assert (stuck.key, stuck.reason) == (key, "not_owner")
    assert stuck.cause == f"{lab.sender.name} does not own billing.case_paid.v1"
    assert await lab.effects(key) == []


async def test_a_newer_type_is_not_understood_and_blocks_nothing(lab: Lab) -> None:
    key = new_id()
    await lab.sender.put_into_log(key.encode(), b'{"new": true}', headers(lab, key, {"ce_type": f"{lab.sender.name}.not_yet_known.v7"}))
    async with running(lab.reader.consumer().run()):
        await eventually(lambda: lab.once(key, upto=1))
    assert await lab.reader.fetch("select kind from effect where key = $1", key) == [None]


async def test_a_header_without_a_value_keeps_no_service_from_starting(lab: Lab) -> None:
    key = new_id()
    await lab.sender.put_into_log(key.encode(), b"{}", headers(lab, key, {"ce_id": None}))
    for service in (lab.sender, lab.reader):
        await tail.check(service.db, service.kafka)
