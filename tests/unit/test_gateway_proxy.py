"""What passes through the gateway comes out as it went in, as it comes; what must not pass does not."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from services.gateway.proxy import Front
from services.gateway.sessions import REFUSAL, SESSION
from tests.conftest import eventually

TOKEN = "Bearer a.eyJleHAiOjk5OTk5OTk5OTl9.c"  # ends in the year 2286
EXPIRED = "Bearer a.eyJleHAiOjF9.c"


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    config = uvicorn.Config(app, "127.0.0.1", 0, log_level="critical", http="httptools", lifespan="off", proxy_headers=False)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve())
    await eventually(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        await task


@dataclass
class Service:
    """A service behind the gateway: answers with what it was sent, and keeps what a test wants to look at."""

    release: asyncio.Event = field(default_factory=asyncio.Event)
    streams_ended: int = 0
    connections: set[Any] = field(default_factory=set)

    def app(self) -> Starlette:
        methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
        return Starlette(
            routes=[
                Route("/api/intake/v1/echo", self.echo, methods=methods),
                Route("/api/intake/v1/stream", self.stream),
                Route("/api/intake/v1/early", self.early, methods=methods),
                Route("/api/intake/v1/big", self.big),
                Route("/api/intake/v1/empty", self.empty, methods=methods),
            ]
        )

    async def echo(self, request: Request) -> Response:
        self.connections.add(request.client)
        body = await request.body()
        seen = {
            "method": request.method,
            "query": request.url.query,
            "headers": dict(request.headers),
            "size": len(body),
            "body": body[:100].decode(),
        }
        return JSONResponse(seen, 201, {"Entraide-Position": "intake:k:7", "ETag": '"3"', "X-Many": "1"})

    async def stream(self, request: Request) -> Response:
        async def events() -> AsyncIterator[bytes]:
            try:
                yield b"data: first\n\n"
                await self.release.wait()
                yield b"data: second\n\n"
                await asyncio.Event().wait()
            finally:
                self.streams_ended += 1

        return StreamingResponse(events(), media_type="text/event-stream")

    async def early(self, request: Request) -> Response:
        return PlainTextResponse("too large", 413)

    async def big(self, request: Request) -> Response:
        async def parts() -> AsyncIterator[bytes]:
            for _ in range(64):
                yield b"x" * 65_536

        return StreamingResponse(parts(), media_type="application/octet-stream")

    async def empty(self, request: Request) -> Response:
        return Response(status_code=204)


class Sessions:
    """One cookie is a session."""

    secure = False

    async def find(self, cookies: bytes) -> Any:
        return SimpleNamespace(authorization=b"Bearer internal", ends_at=time.time() + 900) if b"entraide_session=good" in cookies else None


async def behind(scope: Scope, receive: Receive, send: Send) -> None:
    """Says what the front left to it."""
    refusal = scope.get(REFUSAL)
    left = {"refusal": refusal.code if refusal else None, "session": SESSION in scope, "path": scope["path"]}
    left["authorization"] = dict(scope["headers"]).get(b"authorization", b"").decode()
    await JSONResponse(left, refusal.status if refusal else 200)(scope, receive, send)


@dataclass
class Place:
    service: Service
    client: httpx.AsyncClient
    url: str


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    service = Service()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{closed.getsockname()[1]}"
    async with serving(service.app()) as upstream:
        front = Front(behind, {"intake": upstream, "billing": dead}, Sessions(), "")  # type: ignore[arg-type]
        async with serving(front) as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
            yield Place(service, client, url)


ECHO = "/api/intake/v1/echo"


async def test_method_query_body_status_and_headers_pass_through(place: Place) -> None:
    answer = await place.client.request(
        "PATCH", f"{ECHO}?q=a%20b&after=x:y:3", content=b'{"a": 1}', headers={"Authorization": TOKEN, "If-Match": '"2"'}
    )
    seen = answer.json()
    assert answer.status_code == 201
    assert (answer.headers["Entraide-Position"], answer.headers["ETag"]) == ("intake:k:7", '"3"')
    assert (seen["method"], seen["query"], seen["body"]) == ("PATCH", "q=a%20b&after=x:y:3", '{"a": 1}')
    assert seen["headers"]["if-match"] == '"2"'
    assert seen["headers"]["authorization"] == TOKEN
    assert seen["headers"]["host"] == place.url.removeprefix("http://")


async def test_the_service_learns_who_asked_and_by_which_trace(place: Place) -> None:
    given = {"Authorization": TOKEN, "X-Forwarded-For": "6.6.6.6", "Forwarded": "for=6.6.6.6"}
    seen = (await place.client.get(ECHO, headers=given)).json()["headers"]
    assert "6.6.6.6" not in json.dumps(seen)
    assert (seen["x-forwarded-for"], seen["x-forwarded-proto"]) == ("127.0.0.1", "http")
    assert len(seen["traceparent"]) == 55
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    assert (await place.client.get(ECHO, headers=given | {"traceparent": trace})).json()["headers"]["traceparent"] == trace


async def test_hop_by_hop_headers_end_here(place: Place) -> None:
    given = {"Authorization": TOKEN, "Connection": "keep-alive, X-Mine", "X-Mine": "1", "TE": "trailers", "X-Kept": "1"}
    seen = (await place.client.get(ECHO, headers=given)).json()["headers"]
    assert "x-mine" not in seen
    assert "te" not in seen
    assert seen["x-kept"] == "1"


async def test_a_browser_session_is_exchanged_for_a_token_and_its_cookie_stays_here(place: Place) -> None:
    cookies = {"Cookie": "a=b; entraide_session=good; lang=en", "Authorization": "Bearer somebody-elses"}
    seen = (await place.client.get(ECHO, headers=cookies)).json()["headers"]
    assert seen["authorization"] == "Bearer internal"
    assert seen["cookie"] == "lang=en"


async def test_a_machines_cookies_stay_here_too(place: Place) -> None:
    seen = (await place.client.get(ECHO, headers={"Authorization": TOKEN, "Cookie": "entraide_session=old; lang=klingon"})).json()["headers"]
    assert "cookie" not in seen


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://evil.example"},
    ],
)
async def test_a_form_of_another_site_is_refused(place: Place, told: dict[str, str]) -> None:
    answer = await place.client.post(ECHO, headers={"Cookie": "entraide_session=good"} | told)
    assert (answer.status_code, answer.json()["refusal"]) == (403, "origin")


async def test_a_form_of_our_own_passes(place: Place) -> None:
    for told in ({"Origin": place.url}, {"Sec-Fetch-Site": "same-origin"}, {"Origin": place.url, "Sec-Fetch-Site": "same-origin"}):
        answer = await place.client.post(ECHO, headers={"Cookie": "entraide_session=good"} | told, content=b"a=b")
        assert answer.status_code == 201


async def test_without_credentials_the_api_answers_401_and_a_page_goes_to_sign_in(place: Place) -> None:
    answer = await place.client.get(ECHO)
    assert (answer.status_code, answer.json()["refusal"]) == (401, "unauthenticated")
    page = await place.client.get("/desk/cases?q=x y&after=a:b:1")
    assert (page.status_code, page.headers["location"]) == (303, "/sign-in?next=/desk/cases%3Fq%3Dx%2520y%26after%3Da%3Ab%3A1")
    assert (await place.client.post("/desk/cases/new")).headers["location"] == "/sign-in"


async def test_a_fragment_without_session_makes_the_whole_page_go_to_sign_in(place: Place) -> None:
    answer = await place.client.get("/pages/intake/notes", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (401, "/sign-in")


async def test_a_dead_service_is_a_503_of_ours(place: Place) -> None:
    answer = await place.client.get("/api/billing/v1/bills", headers={"Authorization": TOKEN})
    assert (answer.status_code, answer.json()["refusal"]) == (503, "unavailable")


async def test_a_service_that_is_not_installed_is_a_503(place: Place) -> None:
    answer = await place.client.get("/api/dispatch/v1/missions", headers={"Authorization": TOKEN})
    assert (answer.status_code, answer.json()["refusal"]) == (503, "unavailable")


async def test_what_the_gateway_answers_itself_gets_the_callers_token(place: Place) -> None:
    left = (await place.client.get("/api/gateway/v1/x", headers={"Cookie": "entraide_session=good", "Authorization": "Bearer other"})).json()
    assert left == {"refusal": None, "session": True, "path": "/api/gateway/v1/x", "authorization": "Bearer internal"}


async def test_everything_carries_the_security_headers_once(place: Place) -> None:
    for path, headers in ((ECHO, {"Authorization": TOKEN}), ("/unknown", {}), ("/desk", {})):
        answer = await place.client.get(path, headers=headers)
        for name in ("x-content-type-options", "content-security-policy", "x-frame-options", "referrer-policy", "cache-control"):
            assert len(answer.headers.get_list(name)) == 1, (path, name)
        assert "strict-transport-security" not in answer.headers


async def test_connections_to_a_service_are_used_again(place: Place) -> None:
    for _ in range(5):
        await place.client.get(ECHO, headers={"Authorization": TOKEN})
    await place.client.head(ECHO, headers={"Authorization": TOKEN})
    await place.client.post("/api/intake/v1/empty", headers={"Authorization": TOKEN})
    await place.client.get(ECHO, headers={"Authorization": TOKEN})
    assert len(place.service.connections) == 1


async def test_an_answer_without_body_is_whole(place: Place) -> None:
    head = await place.client.head(ECHO, headers={"Authorization": TOKEN})
    assert (head.status_code, head.content) == (201, b"")
    assert int(head.headers["content-length"]) > 0
    empty = await place.client.delete("/api/intake/v1/empty", headers={"Authorization": TOKEN})
    assert (empty.status_code, empty.content) == (204, b"")


async def test_a_large_body_goes_up_in_parts_with_its_length(place: Place) -> None:
    seen = (await place.client.post(ECHO, headers={"Authorization": TOKEN}, content=b"y" * 3_000_000)).json()
    assert seen["size"] == 3_000_000
    assert seen["headers"]["content-length"] == "3000000"


async def test_a_body_of_unknown_length_goes_up_in_chunks(place: Place) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"z" * 10_000

    seen = (await place.client.post(ECHO, headers={"Authorization": TOKEN}, content=parts())).json()
    assert seen["size"] == 400_000
    assert seen["headers"]["transfer-encoding"] == "chunked"


async def test_a_large_answer_comes_down_whole_for_a_slow_reader(place: Place) -> None:
    size = 0
    async with place.client.stream("GET", "/api/intake/v1/big", headers={"Authorization": TOKEN}) as answer:
        async for part in answer.aiter_raw(16_384):
            size += len(part)
    assert size == 64 * 65_536


async def test_an_answer_before_the_end_of_the_body_comes_back(place: Place) -> None:
    answer = await place.client.post("/api/intake/v1/early", headers={"Authorization": TOKEN}, content=b"y" * 200_000)
    assert (answer.status_code, answer.text) == (413, "too large")
    assert (await place.client.get(ECHO, headers={"Authorization": TOKEN})).status_code == 201


async def test_a_stream_flows_event_by_event_until_the_client_goes(place: Place) -> None:
    async with place.client.stream("GET", "/api/intake/v1/stream", headers={"Cookie": "entraide_session=good"}) as answer:
        events = answer.aiter_bytes()
        assert await asyncio.wait_for(anext(events), 5) == b"data: first\n\n"
        place.service.release.set()
        assert await asyncio.wait_for(anext(events), 5) == b"data: second\n\n"
        assert place.service.streams_ended == 0
    await eventually(lambda: place.service.streams_ended == 1)


async def test_a_stream_ends_with_its_token(place: Place) -> None:
    async with asyncio.timeout(5), place.client.stream("GET", "/api/intake/v1/stream", headers={"Authorization": EXPIRED}) as answer:
        received = [event async for event in answer.aiter_bytes()]
    assert received in ([], [b"data: first\n\n"])
    await eventually(lambda: place.service.streams_ended == 1)


async def test_many_streams_leave_room_for_ordinary_requests(place: Place) -> None:
    async def listen() -> None:
        async with (
            httpx.AsyncClient(base_url=place.url, trust_env=False) as own,
            own.stream("GET", "/api/intake/v1/stream", headers={"Authorization": TOKEN}) as answer,
        ):
            await anext(answer.aiter_bytes())
            listening.append(answer)
            await done.wait()

    listening: list[httpx.Response] = []
    done = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for _ in range(70):
            group.create_task(listen())
        await eventually(lambda: len(listening) == 70)
        assert (await place.client.get(ECHO, headers={"Authorization": TOKEN})).status_code == 201
        done.set()


@pytest.fixture
async def crooked() -> AsyncIterator[tuple[httpx.AsyncClient, list[bytes]]]:
    """A service that writes exactly these bytes after each request and hangs up."""
    answers: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answers[0])
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    front = Front(behind, {"intake": url}, Sessions(), "")  # type: ignore[arg-type]
    async with server, serving(front) as ours, httpx.AsyncClient(base_url=ours, trust_env=False, headers={"Authorization": TOKEN}) as client:
        yield client, answers


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-", b"gibberish\r\n\r\n"])
async def test_an_answer_that_breaks_off_before_it_began_is_a_503(crooked: tuple[httpx.AsyncClient, list[bytes]], said: bytes) -> None:
    client, answers = crooked
    answers.append(said)
    assert (await client.get(ECHO)).status_code == 503


async def test_an_answer_that_breaks_off_in_its_body_breaks_off_here_too(crooked: tuple[httpx.AsyncClient, list[bytes]]) -> None:
    client, answers = crooked
    answers.append(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get(ECHO)


async def test_an_answer_that_ends_with_its_connection_is_whole(crooked: tuple[httpx.AsyncClient, list[bytes]]) -> None:
    client, answers = crooked
    answers.append(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\n\r\nall of it")
    answer = await client.get(ECHO)
    assert (answer.status_code, answer.text) == (200, "all of it")
    assert "link" not in answer.headers
