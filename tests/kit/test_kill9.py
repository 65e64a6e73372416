"""A process stopped at a named point and killed by signal 9; another one finishes, and every effect is made once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from services.kit.clock import new_id
from tests.conftest import eventually
from tests.kit.harness import Lab, Workshop, running
from tests.kit.processes import Process

KEYS = 10
EACH = 6
POINTS = {
    "relay.before_send": "relay",  # between commit and publish
    "relay.before_mark": "relay",  # between publish and the note of it
    "consumer.mid_batch": "consume",  # in the middle of a batch
    "consumer.before_commit": "consume",  # between handling and commit
    "consumer.after_commit": "consume",  # between database commit and offset
}


class Killed:
    """What is left when a process has died at a point."""

    def __init__(self, lab: Lab, keys: list[str], process: Process) -> None:
        self.lab = lab
        self.keys = keys
        self.process = process
        self.code: int | None = None
        self.effects_then = -1


async def kill(lab: Lab, point: str, folder: Path) -> Killed:
    keys = [new_id() for _ in range(KEYS)]
    for _ in range(EACH):
        await lab.sender.emit(*keys)
    role = POINTS[point]
    if role == "consume":
        async with running(lab.sender.relay().run()):
            await eventually(lab.sender.published, seconds=30)
    service = lab.sender if role == "relay" else lab.reader
    killed = Killed(lab, keys, await Process.start(service, role, folder, point, skip=2 if point == "consumer.mid_batch" else 0))
    await eventually(killed.process.reached, seconds=45)
    await eventually(killed.process.stopped)
    killed.code = await killed.process.kill9()
    killed.effects_then = await lab.reader.value("select count(*) from effect")  # of whatever its first batches held
    return killed


@pytest.fixture(scope="module")
async def killed(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Killed]]:
    """All at once: the broker takes ten seconds to give up a consumer that died."""
    async with AsyncExitStack() as labs:
        made = [await labs.enter_async_context(workshop.lab()) for _ in POINTS]
        folder = tmp_path_factory.mktemp("markers")
        dead = await asyncio.gather(*(kill(lab, point, folder) for lab, point in zip(made, POINTS, strict=True)))
        await labs.enter_async_context(running(*(job for lab in made for job in (lab.sender.relay().run(), lab.reader.consumer().run()))))
        yield dict(zip(POINTS, dead, strict=True))


@pytest.mark.parametrize("point", POINTS)
async def test_a_process_killed_at_a_point_loses_and_doubles_nothing(killed: dict[str, Killed], point: str) -> None:
    then = killed[point]
    assert then.process.reached()
    assert then.code == -9
    await eventually(lambda: then.lab.once(*then.keys, upto=EACH), seconds=40)
    assert await then.lab.count() == KEYS * EACH
    assert await then.lab.reader.stuck() == []


async def test_what_was_not_committed_left_no_trace_and_what_was_committed_stayed(killed: dict[str, Killed]) -> None:
    assert {point: bool(then.effects_then) for point, then in killed.items()} == {point: point == "consumer.after_commit" for point in POINTS}
    assert len(await killed["relay.before_send"].lab.log()) == KEYS * EACH
    assert len(await killed["relay.before_mark"].lab.log()) == 2 * KEYS * EACH
