"""Documents for outsiders: on topics of their own, numbered by whoever keeps their order, and locks taken last and in one order."""

import pytest

from services.kit.clock import new_id
from services.kit.db import Transaction
from services.kit.outbox import Cause, NotOwner, Outbox, TooLarge
from tests.kit.harness import Lab


async def test_a_delivery_carries_the_position_it_was_given_and_is_no_position_to_wait_for(lab: Lab) -> None:
    topic, key = f"provider.{new_id()}.missions", new_id()
    async with lab.sender.db.transaction() as tx:
        for position in (7, 8):
            tx.outbox.add_delivery(topic, key, "dispatch.mission.v1", b"{}", position, tx.cause)
        assert await tx.flush() == []
    async with lab.sender.db.transaction() as tx:
        rows = await tx.conn.fetch("select aggregateid, seq from kit.outbox where aggregatetype = $1 order by id", topic)
        counted = await tx.conn.fetchval("select count(*) from kit.counter where topic = $1", topic)
        await tx.conn.execute("delete from kit.outbox where aggregatetype = $1", topic)  # nobody made that topic
    assert [(row["aggregateid"], row["seq"]) for row in rows] == [(key, 7), (key, 8)]
    assert counted == 0


def test_the_platforms_topics_and_too_much_at_once_are_refused() -> None:
    outbox = Outbox("dispatch")
    for topic in ("cases", "providers", "cards"):
        with pytest.raises(NotOwner):
            outbox.add_delivery(topic, "k", "dispatch.mission.v1", b"{}", 1, Cause.fresh())
    with pytest.raises(TooLarge):
        outbox.add_delivery("provider.x.missions", "k", "dispatch.mission.v1", b" " * 300_000, 1, Cause.fresh())


async def test_what_is_left_for_the_end_is_written_once_with_all_that_was_handed_in(lab: Lab) -> None:
    written: list[list[int]] = []

    async def write(tx: Transaction, items: list[int]) -> None:
        written.append(items)

    async with lab.sender.db.transaction() as tx:
        for item in (3, 1, 2):
            tx.at_end(write, item)
        assert written == []
    assert written == [[3, 1, 2]]
