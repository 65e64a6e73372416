"""The robots' client and what they remember: every command is in the diary with its answer, and is sent under one key."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.demo.robots import client
from deploy.demo.robots.client import Client, Silence
from deploy.demo.robots.config import Caller, Credentials
from deploy.demo.robots.diary import Diary
from deploy.demo.robots.scene import Case, Need, Scene
from deploy.demo.robots.stories import Story


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "BACK_OFF_S", 0.0)


CALLER = Caller("ORV2000007", "orvane", "Rose Lavergne", date(1970, 5, 2), "0639980001", "1 rue du Port", "69123", "69001", ("taxi",), None)


class Gateway:
    """Answers what it is told to, one answer after another; None is a broken connection."""

    def __init__(self, *answers: int | None) -> None:
        self._answers = list(answers)
        self.keys: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/oauth/token":
            return httpx.Response(200, json={"access_token": "t", "expires_in": 900})
        self.keys.append(request.headers["idempotency-key"])
        status = self._answers.pop(0)
        if status is None:
            raise httpx.ConnectError("broken")
        body: dict[str, Any] = {"code": "already_taken"} if status >= 400 else {"done": True}
        return httpx.Response(status, json=body, headers={"Entraide-Position": "intake:k:1"})


def sent(gateway: Gateway, diary: Diary, patience_s: float = 60) -> Client:
    http = httpx.AsyncClient(transport=httpx.MockTransport(gateway), base_url="http://gateway")
    return Client(http, Credentials("desk-1", "secret"), "desk-1", "desk", diary, patience_s)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_a_command_and_its_answer_stand_in_the_diary(tmp_path: Path) -> None:
    with Diary(tmp_path / "diary") as diary:
        answer = await sent(Gateway(201), diary).command("POST", "/cases", {"a": 1})
    assert (answer.ok, answer.position) == (True, "intake:k:1")
    [line] = lines(tmp_path / "diary")
    assert (line["actor"], line["door"], line["method"], line["path"], line["body"]) == ("desk-1", "desk", "POST", "/cases", {"a": 1})
    assert (line["status"], line["response"], line["outcome"]) == (201, {"done": True}, "ok")


async def test_a_refusal_is_an_answer_and_is_not_sent_again(tmp_path: Path) -> None:
    with Diary(tmp_path / "diary") as diary:
        answer = await sent(Gateway(409), diary).command("POST", "/offers")
    assert (answer.ok, answer.code) == (False, "already_taken")
    assert [line["outcome"] for line in lines(tmp_path / "diary")] == ["fail"]


async def test_a_command_without_an_answer_is_sent_again_under_the_same_key(tmp_path: Path) -> None:
    gateway = Gateway(None, 503, 200)
    with Diary(tmp_path / "diary") as diary:
        assert (await sent(gateway, diary).command("POST", "/cases")).ok
    assert len(set(gateway.keys)) == 1 and len(gateway.keys) == 3
    assert [line["outcome"] for line in lines(tmp_path / "diary")] == ["info", "info", "ok"]


async def test_a_robot_that_is_never_answered_says_that_it_does_not_know(tmp_path: Path) -> None:
    with Diary(tmp_path / "diary") as diary, pytest.raises(Silence):
        await sent(Gateway(None), diary, patience_s=0).command("POST", "/cases")


def case(scene: Scene, opener: Client) -> Case:
    made = Case("c", "482019312", CALLER, opener, opener, 0.0, None)
    now = datetime(2026, 11, 23, tzinfo=UTC)
    made.needs.append(Need("n", "482019312-1", "taxi", "1", now, now, Story("plain", 1), made))
    scene.opened(made)
    return made


async def test_a_case_that_comes_back_counts_as_under_way_again(tmp_path: Path) -> None:
    scene = Scene(at_once=1)
    with Diary(tmp_path / "diary") as diary:
        await scene.room()
        opened = case(scene, sent(Gateway(), diary))
        scene.end(opened)
        assert (scene.in_flight, scene.final) == (0, 1)
        scene.revive(opened)
        assert (scene.in_flight, scene.in_flight_max) == (1, 1)
        scene.end(opened)
    assert scene.final == 1
    assert await scene.need("482019312-1") is opened.needs[0]
    assert await scene.need("000000000-1", patience=0.01) is None
