"""Documents for outsiders: on topics of their own, numbered by whoever keeps their order, and locks taken last and in one order."""

import asyncio

import pytest
from confluent_kafka.admin import AclBinding, AclOperation, AclPermissionType, ResourcePatternType, ResourceType

from deploy import topics
from deploy.stack import Stack
from deploy.topics import Broker
from services.kit import relay
from services.kit.clock import new_id
from services.kit.db import Transaction
from services.kit.outbox import Cause, NotOwner, Outbox, TooLarge
from tests.conftest import eventually
from tests.kit.harness import USERS, Lab, running


async def test_a_delivery_carries_the_position_it_was_given_and_is_no_position_to_wait_for(lab: Lab) -> None:
    topic, key = f"provider.{new_id()}.missions", new_id()
    async with lab.sender.db.transaction() as tx:
        for position in (7, 8):
            tx.outbox.add_delivery(topic, key, "dispatch.mission.v1", b"{}", position, tx.cause)
        assert await tx.flush() == []
    async with lab.sender.db.transaction() as tx:
        rows = await tx.conn.fetch("select aggregateid, seq from kit.outbox where aggregatetype = $1 order by id", topic)
        counted = await tx.conn.fetchval("select count(*) from kit.counter where topic = $1", topic)
    assert [(row["aggregateid"], row["seq"]) for row in rows] == [(key, 7), (key, 8)]
    assert counted == 0


def make(topic: str, broker: Broker) -> None:
    """With the right to write there, which only dispatch has otherwise."""
    topics.open_provider_topic(broker, topic.split(".")[1], new_id())
    may = AclBinding(
        ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, f"User:{USERS['sender']}", "*", AclOperation.WRITE, AclPermissionType.ALLOW
    )
    admin = broker.admin()
    for done in admin.create_acls([may]).values():
        done.result(10)


async def test_a_topic_that_refuses_us_holds_up_no_other_and_gets_its_rows_when_it_takes_them(
    lab: Lab, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "REFUSED_S", (1, 1))
    topic, key = f"provider.{new_id()}.missions", new_id()
    async with lab.sender.db.transaction() as tx:
        tx.outbox.add_delivery(topic, key, "dispatch.mission.v1", b"{}", 1, tx.cause)
    await lab.sender.emit(key)

    async def only_it_waits() -> bool:
        waiting: list[str] = await lab.sender.fetch("select topic from kit.unsent")
        return waiting == [topic]

    async with running(lab.sender.relay().run()):
        await eventually(only_it_waits, seconds=30)
        await lab.sender.emit(key)
        await eventually(only_it_waits, seconds=30)
        await asyncio.to_thread(make, topic, stack.broker)
        await eventually(lab.sender.published, seconds=30)
    assert [said.seq for said in await lab.log()] == [1, 2]


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
