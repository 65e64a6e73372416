"""Signing in as a person and as a machine, on a real database; what goes on to a service carries a token that it verifies."""

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import asyncpg
import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deploy.stack import Stack
from services.gateway import main, usecases
from services.gateway.domain import NewClient, NewUser
from services.gateway.settings import Settings
from services.gateway.tokens import make_keys
from services.kit import migrate
from services.kit.auth import Verifier
from services.kit.clock import new_id
from tests.conftest import eventually

anyio.open_file  # noqa: B018 - loads what static files need now: deep in a request, CPython 3.11 may refuse what pytest makes of it
FOLDER = Path(main.__file__).parent
PASSWORD, SECRET = "une phrase assez longue", "s" * 16 + "Zq4kT9-vPw2_mB7xLr8s"
PROVIDER = "01890000-0000-7000-8000-000000000002"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", 0, log_level="warning", http="httptools", timeout_graceful_shutdown=3))
    task = asyncio.create_task(server._serve())
    await eventually(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


@dataclass
class Gateway:
    app: FastAPI
    url: str
    settings: Settings

    def browser(self, **more: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, headers={"Origin": self.url, "Accept": "text/html"}, trust_env=False, **more)

    async def user(self, roles: tuple[str, ...] = ("agent",), **sees: Any) -> str:
        """A new account; returns its login."""
        login = f"someone-{new_id()}"
        async with self.app.state.db.transaction() as tx:
            await usecases.create_user(tx, NewUser(login=login, password=PASSWORD, name="Claire M.", roles=roles, **sees))
        return login

    async def machine(self, roles: tuple[str, ...], scopes: tuple[str, ...] = (), **sees: Any) -> str:
        client_id = f"machine-{new_id()}"
        async with self.app.state.db.transaction() as tx:
            await usecases.create_client(tx, NewClient(client_id=client_id, secret=SECRET, name="Robot", roles=roles, scopes=scopes, **sees))
        return client_id


@pytest.fixture(scope="module")
async def made(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Settings, Verifier]]:
    await migrate.migrate(stack.databases["gateway"].owner, FOLDER / "migrations")
    private, public = make_keys(tmp_path_factory.mktemp("keys"))
    verifier = Verifier("intake", public)

    async def whoami(request: Request) -> Response:
        caller = verifier.verify(request.headers["authorization"].removeprefix("Bearer "))
        return JSONResponse({"id": caller.id, "roles": sorted(caller.roles), "csrf": caller.csrf, "language": caller.language})

    async with serving(Starlette(routes=[Route("/api/intake/v1/whoami", whoami, methods=["GET", "POST"])])) as intake:
        given = {name.removeprefix("ENTRAIDE_").lower(): value for name, value in stack.environment("gateway").items()}
        yield (
            Settings(**given, services={"intake": intake}, jwks_file=public, signing_keys_file=private, csrf_secret=SECRET, pool_size=4),
            verifier,
        )


@pytest.fixture(scope="module")
async def gateway(made: tuple[Settings, Verifier]) -> AsyncIterator[Gateway]:
    app = main.create(made[0])
    async with serving(app) as url:
        yield Gateway(app, url, made[0])


async def sign_in(browser: httpx.AsyncClient, login: str, password: str = PASSWORD, **more: str) -> httpx.Response:
    return await browser.post("/sign-in", data={"login": login, "password": password} | more)


async def token(gateway: Gateway, client_id: str, **form: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False) as client:
        return await client.post("/oauth/token", data={"grant_type": "client_credentials", **form}, auth=(client_id, form.pop("basic", SECRET)))


# Operations -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/metrics", "/api/intake/metrics"])
async def test_health_and_metrics_are_answered_on_their_own_port_and_not_at_the_public_door(gateway: Gateway, path: str) -> None:
    app = main.create(gateway.settings.model_copy(update={"ops_port": 0}))
    async with serving(app) as url, httpx.AsyncClient(trust_env=False) as client:
        agent = await token(gateway, await gateway.machine(("agent",)))
        for headers in ({}, {"Authorization": f"Bearer {agent.json()['access_token']}"}):
            refused = await client.get(url + path, headers=headers)
            assert refused.status_code == (401 if path.startswith("/api") and not headers else 404)
        if not path.startswith("/api"):
            answer = await client.get(f"http://127.0.0.1:{app.state.ops_port}{path}")
            assert answer.status_code == 200
            assert ("# HELP" in answer.text) == (path == "/metrics")


# People -----------------------------------------------------------------------------------------------------------------


