"""A command sent again is the same command: one effect, the same answer."""

import asyncio

import httpx
import pytest

from services.kit.clock import new_id
from tests.kit.harness import Lab
from tests.kit.web import Keys


async def effects(lab: Lab, key: str) -> int:
    number: int = await lab.sender.value("select count(*) from effect where key = $1", key)
    return number


async def post(web: httpx.AsyncClient, case: str, key: str | None, **changed: object) -> httpx.Response:
    headers = {} if key is None else {"idempotency-key": key}
    return await web.post("/calls", json={"case_id": case, "name": "Dupont"} | changed, headers=headers)


async def test_50_concurrent_equal_posts_have_one_effect_and_one_answer(lab: Lab, web: httpx.AsyncClient) -> None:
    case, key = new_id(), new_id()
    answers = await asyncio.gather(*(post(web, case, key) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {201}
    assert {answer.text for answer in answers} == {f'{{"case_id":"{case}"}}'}
    assert {answer.headers["entraide-position"] for answer in answers} == {f"{lab.sender.name}:{case}:1"}
    assert sorted("idempotent-replayed" in answer.headers for answer in answers) == [False] + [True] * 49
    assert await effects(lab, case) == 1
    assert await lab.sender.value("select count(*) from kit.outbox") == 1


async def test_another_body_under_a_used_key_is_refused(lab: Lab, web: httpx.AsyncClient) -> None:
    case, key = new_id(), new_id()
    assert (await post(web, case, key)).status_code == 201
    other = await post(web, case, key, name="Durand")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert await effects(lab, case) == 1


@pytest.mark.parametrize("key", [None, "", "short", "k" * 256])
async def test_a_missing_or_unfit_key_is_refused(lab: Lab, web: httpx.AsyncClient, key: str | None) -> None:
    case = new_id()
    answer = await post(web, case, key)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")
    assert await effects(lab, case) == 0


async def test_a_refusal_changes_nothing_and_leaves_the_key_free(lab: Lab, web: httpx.AsyncClient) -> None:
    case, key = new_id(), new_id()
    refused = await post(web, case, key, refused=True)
    assert (refused.status_code, refused.json()["code"]) == (409, "case_closed")
    assert await effects(lab, case) == 0
    assert await lab.sender.value("select count(*) from kit.outbox") == 0
    assert (await post(web, case, key)).status_code == 201
    assert await effects(lab, case) == 1


async def test_the_same_key_of_another_caller_is_another_command(lab: Lab, web: httpx.AsyncClient, keys: Keys) -> None:
    case, key = new_id(), new_id()
    assert (await post(web, case, key)).status_code == 201
    web.headers["authorization"] = f"Bearer {keys.token(lab.sender.name, sub='paul')}"
    answer = await post(web, case, key)
    assert answer.status_code == 201
    assert "idempotent-replayed" not in answer.headers
    assert await effects(lab, case) == 2


async def test_a_caller_from_outside_has_its_commands_too(lab: Lab, web: httpx.AsyncClient, keys: Keys) -> None:
    web.headers["authorization"] = f"Bearer {keys.token(lab.sender.name, sub='garage', roles=['provider'], provider_id='p1')}"
    case, key = new_id(), new_id()
    assert [(await post(web, case, key)).status_code for _ in range(2)] == [201, 201]
    assert await effects(lab, case) == 1


async def test_a_browser_must_carry_its_session_s_token_back(lab: Lab, web: httpx.AsyncClient, keys: Keys) -> None:
    web.headers["authorization"] = f"Bearer {keys.token(lab.sender.name, csrf='secret')}"
    case, key = new_id(), new_id()
    refused = await post(web, case, key)
    assert (refused.status_code, refused.json()["code"]) == (403, "csrf")
    web.headers["x-csrf"] = "secret"
    assert (await post(web, case, key)).status_code == 201
