"""Delivery is at least once; effects are once."""

from services.kit.clock import new_id
from tests.conftest import eventually
from tests.kit.harness import Lab, running


async def test_a_record_delivered_twice_has_one_effect(lab: Lab) -> None:
    keys = [new_id() for _ in range(20)]
    for _ in range(3):
        await lab.sender.emit(*keys)
    async with running(lab.sender.relay().run(), lab.reader.consumer().run()):
        await eventually(lambda: lab.once(*keys, upto=3))
        await eventually(lab.sender.published)  # and marked
        await lab.sender.send_again()
        await eventually(lab.caught_up)
    assert len(await lab.log()) == 120
    assert await lab.once(*keys, upto=3)
    assert await lab.count() == 60
    assert await lab.reader.stuck() == []


async def test_duplicates_within_one_batch_have_one_effect(lab: Lab) -> None:
    key = new_id()
    await lab.sender.emit(*[key] * 5)
    for again in (True, True, False):
        async with running(lab.sender.relay().run()):
            await eventually(lab.sender.published)
        if again:
            await lab.sender.send_again()
    assert len(await lab.log()) == 15
    async with running(lab.reader.consumer().run()):
        await eventually(lab.caught_up)
    assert await lab.effects(key) == [1, 2, 3, 4, 5]