async def test_the_right_password_opens_a_session_at_ones_own_space(gateway: Gateway) -> None:
    async with gateway.browser() as browser:
        answer = await sign_in(browser, (await gateway.user()).upper())
        assert (answer.status_code, answer.headers["location"]) == (303, "/desk")
        cookie = next(value for value in answer.headers.get_list("set-cookie") if value.startswith("entraide_session="))
        assert re.fullmatch(r"entraide_session=[\w-]{43}; HttpOnly; Max-Age=43200; Path=/; SameSite=lax", cookie)
        me = (await browser.get("/api/intake/v1/whoami")).json()
        assert me["roles"] == ["agent"]
        assert len(me["csrf"]) == 64
        assert (await browser.get("/")).headers["location"] == "/desk"


async def test_over_https_the_cookie_is_bound_to_the_host_and_the_connection(gateway: Gateway) -> None:
    app = main.create(gateway.settings.model_copy(update={"public_origin": "https://entraide.example"}))
    async with serving(app) as url, httpx.AsyncClient(base_url=url, trust_env=False) as browser:
        answer = await browser.post(
            "/sign-in", data={"login": await gateway.user(), "password": PASSWORD}, headers={"Origin": "https://entraide.example"}
        )
        assert answer.headers["location"] == "/desk"
        cookie = next(value for value in answer.headers.get_list("set-cookie") if value.startswith("__Host-entraide_session="))
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
        assert answer.headers["strict-transport-security"].startswith("max-age=")


async def test_a_wrong_password_and_an_unknown_login_read_the_same(gateway: Gateway) -> None:
    known = await gateway.user()
    async with gateway.browser() as browser:
        wrong, unknown = await sign_in(browser, known, "not the password"), await sign_in(browser, "nobody-" + new_id(), "not the password")
    assert wrong.status_code == unknown.status_code == 401
    said = [re.sub(r'value="[^"]*"|data-now="[^"]*"', "", answer.text) for answer in (wrong, unknown)]
    assert said[0] == said[1]
    assert "Identifiant ou mot de passe incorrect." in said[0]
    assert "entraide_session" not in str(wrong.headers)


async def test_the_page_speaks_english_too(gateway: Gateway) -> None:
    async with gateway.browser() as browser:
        assert "Sign in" in (await browser.get("/sign-in?lang=en")).text
        assert "Wrong login or password." in (await sign_in(browser, "nobody-" + new_id(), "not the password")).text


async def test_ten_wrong_passwords_lock_the_login_even_for_the_right_one(gateway: Gateway) -> None:
    login = await gateway.user()
    async with gateway.browser() as browser:
        answers = await asyncio.gather(*(sign_in(browser, login, f"wrong {n}") for n in range(14)))
        assert sorted(answer.status_code for answer in answers) == [401] * 10 + [429] * 4
        assert (await sign_in(browser, login)).status_code == 429
        assert (await sign_in(browser, await gateway.user())).status_code == 303


async def test_a_lock_ends_after_a_quarter_of_an_hour_and_attempts_are_kept_without_login_or_password(gateway: Gateway, stack: Stack) -> None:
    login = await gateway.user()
    async with gateway.browser() as browser:
        for n in range(10):
            await sign_in(browser, login, f"wrong {n}")
        assert (await sign_in(browser, login)).status_code == 429
        owner = await asyncpg.connect(stack.databases["gateway"].owner)
        await owner.execute("update attempt set at = at - interval '16 minutes' where login_sha256 = sha256($1)", f"person:{login}".encode())
        assert (await sign_in(browser, login)).status_code == 303
        kept = await owner.fetch("select * from attempt where login_sha256 = sha256($1) order by id", f"person:{login}".encode())
        await owner.close()
    assert [row["outcome"] for row in kept] == ["wrong"] * 10 + ["locked", "signed_in"]
    assert {row["address"] for row in kept} == {"127.0.0.1"}
    assert len({row["subject_id"] for row in kept}) == 1
    assert login not in str(kept)


async def test_a_success_forgives_earlier_failures(gateway: Gateway) -> None:
    login = await gateway.user()
    async with gateway.browser() as browser:
        for _ in range(2):
            for n in range(8):
                assert (await sign_in(browser, login, f"wrong {n}")).status_code == 401
            assert (await sign_in(browser, login)).status_code == 303


