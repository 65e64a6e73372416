"""A machine at the gateway: signs in by itself, sends commands under a key of their own, and writes down every one with its answer."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import uuid_utils

from deploy.demo.robots.config import Credentials
from deploy.demo.robots.diary import Diary, Outcome

BACK_OFF_S = 0.2  # doubled each time
BACK_OFF_MOST_S = 2.0


@dataclass(frozen=True, slots=True)
class Answer:
    """`position` is what a view is asked to wait for."""

    status: int
    body: Any
    position: str | None = None

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def code(self) -> str | None:
        """Of a refusal."""
        return self.body.get("code") if isinstance(self.body, dict) else None


class Silence(Exception):
    """No answer, however often it was asked: what became of the command is not known."""


class NotSignedIn(Exception):
    """The gateway gives no token just now: nothing was sent."""


class Client:
    """`actor` is who acts, `door` the way in; what is not answered is tried again for `patience_s`."""

    def __init__(self, http: httpx.AsyncClient, credentials: Credentials, actor: str, door: str, diary: Diary, patience_s: float) -> None:
        self.actor = actor
        self.door = door
        self.tenant = credentials.tenant
        self._http = http
        self._credentials = credentials
        self._diary = diary
        self._patience_s = patience_s
        self._token = ""
        self._renew_at = 0.0
        self._signing_in = asyncio.Lock()

    async def get(self, path: str, **params: Any) -> Answer:
        """A read; not in the diary. Raises `Silence`."""
        return await self._read("GET", path, params={name: value for name, value in params.items() if value is not None})

    async def _read(self, method: str, path: str, **sent: Any) -> Answer:
        for wait in self._waits():
            await asyncio.sleep(wait)
            try:
                response = await self._http.request(method, path, headers=await self._headers(), **sent)
            except (httpx.TransportError, NotSignedIn):
                continue
            if response.status_code < 500:
                return _answer(response)
        raise Silence(path)

    async def ask(self, path: str, body: dict[str, Any]) -> Answer:
        """A question too long for an address: changes nothing, so it has no key and is not in the diary. Raises `Silence`."""
        return await self._read("POST", path, json=body)

    async def command(self, method: str, path: str, body: dict[str, Any] | None = None, key: str | None = None) -> Answer:
        """Sent again under the same key until there is an answer. Raises `Silence`."""
        key = key or str(uuid_utils.uuid7())
        for wait in self._waits():
            await asyncio.sleep(wait)
            try:
                headers = await self._headers() | {"Idempotency-Key": key}
                response = await self._http.request(method, path, json=body, headers=headers)
            except NotSignedIn:
                continue
            except httpx.TransportError as failure:
                self._diary.note(self.actor, self.door, method, path, key, body, None, type(failure).__name__, "info")
                continue
            answer = _answer(response)
            outcome: Outcome = "ok" if answer.ok else "info" if answer.status >= 500 else "fail"
            self._diary.note(self.actor, self.door, method, path, key, body, answer.status, answer.body, outcome)
            if outcome != "info":
                return answer
        raise Silence(path)

    def _waits(self) -> Iterator[float]:
        """Before each try: none, then longer each time, until patience ends."""
        give_up, wait = time.monotonic() + self._patience_s, BACK_OFF_S
        yield 0
        while time.monotonic() < give_up:
            yield wait
            wait = min(wait * 2, BACK_OFF_MOST_S)

    async def _headers(self) -> dict[str, str]:
        async with self._signing_in:
            if time.monotonic() >= self._renew_at:
                form = {"grant_type": "client_credentials", "client_id": self._credentials.client_id, "client_secret": self._credentials.secret}
                try:
                    response = await self._http.post("/oauth/token", data=form)
                except httpx.TransportError:
                    raise NotSignedIn from None
                if response.status_code >= 500:
                    raise NotSignedIn
                response.raise_for_status()
                granted = response.json()
                self._token = granted["access_token"]
                self._renew_at = time.monotonic() + granted["expires_in"] / 2
        return {"Authorization": f"Bearer {self._token}"}


def _answer(response: httpx.Response) -> Answer:
    readable = "json" in response.headers.get("content-type", "")
    return Answer(response.status_code, response.json() if readable else response.text[:500], response.headers.get("entraide-position"))
