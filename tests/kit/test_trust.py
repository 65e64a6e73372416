"""A batch takes it that its records are the next of their keys; where they are not, it is taken back, and the marks are asked."""

from collections.abc import Sequence
from typing import Any

import pytest

from services.kit import marks
from services.kit.clock import new_id
from services.kit.db import Transaction
from services.kit.subscriptions import Received, Table, every
from tests.conftest import eventually
from tests.kit.harness import Failing, Lab, keep, running


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many marks each batch asked for that did ask."""
    found: list[int] = []
    arrive = marks.arrive

    async def counted(conn: Any, topic: str, wanted: Any) -> Any:
        wanted = list(wanted)
        found.append(len(wanted))
        return await arrive(conn, topic, wanted)

    monkeypatch.setattr(marks, "arrive", counted)
    return found


async def one_by_one(lab: Lab, key: str, first: int, last: int) -> None:
    for seq in range(first, last + 1):
        await lab.sender.emit(key)
        await eventually(lambda seq=seq: lab.once(key, upto=seq))  # type: ignore[misc]


async def test_only_the_first_batch_of_a_partition_asks(lab: Lab, asked: list[int]) -> None:
    key = new_id()
    async with running(lab.sender.relay().run(), lab.reader.consumer().run()):
        await one_by_one(lab, key, 1, 10)
    assert asked == [1]


async def test_a_duplicate_is_found_by_a_batch_that_trusted_and_changes_nothing(lab: Lab, asked: list[int]) -> None:
    key, handled = new_id(), []

    async def handle(tx: Transaction, received: Sequence[Received]) -> None:
        handled.extend(one.envelope.seq for one in received)
        await keep(tx, received)

    async with running(lab.sender.relay().run(), lab.reader.consumer(Table([every("cases", handle)])).run()):
        await one_by_one(lab, key, 1, 3)
        await lab.sender.send_again()
        await eventually(lab.caught_up)
        assert await lab.effects(key) == [1, 2, 3]
        await one_by_one(lab, key, 4, 8)
    assert len(handled) > 8, "none of the duplicates was taken for new at first: the test shows nothing"
    assert len(asked) <= 3, "it asked again and again after the duplicates"


async def test_what_lies_behind_a_parked_record_is_parked_by_a_batch_that_trusted(lab: Lab) -> None:
    key, other = new_id(), new_id()
    async with running(lab.sender.relay().run(), lab.reader.consumer(Failing().table).run()):
        await one_by_one(lab, key, 1, 2)
        await lab.sender.emit(key, kind="bad")
        await eventually(lab.reader.stuck)
        await one_by_one(lab, other, 1, 5)
        await lab.sender.emit(key)
        await eventually(lab.caught_up)
        [stuck] = await lab.reader.stuck()
    assert (stuck.key, stuck.waiting) == (key, 2)
    assert await lab.effects(key) == [1, 2]