async def test_after_sign_in_one_goes_on_to_where_one_wanted_but_never_elsewhere(gateway: Gateway) -> None:
    login = await gateway.user()
    async with gateway.browser() as browser:
        refused = await browser.get("/desk/cases?q=482")
        page = await browser.get(refused.headers["location"])
        assert 'name="next" value="/desk/cases?q=482"' in page.text
        assert (await sign_in(browser, login, next="/desk/cases?q=482")).headers["location"] == "/desk/cases?q=482"
        assert (await sign_in(browser, login, next="//evil.example")).headers["location"] == "/desk"


async def test_signing_in_from_another_site_is_refused(gateway: Gateway) -> None:
    async with gateway.browser() as browser:
        browser.headers["Origin"] = "https://evil.example"
        assert (await sign_in(browser, await gateway.user())).status_code == 403


async def test_signing_out_needs_the_sessions_own_form_and_ends_it(gateway: Gateway) -> None:
    async with gateway.browser() as browser:
        await sign_in(browser, await gateway.user())
        cookie = browser.cookies["entraide_session"]
        assert (await browser.post("/sign-out", data={"csrf": "0" * 64})).status_code == 403
        csrf = (await browser.get("/api/intake/v1/whoami")).json()["csrf"]
        page = (await browser.get("/desk/stuck")).text
        assert f'name="csrf" value="{csrf}"' in page
        out = await browser.post("/sign-out", data={"csrf": csrf})
        assert (out.status_code, out.headers["location"]) == (303, "/sign-in")
        assert "entraide_session" not in browser.cookies
        again = await browser.get("/api/intake/v1/whoami", headers={"Cookie": f"entraide_session={cookie}", "Accept": "application/json"})
        assert again.status_code == 401
        assert again.headers["content-type"] == "application/problem+json"


async def test_the_token_of_a_session_is_renewed_and_its_user_looked_up_again(gateway: Gateway) -> None:
    login = await gateway.user()
    async with gateway.browser() as browser:
        await sign_in(browser, login)
        before = await browser.get("/api/intake/v1/whoami")
        attached = gateway.app.state.sessions._known[browser.cookies["entraide_session"]]
        first = attached.authorization
        attached.check_at = 0
        await browser.get("/api/intake/v1/whoami")
        assert gateway.app.state.sessions._known[browser.cookies["entraide_session"]].authorization == first
        attached.check_at, attached.ends_at = 0, attached.ends_at - 8 * 60
        assert (await browser.get("/api/intake/v1/whoami")).json() == before.json()
        assert gateway.app.state.sessions._known[browser.cookies["entraide_session"]].authorization != first


async def test_a_session_is_kept_only_as_a_digest_and_its_tables_are_closed_to_outsiders(gateway: Gateway, stack: Stack) -> None:
    async with gateway.browser() as browser:
        await sign_in(browser, await gateway.user())
        raw = browser.cookies["entraide_session"]
    owner = await asyncpg.connect(stack.databases["gateway"].owner)
    assert raw not in str(await owner.fetch("select *, encode(token_sha256, 'escape') from session"))
    assert await owner.fetchval("select count(*) from session where token_sha256 = sha256($1)", raw.encode()) == 1
    assert await owner.fetchval("select bool_and(password_hash like '$argon2id$%') from account")
    await owner.close()
    outsider = await asyncpg.connect(stack.databases["gateway"].outside)
    for table in ("account", "client", "session", "attempt"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await outsider.fetch(f"select * from {table}")
    await outsider.close()


async def test_the_stuck_list_is_for_the_desk_and_asks_each_service(gateway: Gateway) -> None:
    async with gateway.browser() as browser:
        await sign_in(browser, await gateway.user())
        page = (await browser.get("/desk/stuck")).text
        for service in ("intake", "reference", "dispatch", "tracking", "billing"):
            assert f'hx-get="/pages/{service}/stuck?part=1"' in page
        await sign_in(browser, await gateway.user(("provider",), provider_id=PROVIDER))
        assert (await browser.get("/desk/stuck")).status_code == 403


async def test_an_unknown_path_is_a_404_as_a_page_or_as_a_problem(gateway: Gateway) -> None:
    async with gateway.browser() as browser:
        page = await browser.get("/nowhere/at/all")
        assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
        problem = await browser.get("/nowhere/at/all", headers={"Accept": "*/*"})
        assert (problem.status_code, problem.json()["code"]) == (404, "not_found")


async def test_a_service_that_is_away_is_a_503_as_a_page_or_as_a_problem(gateway: Gateway) -> None:
    async with gateway.browser() as browser:
        await sign_in(browser, await gateway.user())
        page = await browser.get("/board")
        assert (page.status_code, page.headers["content-type"]) == (503, "text/html; charset=utf-8")
        problem = await browser.get("/api/billing/v1/bills", headers={"Accept": "*/*"})
        assert (problem.status_code, problem.headers["content-type"]) == (503, "application/problem+json")


async def test_static_files_come_from_here(gateway: Gateway) -> None:
    async with gateway.browser() as browser:
        assert (await browser.get("/static/entraide.css")).headers["content-type"].startswith("text/css")


# Machines ---------------------------------------------------------------------------------------------------------------


async def test_a_machine_gets_a_token_that_services_verify(gateway: Gateway, made: tuple[Settings, Verifier]) -> None:
    client_id = await gateway.machine(("provider",), provider_id=PROVIDER)
    answer = await token(gateway, client_id)
    body = answer.json()
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 900)
    caller = Verifier("dispatch", made[0].jwks_file).verify(body["access_token"])
    assert (caller.provider_id, caller.roles, caller.trail, caller.csrf) == (PROVIDER, {"provider"}, client_id, None)
    assert caller.scopes == set(body["scope"].split())


