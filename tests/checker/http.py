"""One caller at the gateway, signed in by its own credentials, and lists read page after page."""

import asyncio
from typing import Any

import httpx

from tests.checker.inputs import Row

TRIES = 4
AT_ONCE = 12


class Refused(Exception):
    """The gateway did not sign the checker in, or a list could not be read."""


class Caller:
    def __init__(self, http: httpx.AsyncClient, limit: asyncio.Semaphore, credentials: Row) -> None:
        self.id: str = credentials.get("tenant") or credentials["client_id"]
        self._http = http
        self._limit = limit
        self._form = {"grant_type": "client_credentials", "client_id": credentials["client_id"], "client_secret": credentials["secret"]}
        self._token = ""
        self._signing_in = asyncio.Lock()

    async def get(self, path: str, **params: Any) -> httpx.Response:
        """Tries again while a door is out of reach. Raises `Refused`."""
        async with self._signing_in:
            if not self._token:
                self._token = await self._sign_in()
        headers = {"Authorization": f"Bearer {self._token}"}
        response = await self._send("GET", path, params={name: value for name, value in params.items() if value is not None}, headers=headers)
        if response.status_code == 401:
            self._token = ""
        return response

    async def pages(self, path: str, name: str, **params: Any) -> list[Row]:
        """All rows of a list with a cursor; a polling feed ends with an empty page. Raises `Refused`."""
        rows: list[Row] = []
        after: str | None = None
        while True:
            response = await self.get(path, after=after, **params)
            if not response.is_success:
                raise Refused(f"{self.id} reads {path}: {response.status_code}")
            page = response.json()
            rows += page[name]
            following = page.get("next")
            if not following or following == after or not page[name]:
                return rows
            after = following

    async def case(self, path: str) -> Row | None:
        """None for a 404. Raises `Refused` for any other refusal."""
        response = await self.get(path)
        if response.status_code == 404:
            return None
        if not response.is_success:
            raise Refused(f"{self.id} reads {path}: {response.status_code}")
        found: Row = response.json()
        return found

    async def _sign_in(self) -> str:
        response = await self._send("POST", "/oauth/token", data=self._form)
        if not response.is_success:
            raise Refused(f"the gateway does not sign {self._form['client_id']} in: {response.status_code}")
        token: str = response.json()["access_token"]
        return token

    async def _send(self, method: str, path: str, **rest: Any) -> httpx.Response:
        for attempt in range(TRIES):
            try:
                async with self._limit:
                    response = await self._http.request(method, path, **rest)
            except httpx.TransportError:
                if attempt == TRIES - 1:
                    raise
                await asyncio.sleep(0.2 * 2**attempt)
                continue
            if response.status_code not in (502, 503, 504) or attempt == TRIES - 1:
                return response
            await asyncio.sleep(0.2 * 2**attempt)
        raise AssertionError("unreachable")
