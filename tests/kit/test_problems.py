"""Errors are RFC 9457 and never repeat what was sent."""

import httpx
import pytest

from services.kit.clock import new_id
from tests.kit.harness import Lab


async def test_a_refused_body_names_its_fields_and_not_their_values(web: httpx.AsyncClient) -> None:
    sent = {"case_id": "Dupont's case", "name": "Dupont and all the family of Dupont", "refused": "Dupont"}
    answer = await web.post("/calls", json=sent, headers={"idempotency-key": new_id()})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert {name: problem[name] for name in ("type", "title", "status", "code")} == {
        "type": "urn:entraide:problem:invalid", "title": "The values cannot be accepted", "status": 422, "code": "invalid",
    }  # fmt: skip
    assert [(error["field"], error["problem"]) for error in problem["errors"]] == [
        ("case_id", "string_pattern_mismatch"), ("name", "string_too_long"), ("refused", "bool_parsing"),
    ]  # fmt: skip
    assert "Dupont" not in answer.text
    assert problem["trace_id"] == answer.headers["trace-id"]


@pytest.mark.parametrize(
    ("method", "path", "content", "status", "code"),
    [
        ("POST", "/calls", b'{"name": "Dupont', 422, "invalid"),
        ("POST", "/calls", b"\xff\xfe Dupont", 400, "http_400"),
        ("GET", "/Dupont", b"", 404, "http_404"),
        ("PUT", "/calls", b"Dupont", 405, "http_405"),
        ("GET", "/broken", b"", 500, "unexpected"),
        ("GET", "/down", b"", 503, "unavailable"),
    ],
)
async def test_every_failure_is_a_problem_without_echo(
    web: httpx.AsyncClient, method: str, path: str, content: bytes, status: int, code: str
) -> None:
    headers = {"idempotency-key": new_id(), "content-type": "application/json"}
    answer = await web.request(method, path, content=content, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    problem = answer.json()
    assert (problem["status"], problem["code"], problem["type"]) == (status, code, f"urn:entraide:problem:{code}")
    assert problem["trace_id"]
    assert "Dupont" not in answer.text


async def test_a_trace_begun_by_the_caller_goes_on_in_what_is_emitted(lab: Lab, web: httpx.AsyncClient) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"idempotency-key": new_id(), "traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    answer = await web.post("/calls", json={"case_id": new_id(), "name": "n"}, headers=headers)
    assert answer.headers["trace-id"] == trace
    assert await lab.sender.fetch("select traceparent from kit.outbox") == [headers["traceparent"]]


@pytest.mark.parametrize("odd", ["Dupont" * 9 + "!", "00-" + "é" * 32 + "-b7ad6b7169203331-01", "x"])
async def test_a_traceparent_that_is_none_is_replaced(web: httpx.AsyncClient, odd: str) -> None:
    answer = await web.get("/Dupont", headers=[(b"traceparent", odd.encode())])
    assert len(answer.headers["trace-id"]) == 32
    assert int(answer.headers["trace-id"], 16)