async def test_a_machine_passes_to_a_service_with_its_own_token(gateway: Gateway) -> None:
    signed = (await token(gateway, await gateway.machine(("agent",)))).json()["access_token"]
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False) as client:
        assert (await client.post("/api/intake/v1/whoami", headers={"Authorization": f"Bearer {signed}"})).json()["roles"] == ["agent"]


async def test_credentials_may_come_in_the_form_or_by_basic_but_not_both(gateway: Gateway) -> None:
    client_id = await gateway.machine(("agent",))
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False) as client:
        form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": SECRET}
        assert (await client.post("/oauth/token", data=form)).status_code == 200
        both = await client.post("/oauth/token", data=form, auth=(client_id, SECRET))
        assert (both.status_code, both.json()["error"]) == (400, "invalid_request")


async def test_less_may_be_asked_for_but_not_more(gateway: Gateway) -> None:
    client_id = await gateway.machine(("agent",), ("intake:read", "intake:write"))
    assert (await token(gateway, client_id, scope="intake:read")).json()["scope"] == "intake:read"
    for scope in ("gateway:write", "intake:read billing:write", "intake"):
        answer = await token(gateway, client_id, scope=scope)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


async def test_a_wrong_secret_and_an_unknown_client_read_the_same(gateway: Gateway) -> None:
    client_id = await gateway.machine(("agent",))
    answers = [await token(gateway, client_id, basic="wrong"), await token(gateway, "nobody", basic="wrong")]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["error"] == "invalid_client"
    assert answers[0].headers["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize(
    ("body", "headers", "status", "error"),
    [
        (b"grant_type=password", FORM, 400, "unsupported_grant_type"),
        (b"", FORM, 400, "unsupported_grant_type"),
        (b"grant_type=client_credentials", FORM, 401, "invalid_client"),
        (b"grant_type=client_credentials&grant_type=client_credentials", FORM, 400, "invalid_request"),
        (b"grant_type=client_credentials", FORM | {"Authorization": "Basic %%%"}, 401, "invalid_client"),
        (b"grant_type=client_credentials", FORM | {"Authorization": "Bearer x"}, 401, "invalid_client"),
        (b"grant_type=client_credentials", FORM | {"Authorization": "Basic " + base64.b64encode(b"only-an-id").decode()}, 401, "invalid_client"),
        (b'{"grant_type": "client_credentials"}', {"Content-Type": "application/json"}, 400, "invalid_request"),
        (b"x=" + b"y" * 20_000, FORM, 400, "invalid_request"),
        (b"grant_type=\xff", FORM, 400, "invalid_request"),
    ],
)
async def test_a_wrong_token_request_is_answered_by_the_book(gateway: Gateway, body: bytes, headers: dict[str, str], status: int, error: str) -> None:
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False) as client:
        answer = await client.post("/oauth/token", content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


async def test_the_public_keys_are_served_without_the_private_part(gateway: Gateway) -> None:
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False) as client:
        [key] = (await client.get("/.well-known/jwks.json")).json()["keys"]
    assert key["crv"] == "P-256"
    assert "d" not in key


# Administrators ---------------------------------------------------------------------------------------------------------


