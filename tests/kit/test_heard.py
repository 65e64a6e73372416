"""Who was told by one service and asks another gets an answer of the same age, or learns that it is older."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from services.kit.clock import new_id
from services.kit.heard import parse
from services.kit.marks import Place
from tests.kit.harness import Failing, Lab, running
from tests.kit.web import Keys, make

BEHIND = "entraide-behind"


@pytest.fixture
async def reader(lab: Lab, keys: Keys) -> AsyncIterator[httpx.AsyncClient]:
    app = make(lab.reader)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as made,
    ):
        made.headers["authorization"] = f"Bearer {keys.token(lab.reader.name)}"
        yield made


def heard(lab: Lab, *records: tuple[str, int]) -> dict[str, str]:
    return {"Entraide-Heard": ",".join(f"cases/{lab.sender.name}/{key}/{seq}" for key, seq in records)}


async def asked_until_known(lab: Lab, reader: httpx.AsyncClient, key: str, seq: int) -> list[int]:
    """The effects that are there when the answer says nothing of being behind."""
    while BEHIND in (await reader.get("/me", headers=heard(lab, (key, seq)))).raise_for_status().headers:
        pass
    return await lab.effects(key)


async def test_an_answer_waits_until_its_service_has_heard_the_same(lab: Lab, reader: httpx.AsyncClient) -> None:
    keys = [new_id() for _ in range(30)]
    await lab.sender.emit(*keys)
    late = await reader.get("/me", headers=heard(lab, (keys[0], 1)))
    assert (late.status_code, late.headers[BEHIND]) == (200, "1")
    async with running(lab.sender.relay().run(), lab.reader.consumer().run()):
        assert await asyncio.gather(*(asked_until_known(lab, reader, key, 1) for key in keys)) == [[1]] * 30
    some = await reader.get("/me", headers=heard(lab, (keys[0], 1), (keys[1], 2)))
    assert some.headers[BEHIND] == "1"
    own = {"Entraide-Heard": f"cases/{lab.reader.name}/{keys[0]}/7"}
    assert BEHIND not in (await reader.get("/me", headers=own)).headers


async def test_nobody_waits_for_what_a_service_does_not_listen_to_or_a_human_has_to_look_at(lab: Lab, reader: httpx.AsyncClient) -> None:
    assert BEHIND not in (await reader.get("/me", headers={"Entraide-Heard": f"members/{lab.sender.name}/{new_id()}/1"})).headers
    key = new_id()
    await lab.sender.emit(key, kind="bad")
    async with running(lab.sender.relay().run(), lab.reader.consumer(Failing().table).run()):
        assert await asked_until_known(lab, reader, key, 1) == []
    assert [(one.key, one.reason) for one in await lab.reader.stuck()] == [(key, "failed")]


@pytest.mark.parametrize(
    "said", ["", "cases", "cases/intake/k", "cases/intake/k/-1", "cases/intake/k/\u00b2", "cases/intake/a\x00/1", f"cases/intake/k/{10**18}"]
)
async def test_what_cannot_be_read_is_not_waited_for(reader: httpx.AsyncClient, said: str) -> None:
    assert parse(said) is None
    answer = await reader.get("/me", headers={"Entraide-Heard": said.encode()})
    assert answer.status_code == 200 and BEHIND not in answer.headers


def test_a_place_is_written_as_the_live_stream_says_it() -> None:
    assert parse(" cards/intake/case:0b8f/3") == Place("cards", "intake", "case:0b8f", 3)