@pytest.fixture
async def admin(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    signed = (await token(gateway, await gateway.machine(("admin",)))).json()["access_token"]
    async with httpx.AsyncClient(base_url=gateway.url, headers={"Authorization": f"Bearer {signed}"}, trust_env=False) as client:
        yield client


def someone(**more: Any) -> dict[str, Any]:
    return {"login": f"new-{new_id()}", "password": PASSWORD, "name": "Yann L.", "roles": ["agent"], **more}


async def test_an_account_is_added_once_told_to_the_others_and_can_sign_in(gateway: Gateway, admin: httpx.AsyncClient, stack: Stack) -> None:
    body, key = someone(), new_id()
    first = await admin.post("/api/gateway/v1/users", json=body, headers={"Idempotency-Key": key})
    again = await admin.post("/api/gateway/v1/users", json=body, headers={"Idempotency-Key": key})
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    user_id = first.json()["id"]
    assert first.headers["Entraide-Position"] == f"gateway:{user_id}:1"
    owner = await asyncpg.connect(stack.databases["gateway"].owner)
    told = await owner.fetch("select type, payload from kit.outbox where aggregateid in ($1, 'user:' || $1) order by id", user_id)
    await owner.close()
    assert [row["type"] for row in told] == ["gateway.user_changed.v1", "card.user.v1"]
    assert b"Yann" not in told[0]["payload"]
    assert b"Yann" in told[1]["payload"]
    async with gateway.browser() as browser:
        assert (await sign_in(browser, body["login"])).status_code == 303


async def test_a_login_is_taken_once_whatever_its_case(admin: httpx.AsyncClient) -> None:
    body = someone()
    assert (await admin.post("/api/gateway/v1/users", json=body, headers={"Idempotency-Key": new_id()})).status_code == 201
    taken = await admin.post("/api/gateway/v1/users", json=body | {"login": body["login"].upper()}, headers={"Idempotency-Key": new_id()})
    assert (taken.status_code, taken.json()["code"]) == (409, "login_taken")


async def test_a_closed_account_is_signed_out_everywhere_and_stays_out(gateway: Gateway, admin: httpx.AsyncClient) -> None:
    body = someone()
    user_id = (await admin.post("/api/gateway/v1/users", json=body, headers={"Idempotency-Key": new_id()})).json()["id"]
    async with gateway.browser() as browser:
        await sign_in(browser, body["login"])
        assert (await browser.get("/api/intake/v1/whoami")).status_code == 200
        closed = await admin.post(f"/api/gateway/v1/users/{user_id}/deactivate", headers={"Idempotency-Key": new_id()})
        assert closed.json() == {"id": user_id, "active": False, "version": 2}
        gateway.app.state.sessions._known[browser.cookies["entraide_session"]].check_at = 0
        assert (await browser.get("/api/intake/v1/whoami")).status_code == 401
        assert (await sign_in(browser, body["login"])).status_code == 401


async def test_a_machine_is_added_and_its_secret_is_never_said_again(gateway: Gateway, admin: httpx.AsyncClient) -> None:
    body = {"client_id": f"new-{new_id()}", "secret": SECRET, "name": "Aidoplan", "roles": ["provider"], "provider_id": PROVIDER}
    added = await admin.post("/api/gateway/v1/clients", json=body, headers={"Idempotency-Key": new_id()})
    assert added.status_code == 201
    assert SECRET not in added.text
    assert (await token(gateway, body["client_id"])).status_code == 200


async def test_only_an_administrator_adds_accounts(gateway: Gateway) -> None:
    async with gateway.browser() as browser:
        browser.headers["Accept"] = "application/json"
        assert (await browser.post("/api/gateway/v1/users", json=someone())).status_code == 401
        await sign_in(browser, await gateway.user())
        answer = await browser.post("/api/gateway/v1/users", json=someone(), headers={"Idempotency-Key": new_id()})
        assert answer.status_code in (401, 403)
        await sign_in(browser, await gateway.user(("admin",)))
        no_csrf = await browser.post("/api/gateway/v1/users", json=someone(), headers={"Idempotency-Key": new_id()})
        assert (no_csrf.status_code, no_csrf.json()["code"]) == (403, "csrf")
        csrf = (await browser.get("/api/intake/v1/whoami")).json()["csrf"]
        added = await browser.post("/api/gateway/v1/users", json=someone(), headers={"Idempotency-Key": new_id(), "X-CSRF": csrf})
        assert added.status_code == 201


@pytest.mark.parametrize("wrong", [{"roles": ["provider"]}, {"roles": ["emperor"]}, {"password": "short"}, {"roles": []}, {"name": ""}])
async def test_an_account_that_cannot_be_is_a_422(admin: httpx.AsyncClient, wrong: dict[str, Any]) -> None:
    answer = await admin.post("/api/gateway/v1/users", json=someone(**wrong), headers={"Idempotency-Key": new_id()})
    assert answer.status_code == 422
    assert PASSWORD not in answer.text
